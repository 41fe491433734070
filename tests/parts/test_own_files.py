"""Parts from one's own file: named by where they come from, apart from other folders' modules, found again from their JSON."""

from __future__ import annotations

import importlib
import json
import sys
import zipfile

import pytest
from own_files import HALF, HELPERS, edit, written

from zoneout_lab import Zoneout, load_study
from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.parts import Code, check_part, private
from zoneout_lab.regularizers import REGULARIZERS, Regularizer, from_json, to_json
from zoneout_lab.study import Study
from zoneout_lab.tasks import task_name


@pytest.fixture
def study(tmp_path) -> Study:
    return load_study(written(tmp_path))


def test_parts_are_named_by_their_files(study):
    assert task_name(study.task) == "./majority.py:Majority"
    assert to_json(study.arm("half").regularizer) == {"kind": "./half.py:HalfZoneout", "z": 0.4}
    assert to_json(study.arm("noisy").regularizer)["parts"][0] == {"kind": "./half.py:HalfZoneout", "z": 0.2}
    assert study.setting().options == {"length": 7, "sizes": (64, 32, 32)}
    assert study.change["options.length"] == 7


NUMBERS = {
    "0.4": "np.float64(0.4)",
    "0.25": "np.float32(0.25)",
    "0.4, 3": "torch.tensor(0.4, dtype=torch.double), np.int64(3)",
    "0.4, (True, 2)": "0.4, (np.bool_(True), np.int32(2))",
}


@pytest.mark.parametrize("plain", NUMBERS)
def test_numbers_of_numpy_and_torch_are_numbers(tmp_path, plain):
    """They give the run ids that Python's own numbers give; a field that __post_init__ computes is not written."""
    ids = []
    for given in (plain, NUMBERS[plain]):
        path = written(tmp_path)
        edit(path, "import dataclass", "import dataclass, field\nimport numpy as np, torch")
        edit(
            path,
            "    z: float = 0.5",
            "    z: float = 0.5\n    more: object = 0\n    twice: float = field(init=False)\n\n"
            "    def __post_init__(self):\n        object.__setattr__(self, 'twice', 2 * self.z)",
        )
        edit(path, "HalfZoneout(0.4)", f"HalfZoneout({given})")
        study = load_study(path)
        with study.code.in_use():
            check_part(study.arm("half").regularizer, REGULARIZERS, Regularizer)
            assert vars(from_json(to_json(study.arm("half").regularizer)))["twice"] == 2 * float(plain.split(",")[0])
        ids.append([run.setting.model_dump() | run.regularizer for run in study.runs()])
    assert ids[0] == ids[1]
    assert "twice" not in ids[0][0]


def test_a_study_with_parts_of_ones_own_survives_json(study):
    text = json.dumps(study.model_dump(mode="json"))
    with study.code.in_use():
        again = Study.model_validate_json(text)
    assert again == study
    assert again.id == study.id
    assert [run.id for run in again.runs()] == [run.id for run in study.runs()]


def test_the_code_of_a_study_is_what_its_parts_come_from_and_import(study):
    assert list(study.code.digests()) == ["./half.py", "./helpers.py", "./majority.py"]
    assert study.to_json()["code"] == study.code.digests()
    of_arm = {run.arm: run.code for run in study.runs()}
    assert list(of_arm["lstm"]) == ["./majority.py"]
    assert of_arm["half"] == study.code.digests()


def test_a_file_without_parts_of_its_own_is_no_code(tmp_path):
    text = HALF[: HALF.index("@dataclass")] + HALF[HALF.index("STUDY") :]
    path = written(
        tmp_path, half=text.replace("HalfZoneout(0.4)", "Zoneout(0.4)").replace("HalfZoneout(0.2)", "Zoneout(0.2)")
        .replace("from majority import Majority", "from zoneout_lab import Zoneout").replace("    task=Majority(length=7),\n", ""),
    )  # fmt: skip
    study = load_study(path)
    assert study.code == Code()
    assert "code" not in study.to_json()
    assert "code" not in study.runs()[0].model_dump(mode="json")


def test_another_processes_classes_are_made_from_the_sources_alone(study, tmp_path):
    """As a worker does: the files may be gone, and nothing of them is loaded."""
    code = study.code
    for path in tmp_path.glob("*.py"):
        path.unlink()
    written_ = [to_json(arm.regularizer) for arm in study.arms]
    elsewhere = Code(tuple(type(file)(file.key, file.folder, file.file, file.source, "nowhere") for file in code.files))
    with elsewhere.in_use():
        found = [from_json(value) for value in written_]
        assert [to_json(part) for part in found] == written_
    assert type(found[1]) is not type(study.arm("half").regularizer)
    assert found[1].sites()["hidden"].rate == 0.2


