"""What cannot be a part of a study is refused in one sentence that names it, before anything is written or trained."""

from __future__ import annotations

import subprocess
import sys

import pytest
from own_files import HALF, MEASURE, edit, written

from zoneout_lab import load_study
from zoneout_lab.errors import InputRefusedError, LabError
from zoneout_lab.study.run import run_study

SITES = HALF[HALF.index("    def sites") : HALF.index("STUDY")]

# what is changed in the study's file → words of the message
FILES = {
    "not frozen": [("@dataclass(frozen=True)", "@dataclass"), "./half.py:HalfZoneout can be changed after it is made"],
    "not a dataclass": [("@dataclass(frozen=True)\n", ""), "HalfZoneout() takes no arguments"],
    "not comparable": [("@dataclass(frozen=True)", "@dataclass(frozen=True, eq=False)"), "leave out eq=False"],
    "a field of its own without a decorator": [
        ("STUDY =", "class More(HalfZoneout):\n    more: float = 0.1\n\nSTUDY ="), ("HalfZoneout(0.4)", "More(0.4)"),
        "./half.py:More is not a dataclass",
    ],
    "in a function": [
        ("STUDY =", "def make():\n    class Mine(HalfZoneout): ...\n    return Mine()\n\nSTUDY ="), ("HalfZoneout(0.4)", "make()"),
        "Mine is defined inside make(), where other processes cannot import it",
    ],
    "made in passing": [
        ("STUDY =", "value = type('Mine', (HalfZoneout,), {})()\nSTUDY ="), ("HalfZoneout(0.4)", "value"),
        "has no class Mine that is this one",
    ],
    "overwritten": [
        ("STUDY =", "value = HalfZoneout()\nHalfZoneout = None\nSTUDY ="), ("HalfZoneout(0.4)", "value"), ("HalfZoneout(0.2) + ", ""),
        "has no class HalfZoneout that is this one",
    ],
    "does nothing": [("def sites", "def places"), "./half.py:HalfZoneout would do nothing: define one or more of sites, masks"],
    "a wrong signature": [("def sites(self)", "def sites(self, cell)"), ("HalfZoneout(0.2) + ", ""), "./half.py:HalfZoneout: sites(self, cell)", "is called as sites()"],
    "a kind that is a field": [("    z: float = 0.5", "    z: float = 0.5\n    kind: str = 'mine'"), "./half.py:HalfZoneout: kind is a field", "kind: ClassVar[str] ="],
    "an argument that is not kept": [
        ("import dataclass", "import InitVar, dataclass"), ("    z: float = 0.5", "    z: float\n    w: InitVar[float]"), ("HalfZoneout(0.4)", "HalfZoneout(0.4, 1)"),
        ("HalfZoneout(0.2)", "HalfZoneout(0.2, 1)"), "./half.py:HalfZoneout is made with 'w', which is not one of its fields",
    ],
    "an option that is a path": [("import dataclass", "import dataclass\nfrom pathlib import Path"), ("length=7", "note=Path('a')"),
                                 "options.note is PosixPath('a'); it has to be a number, a string, true or false, or a tuple of these."],
    "an option that is a part": [("length=7", "note=HalfZoneout()"), "options.note is {'kind': './half.py:HalfZoneout', 'z': 0.5}; it has to be"],
    "an option that is a set": [("length=7", "sizes={8, 9}"), "options.sizes is {8, 9}; it has to be"],
    "an option that is nested": [('"model.hidden": 3', '"options.sizes": ((8, 9), 7)'), "options.sizes is ((8, 9), 7); it has to be"],
    "no method": [(SITES, "    sites = {}\n\n"), ("HalfZoneout(0.2) + ", ""), "sites has to be a method: def sites(self)"],
    "a built-in kind": [("    z: float = 0.5", "    kind = 'zoneout'\n    z: float = 0.5"), "has the kind 'zoneout', which is built in"],
    "not a regularizer": [("regularizer=HalfZoneout(0.4)", "regularizer=Majority()"), "regularizer", "Majority"],
    "two of one kind": [
        ("STUDY =", "@dataclass(frozen=True)\nclass Other(HalfZoneout):\n    kind = 'HalfZoneout'\n    def sites(self):\n        return {}\n\n"
         "STUDY ="), ("+ WeightNoise(0.01)", "+ Other()"), "HalfZoneout", "of the same kind",
    ],
    "a file that raises": [("STUDY =", "def broken():\n    1 / 0\nbroken()\nSTUDY ="), "could not be run: line 26 of half.py: ZeroDivisionError"],
    "a file that raises lines": [("STUDY =", "raise OSError('one\\ntwo\\n\\nthree')\nSTUDY ="), "line 25 of half.py: OSError: one two three"],
    "an exception of its own": [
        ("STUDY =", "class Odd(BaseException):\n    def __str__(self):\n        return self.text\nraise Odd()\nSTUDY ="), "line 28 of half.py: Odd",
    ],
    "a neighbour that raises": [("from zoneout_lab import Arm", "import broken\nfrom zoneout_lab import Arm"), "line 2 of broken.py: KeyError: 'x'"],
    "no neighbour": [("from majority", "from minority"), "could not be run: line 7 of half.py: ModuleNotFoundError", "minority"],
    "a task that is none": [("task=Majority(length=7)", "task=HalfZoneout"), "task: HalfZoneout is not a task: it has to inherit from Task"],
    "no such option": [("task=Majority(length=7)", "task=Majority"), ('"model.hidden": 3', '"options.lenght": 3'), "'lenght'", "mean 'length'"],
}  # fmt: skip

