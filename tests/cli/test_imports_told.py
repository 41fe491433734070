"""A user's own files are imported from where they were named, and said to be; nothing that is read imports anything."""

from __future__ import annotations

import json
import shutil
import sys

import pytest

from zoneout_lab.manifest import written

HALF = '''
from dataclasses import dataclass
from zoneout_lab.regularizers import Zoneout

@dataclass(frozen=True)
class Half(Zoneout):
    """Zoneout."""
    kind = "half"
'''
STUDY = """
from {module} import Half
from zoneout_lab import Arm, Study
STUDY = Study(
    name="mine", title="", question="", change={{"model.hidden": 4, "training.epochs": 1, "training.batch": 256}},
    arms=(Arm(name="lstm"), Arm(name="half", regularizer=Half(cell=0.5))), baseline="lstm", seeds=1,
)
"""


def test_which_files_are_imported_is_said(command, small_file, tmp_path, monkeypatch):
    (tmp_path / "my_parts.py").write_text(HALF)
    (tmp_path / "mine.py").write_text(STUDY.format(module="my_parts"))
    done = command("plan", str(tmp_path / "mine.py"), "--json")
    assert (done.code, done.errors) == (0, "Imports your code: my_parts.py\n")
    (tmp_path / "alone.py").write_text(HALF + STUDY.format(module="dataclasses").replace("import Half", "import field"))
    assert command("plan", str(tmp_path / "alone.py"), "--json").errors == "Imports your code: alone.py\n"
    assert command("plan", str(small_file), "--json").errors == ""  # the file that was named, and no parts in it
    assert command("plan", "quickstart", "--json").errors == ""


def test_a_module_that_was_typed_is_imported_and_one_that_cannot_be_is_said(command, small_file, tmp_path, monkeypatch):
    (tmp_path / "typed_cells.py").write_text(
        "from dataclasses import dataclass\nfrom zoneout_lab.ops.cells import LSTM\n\n\n@dataclass(frozen=True)\nclass Own(LSTM):\n    kind = 'own'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    done = command("plan", str(small_file), "--set", "model.cell=typed_cells:Own")
    assert "typed_cells" in sys.modules
    assert done.code == 0, done.errors
    done = command("plan", str(small_file), "--task", "no_such_module:Mine")
    assert (done.code, "no_such_module cannot be imported" in done.errors) == (2, True)


TRAP = "import pathlib\npathlib.Path({mark!r}).touch()\n"


@pytest.fixture
def trapped(finished, tmp_path, monkeypatch):
    """A results folder that names modules and files wherever a name can stand; each would leave a mark if it was run."""
    folder, mark = tmp_path / "runs" / "copy", tmp_path / "mark"
    shutil.copytree(finished[0], folder)
    (tmp_path / "trap.py").write_text(TRAP.format(mark=str(mark)))
    (folder / "code").mkdir()
    for name in ("trap.py", "code/trap.py", "conftest.py", "sitecustomize.py", "runs/__init__.py"):
        (folder / name).write_text(TRAP.format(mark=str(mark)))
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    study = manifest["study"]
    for name in ("trap:Thing", "./trap.py:Thing", "./code/trap.py:Thing"):
        study["task"] = name
        for arm in study["arms"]:
            arm["regularizer"] = {"kind": name, "parts": [{"kind": name}]}
            arm["change"] = {"model.cell": {"kind": name}}
        study["measures"] = [{"kind": name}]
        study["code"] = {"trap": "0" * 64, "./trap.py": "0" * 64}
    (folder / "MANIFEST.json").write_bytes(written(manifest))
    (folder / "spec.json").unlink()
    (folder / "study.nc").unlink()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.chdir(folder)
    yield folder
    assert not mark.exists()
    assert "trap" not in sys.modules


def test_reading_results_imports_nothing(command, trapped, tmp_path):
    for words in (["status"], ["verify"], ["export"], ["report"], ["index"], ["report", str(trapped)]):
        done = command(words[0], str(trapped), *words[1:])
        assert done.code in (0, 4, 5), (words, done.errors)
        assert "Internal" not in done.errors, (words, done.errors)
    assert command("status", str(trapped.parent)).code == 0
    assert command("power", "quickstart", "--pilot", str(trapped), "--seeds", "6").code in (0, 2, 5)


def test_a_study_made_of_json_imports_nothing(trapped):
    from pydantic import ValidationError

    from zoneout_lab.errors import LabError
    from zoneout_lab.study import Study

    study = json.loads((trapped / "MANIFEST.json").read_text())["study"]
    for unknown in (study, {**study, "surprise": 1}):
        with pytest.raises((LabError, ValidationError)):
            Study.model_validate(unknown)