def test_an_instance_is_found_again_as_itself(study):
    half = study.arm("half").regularizer
    with study.code.in_use():
        assert from_json(to_json(half)) == half
        assert vars(from_json("./half.py:HalfZoneout")) == {"z": 0.5}


def test_without_code_in_use_a_file_is_found_that_only_one_folder_has(tmp_path):
    half = load_study(written(tmp_path).rename(tmp_path / "only_here.py")).arm("half").regularizer
    assert from_json(to_json(half)) == half


def test_two_folders_with_files_of_the_same_names_do_not_get_each_others(tmp_path):
    one = load_study(written(tmp_path / "one"))
    other = load_study(written(tmp_path / "other", helpers=HELPERS.replace("/ 2", "/ 4")))
    rates = [study.arm("half").regularizer.sites()["hidden"].rate for study in (one, other)]
    assert rates == [0.2, 0.1]
    with pytest.raises(InputRefusedError, match="comes from a file that is not loaded"):
        from_json(to_json(one.arm("half").regularizer))
    for study, rate in zip((one, other), rates, strict=True):
        with study.code.in_use():
            assert from_json(to_json(study.arm("half").regularizer)).sites()["hidden"].rate == rate
    mixed = one.model_copy(update={"arms": (one.arms[0], one.arms[1], other.arms[2])})
    with pytest.raises(InputRefusedError, match=r"both called \./helpers\.py and are not the same"):
        mixed.id  # noqa: B018


def test_the_callers_modules_and_path_stay_as_they_are(tmp_path, monkeypatch):
    mine = type(sys)("helpers")
    monkeypatch.setitem(sys.modules, "helpers", mine)
    path, modules = list(sys.path), dict(sys.modules)
    study = load_study(written(tmp_path))
    assert study.arm("half").regularizer.sites()["hidden"].rate == 0.2
    assert sys.path == path
    added = sys.modules.keys() - modules.keys()
    # what the package itself loads when it is first asked for is not the folder's
    own = {name for name in added if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path))}
    assert own
    assert all(name.startswith("zoneout_lab_own_") for name in own)
    assert sys.modules["helpers"] is mine
    assert not list(tmp_path.glob("**/__pycache__"))


IMPORTS = {
    "plain": "import helpers\nvalue = helpers.half(3)",
    "as": "import helpers as h\nvalue = h.half(3)",
    "from": "from helpers import half\nvalue = half(3)",
    "relative": "from .helpers import half\nvalue = half(3)",
    "of a package": "import tools.deep, os.path\nvalue = tools.deep.half(3)\nos.path.sep",
    "from a package": "from tools import deep\nvalue = deep.half(3)",
    "relative in a package": "from tools.near import half\nvalue = half(3)",
    "of itself": "import circle\nvalue = circle.value()",
    "by its name": "import importlib\nvalue = importlib.import_module('helpers').half(3)",
    "by a name that is made": "from importlib import import_module\nvalue = import_module(name='help' + 'ers', package=None).half(3)",
    "by its name in a package": "import importlib as i\nvalue = i.import_module('tools.near').half(3)",
    "installed by its name": "import importlib\nvalue = 1.5 * importlib.import_module('numpy').float64(1)",
    "installed": "import numpy as np, json\nvalue = float(np.float64(1.5))",
}


@pytest.mark.parametrize("case", IMPORTS)
def test_what_lies_beside_a_file_can_be_imported_from_it(tmp_path, case):
    written(tmp_path, odd=IMPORTS[case], circle="import odd\ndef value():\n    return 1.5 if odd.__file__ else 0")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "__init__.py").touch()
    (tmp_path / "tools" / "deep.py").write_text(HELPERS)
    (tmp_path / "tools" / "near.py").write_text("from .deep import half")
    (tmp_path / "numpy").mkdir()  # a folder of data
    (tmp_path / "numpy" / "script.py").touch()
    (tmp_path / "odd").mkdir()  # and one beside the file of its name
    assert private.space(tmp_path).load("odd.py").value == 1.5