# what is refused by the trial before the first run
TRIALS = {
    "a set": [("    z: float = 0.5", "    z: float = 0.5\n    units: frozenset = frozenset({1})"), "arm 'half'", "field units", "JSON cannot carry"],
    "infinite": [("    z: float = 0.5", "    z: float = 0.5\n    limit: float = 1.0"), ("HalfZoneout(0.4)", "HalfZoneout(0.4, float('inf'))"),
                 "arm 'half'", "field limit is inf", "JSON cannot carry"],
    "no probability": [("HalfZoneout(0.4)", "HalfZoneout(float('inf'))"), "a mask's rate is inf; it is a probability and must lie in [0, 1]"],
    "a list": [("    z: float = 0.5", "    z: float = 0.5\n    units: list = None"), ("HalfZoneout(0.4)", "HalfZoneout(0.4, [1])"),
               "field units is [1] and comes back from JSON as (1,)"],
    "an array": [("    z: float = 0.5", "    z: float = 0.5\n    units: object = None"), ("import Majority", "import Majority\nimport numpy"),
                 ("HalfZoneout(0.4)", "HalfZoneout(0.4, numpy.ones(2))"), "field units is array([1., 1.]) and comes back"],
    "a field that is changed": [("    z: float = 0.5", "    z: float = 0.5\n    def __post_init__(self):\n        object.__setattr__(self, 'z', self.z / 2)"), "arm 'half'",
                                "its field z is 0.2 and becomes 0.1 when the part is made again from its fields, so something"],
    "a field that is changed in a part that is held": [("    z: float = 0.5", "    z: float = 0.5\n    def __post_init__(self):\n        object.__setattr__(self, 'z', self.z / 2)"),
        ("HalfZoneout(0.4)", "WeightNoise(0.1)"), "arm 'noisy': ./half.py:HalfZoneout: its field z is 0.1 and becomes 0.05 when"],
    "a dictionary with a kind": [("    z: float = 0.5", "    z: float = 0.5\n    more: tuple = ()"), ("HalfZoneout(0.4)", "HalfZoneout(0.4, ({'kind': 1},))"),
                                 "its field more is ({'kind': 1},), and 'kind' is how JSON names a part"],
    "an enum": [
        ("@dataclass(frozen=True)\nclass HalfZoneout", "import enum\nclass Mode(enum.StrEnum):\n    A = 'a'\n@dataclass(frozen=True)\nclass HalfZoneout"),
        ("    z: float = 0.5", "    z: float = 0.5\n    mode: str = 'a'"), ("HalfZoneout(0.4)", "HalfZoneout(0.4, Mode.A)"),
        "field mode is <Mode.A: 'a'> and comes back from JSON as 'a'",
    ],
    "a named tuple": [
        ("@dataclass(frozen=True)\nclass HalfZoneout", "import collections\nPair = collections.namedtuple('Pair', 'low high')\n@dataclass(frozen=True)\nclass HalfZoneout"),
        ("    z: float = 0.5", "    z: float = 0.5\n    pair: tuple = ()"), ("HalfZoneout(0.4)", "HalfZoneout(0.4, Pair(0.1, 0.2))"),
        "field pair is Pair(low=0.1, high=0.2) and comes back from JSON as (0.1, 0.2)",
    ],
    "None for a number": [("    z: float = 0.5", "    z: float = 0.5\n    units: int | None = 3"), ("HalfZoneout(0.4)", "HalfZoneout(0.4, None)"),
                          "field units is None and comes back from JSON as 3"],
    "half of nothing": [("HalfZoneout(0.4)", "HalfZoneout(None)"), "arm 'half'", "./half.py:HalfZoneout failed when asked for its masks: TypeError"],
    "a condition": [
        ("from majority", "import sys\nfrom majority"),
        ("@dataclass(frozen=True)\nclass HalfZoneout", "first = not hasattr(sys, 'a_test')\nsys.a_test = 1\n@dataclass(frozen=True)\nclass HalfZoneout"),
        ("\n\nSTUDY =", "\nif not first:\n    del HalfZoneout\n    HalfZoneout = lambda z: WeightNoise(z)\n    del HalfZoneout\n    class Arm: ...\nSTUDY ="),
        "half.py",
    ],
    "raises when it is used": [("half(self.z)", "half(self.zed)"), "no attribute 'zed'"],
    "a site that is none": [('"hidden": MaskSpec', '"hiden": MaskSpec'), "site 'hiden'"],
}  # fmt: skip

