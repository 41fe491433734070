"""Parts from one's own file: named by where they come from, apart from other folders' modules, found again from their JSON."""

from __future__ import annotations

import importlib
import json
import sys

import pytest
from own_files import HALF, HELPERS, edit, written

from zoneout_lab import Zoneout, load_study
from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.parts import Code, private
from zoneout_lab.regularizers import REGULARIZERS, from_json, to_json
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
    assert all(name.startswith("zoneout_lab_own_") for name in added)
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


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("zonout", UsageError, "mean 'zoneout'"),
        ("./absent.py:Mine", InputRefusedError, "comes from a file that is not loaded"),
        ("no_such_module:Mine", InputRefusedError, "cannot be imported: ModuleNotFoundError"),
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