def test_files_whose_names_differ_by_a_full_stop_are_two_modules(tmp_path):
    """And so are twofold.py and a package twofold beside it, which is what an import means."""
    text = HALF.replace("from zoneout_lab import", "import half_v2, twofold\nfrom zoneout_lab import")
    text = text.replace("from helpers import half  # not before it is needed", "").replace(
        "half(self.z)", "half_v2.RATE"
    )
    written(tmp_path, **{"half.v2": text, "half_v2": "RATE = 0.125"})
    (tmp_path / "twofold").mkdir()
    (tmp_path / "twofold" / "__init__.py").write_text("from twofold.deep import RATE")
    (tmp_path / "twofold" / "deep.py").write_text("RATE = 0.75")
    (tmp_path / "twofold.py").write_text(text.replace("half_v2.RATE", "twofold.RATE"))
    for name, rate in (("half.v2.py", 0.125), ("twofold.py", 0.75)):
        study = load_study(tmp_path / name)
        half = study.arm("half").regularizer
        assert half.sites()["hidden"].rate == rate
        assert study.code.again(f"./{name}").HalfZoneout().sites()["hidden"].rate == rate
        assert from_json(to_json(half)) == half
        assert {"./half_v2.py", "./twofold/__init__.py", "./twofold/deep.py", f"./{name}"} < set(study.code.digests())


def test_what_is_imported_by_its_name_is_part_of_the_code(tmp_path):
    path = written(tmp_path)
    edit(path, "from helpers import half", "import importlib\n        half = importlib.import_module('helpers').half")
    study = load_study(path)
    assert list(study.code.digests()) == ["./half.py", "./helpers.py", "./majority.py"]
    path.unlink()
    (tmp_path / "helpers.py").unlink()
    assert study.code.again("./half.py").HalfZoneout(0.5).sites()["hidden"].rate == 0.25


def test_a_link_to_a_study_means_the_file_where_it_is(tmp_path):
    """As for Python, which looks for a script's modules beside the file that the link leads to."""
    target = written(tmp_path / "shared")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "helpers.py").write_text(HELPERS.replace("/ 2", "/ 8"))
    for name in ("half.py", "latest.py"):
        (tmp_path / "here" / name).symlink_to(target)
    direct = load_study(target)
    for name in ("half.py", "latest.py"):
        linked = load_study(tmp_path / "here" / name)
        assert linked.id == direct.id
        assert linked.arm("half").regularizer.sites()["hidden"].rate == 0.2
        assert {file.path for file in linked.code.files} == {file.path for file in direct.code.files}
    blob = target.rename(target.with_suffix(".blob"))  # as stores of large files keep them
    written(tmp_path / "here", helpers=HELPERS).unlink()
    (tmp_path / "here" / "kept.py").symlink_to(blob)
    assert task_name(load_study(tmp_path / "here" / "kept.py").task) == "./majority.py:Majority"


def test_a_study_file_may_have_any_name(tmp_path):
    path = written(tmp_path)
    path = path.rename(tmp_path / "2nd-try.v2.py")
    study = load_study(path)
    assert to_json(study.arm("half").regularizer)["kind"] == "./2nd-try.v2.py:HalfZoneout"
    with study.code.in_use():
        assert from_json(to_json(study.arm("half").regularizer)) == study.arm("half").regularizer


def test_a_file_that_was_changed_is_loaded_anew(tmp_path):
    path = written(tmp_path)
    before = load_study(path)
    edit(tmp_path / "helpers.py", "/ 2", "/ 4")
    after = load_study(path)
    assert [s.arm("half").regularizer.sites()["hidden"].rate for s in (before, after)] == [0.2, 0.1]
    assert before.id != after.id
    with before.code.in_use():
        assert from_json(to_json(before.arm("half").regularizer)).sites()["hidden"].rate == 0.2