TASKS = {
    "not data": [("return Data.of(*splits)", "return splits"), "Majority: load() returned list; return Data.of(train, valid, test)"],
    "empty": [("(64, 32, 32)", "(64, 0, 32)"), "Majority: its valid split is empty"],
    "float64": [("bits.float()", "bits.double()"), "train split has inputs of type torch.float64", "inputs.float()"],
    "two dimensions": [("bits.float()", "bits.float()[:, :, 0]"), "inputs of shape [64, 7]", "[64 examples, timesteps, input_size = 1]"],
    "NaN": [("bits.float()", "bits.float().sqrt().log()"), "inputs that are NaN or infinite"],
    "too many classes": [("return 2", "return 1"), "targets from 0 to 1; with 1 classes they go from 0 to 0"],
    "targets of no class": [(".long()))", ".float()))"), "targets of type torch.float32"],
    "another kind of split": [("Data.of(*splits)", "Data(splits[0], splits, splits[2], 'x')"), "valid split is list; all three have to be Examples(...)"],
    "real targets": [('score = "error"', 'score = "mse"'), "output_size is 2; it has to be 1"],
    "no score": [('    score = "error"\n', ""), "Majority: A task's score is None; give one of error"],
    "no such score": [('score = "error"', 'score = "accuracy"'), "Majority: There is no score 'accuracy'"],
    "raises": [("splits = []", "splits = {}['x']"), "Majority could not load its data: KeyError: 'x' (line 32 of "],
    "its own refusal": [("splits = []", "from zoneout_lab.errors import InputRefusedError\n        raise InputRefusedError('No such corpus.')"),
                        "No such corpus."],
    "a method for a property": [("    @property\n    def input_size", "    def input_size"), "input_size is a method and has to be a property"],
    "load without a folder": [("def load(self, folder: Path | None = None)", "def load(self)"), "load(self)", "is called as load(folder=None)"],
    "no load": [("def load", "def read"), "Majority", "abstract method", "load"],
    "only a preset that is not asked for": [
        ('score = "error"', 'score = "error"\n    from zoneout_lab.settings import Setting\n    settings = {"paper": Setting()}'),
        "./majority.py:Majority has no preset 'laptop', the one that a study has unless it names another. Known: paper.",
    ],
    "no preset": [('score = "error"', 'score = "error"\n    settings = {}'), "settings have to be a mapping of one or more names to Setting(...)"],
    "a setting that is none": [('score = "error"', 'score = "error"\n    settings = {"laptop": {}}'), "settings have to be a mapping"],
    "no size": [("return 1\n", "return 1.5\n"), "input_size is 1.5"],
}  # fmt: skip