def test_an_importable_module_is_named_by_its_name(tmp_path, monkeypatch):
    (tmp_path / "mypkg").mkdir()
    (tmp_path / "mypkg" / "__init__.py").touch()
    (tmp_path / "mypkg" / "rates.py").write_text(HELPERS)
    text = (
        HALF[: HALF.index("STUDY")]
        .replace("from majority import Majority\n", "")
        .replace("from helpers", "from .rates")
    )
    (tmp_path / "mypkg" / "parts.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    HalfZoneout = importlib.import_module("mypkg.parts").HalfZoneout

    value = HalfZoneout(0.4)
    assert to_json(value) == {"kind": "mypkg.parts:HalfZoneout", "z": 0.4}
    assert from_json(to_json(value)) == value
    code = Code.of([HalfZoneout])
    assert list(code.digests()) == ["mypkg.parts", "mypkg.rates"]
    (tmp_path / "mypkg" / "parts.py").write_text(text.replace("0.5", "0.9"))  # after it was planned
    for name in ("mypkg.parts", "mypkg.rates", "mypkg"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with code.in_use():
        again = from_json("mypkg.parts:HalfZoneout")
    assert (vars(again), again.sites()["hidden"].rate) == ({"z": 0.5}, 0.25)


def test_what_lies_beside_an_importable_module_is_part_of_its_code(tmp_path, monkeypatch):
    """In no package, as beside a study's file, but not beside what is installed. It is made again as it was when it was planned."""
    text = HALF[: HALF.index("STUDY")].replace("from majority import Majority\n", "import numpy\n")
    written(tmp_path, beside_me=text.replace("from helpers", "from helpers_beside"), helpers_beside=HELPERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    HalfZoneout = importlib.import_module("beside_me").HalfZoneout
    code = Code.of([HalfZoneout])
    assert list(code.digests()) == ["beside_me", "helpers_beside"]
    with code.in_use():
        assert from_json("beside_me:HalfZoneout") == HalfZoneout()
    (tmp_path / "helpers_beside.py").write_text(HELPERS.replace("/ 2", "/ 4"))
    monkeypatch.delitem(sys.modules, "beside_me")  # a new process
    with code.in_use():
        assert from_json("beside_me:HalfZoneout").sites()["hidden"].rate == 0.25
    written(
        tmp_path / "installed",
        beside_it=text.replace("from helpers", "from helpers_installed"),
        helpers_installed=HELPERS,
    )
    (tmp_path / "installed" / "half-1.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    assert list(Code.of([importlib.import_module("beside_it").HalfZoneout]).digests()) == ["beside_it"]


def test_a_module_in_an_archive_is_refused(tmp_path, monkeypatch):
    """Its source would not be known."""
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr("zipped.py", HALF[: HALF.index("STUDY")].replace("from majority import Majority\n", ""))
    monkeypatch.syspath_prepend(str(tmp_path / "z.zip"))
    with pytest.raises(InputRefusedError, match=r"zipped\.py, which cannot be read as a file"):
        Code.of([importlib.import_module("zipped").HalfZoneout])


def test_files_of_one_name_are_kept_apart(tmp_path, monkeypatch):
    """A study's neighbour and that of a module found on the path."""
    text = HALF[: HALF.index("STUDY")].replace("from majority import Majority\n", "").replace("HalfZoneout", "Another")
    written(tmp_path / "path", another=text)
    monkeypatch.syspath_prepend(str(tmp_path / "path"))
    path = written(tmp_path / "study", helpers=HELPERS.replace("/ 2", "/ 4"))
    edit(path, "from majority", "from another import Another\nfrom majority")
    edit(path, "HalfZoneout(0.2) + ", "Another(0.2) + ")
    copies = load_study(path).code.copies()
    assert {at: file.key for at, file in copies.items()} == {
        "half.py": "./half.py", "helpers.py": "./helpers.py", "majority.py": "./majority.py", "another.py": "another", "helpers/helpers.py": "helpers"
    }  # fmt: skip
    assert copies["helpers/helpers.py"].source == HELPERS.encode()


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("zonout", UsageError, "mean 'zoneout'"),
        ("./absent.py:Mine", InputRefusedError, "comes from a file that is not loaded"),
        (
            "no_such_module:Mine",
            InputRefusedError,
            "comes from a module that is not loaded: import no_such_module first",
        ),
        ("antigravity:Mine", InputRefusedError, "is not loaded: import antigravity first"),  # which opens a browser
        ("json:JSONDecoder", InputRefusedError, "is not a regularizer"),
        ("json:Mine", InputRefusedError, "defines no Mine"),
    ],
)
def test_names_of_nothing(name, kind, words):
    with pytest.raises(kind, match=words):
        from_json({"kind": name})


def test_built_in_parts_are_written_as_ever():
    assert to_json(Zoneout(cell=(0.0, 0.5))) == {
        "kind": "zoneout", "cell": [0.0, 0.5], "hidden": 0.0, "share": False, "per": "unit", "resample": "step"
    }  # fmt: skip
    assert all(to_json(member())["kind"] == kind for kind, member in REGULARIZERS.items())