def refused(path, file, case, out):
    """The message for a study after the case's changes of a file, which has to hold the case's words; nothing is written."""
    for old, new in (each for each in case if isinstance(each, tuple)):
        edit(file, old, new)
    with pytest.raises(LabError) as error:
        run_study(load_study(path), out=out, workers=1, tracking=None)
    message = str(error.value)
    assert isinstance(error.value, ValueError)
    assert not out.exists()
    assert all(word in message for word in case if isinstance(word, str)), message
    assert len(message.splitlines()) <= 2, message


@pytest.mark.parametrize("case", [*FILES, *TRIALS])
def test_regularizers_and_files(tmp_path, case):
    path = written(tmp_path, broken="\n{}['x']")
    refused(path, path, (FILES | TRIALS)[case], tmp_path / "o")


@pytest.mark.parametrize("case", TASKS)
def test_tasks(tmp_path, case):
    refused(written(tmp_path), tmp_path / "majority.py", TASKS[case], tmp_path / "o")


OTHER = """
from dataclasses import dataclass
from helpers import half
from half import HalfZoneout as First

@dataclass(frozen=True)
class HalfZoneout(First): ...

@dataclass(frozen=True)
class Renamed(HalfZoneout):
    kind = "Majority"
"""


@pytest.mark.parametrize(
    ("other", "kind"),
    [("other.HalfZoneout()", "HalfZoneout"), ("other.Renamed()", "Majority")],
    ids=["two arms", "task and arm"],
)
def test_two_classes_of_one_kind_in_one_study(tmp_path, other, kind):
    path = written(tmp_path, own=HALF[: HALF.index("STUDY")], other=OTHER.replace("from half", "from own"))
    edit(path, "from majority", "import other\nfrom majority")
    edit(path, "HalfZoneout(0.2) + WeightNoise(0.01)", other)
    with pytest.raises(
        InputRefusedError, match=f"are two classes of the kind '{kind}'; give one of them another name"
    ) as error:
        run_study(load_study(path), out=tmp_path / "o", workers=1, tracking=None)
    assert f"./other.py:{other[6:-2]}" in str(error.value)
    assert "./half.py:HalfZoneout" in str(error.value) or "./majority.py:Majority" in str(error.value)
    assert not (tmp_path / "o").exists()


def test_two_measures_of_one_kind(tmp_path):
    path = written(tmp_path, one=MEASURE, two=MEASURE)
    edit(path, "from majority", "import one, two\nfrom majority")
    edit(path, "    seeds=2", "    seeds=2,\n    gradient_epochs=(-1,),\n    measures=(one.Length(), two.Length())")
    with pytest.raises(
        InputRefusedError, match=r"\./one\.py:Length and \./two\.py:Length are two classes of the kind 'length'"
    ):
        load_study(path)


SESSION = """
from dataclasses import dataclass
from zoneout_lab import Arm, Study, Zoneout
{guard}@dataclass(frozen=True)
{guard}class Mine(Zoneout): ...
from zoneout_lab.study.parts import check_parts
from zoneout_lab.tasks import make_task
study = Study(name="s", title="", question="", arms=(Arm(name="a", regularizer=Mine(cell=0.5)),), baseline="a")
task = make_task("digits")
with study.code.in_use():
    check_parts(study, task, task.load())
print(study.runs()[0].regularizer["kind"])
"""


@pytest.mark.parametrize(
    ("how", "guard", "found"),
    [
        ("-c", "", "written in an interactive session or a notebook"),
        ("file", "if __name__ == '__main__':\n", "only under a condition that does not hold in other processes"),
        ("file", "", "./script.py:Mine"),
    ],
)
def test_scripts_and_sessions(tmp_path, how, guard, found):
    text = SESSION.replace("{guard}@", "{guard} @" if guard else "@").replace(
        "{guard}class", " class" if guard else "class"
    )
    text = text.replace("{guard}", guard)
    (tmp_path / "script.py").write_text(text)
    words = ["-c", text] if how == "-c" else ["script.py"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=tmp_path)
    assert found in done.stdout + done.stderr, done.stderr
    assert (done.returncode == 0) == (found == "./script.py:Mine")


def test_refusals_are_of_input(tmp_path):
    path = written(tmp_path)
    edit(path, "@dataclass(frozen=True)", "@dataclass")
    with pytest.raises(InputRefusedError, match=r"half\.py: Study: arm .half.: .* can be changed after it is made"):
        load_study(path)
