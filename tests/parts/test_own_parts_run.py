"""A study with parts of one's own runs to the end: on several processes, after its files changed or went, and its results need none of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from own_files import HELPERS, edit, written

from zoneout_lab import load_study, open_results, schema, write_report
from zoneout_lab.errors import IntegrityError
from zoneout_lab.study.driver import Driver
from zoneout_lab.study.run import Summary, run_study


def run(path: Path, out: Path, **options) -> Summary:
    return run_study(load_study(path), out=out, **({"workers": 1, "tracking": None} | options))


def manifest(folder: Path) -> dict:
    return json.loads((folder / "MANIFEST.json").read_text())


def numbers(folder: Path) -> dict[str, bytes]:
    """Every run's metrics, by its id."""
    entries = manifest(folder)["runs"]
    trees = {run: schema.read_tree(folder / entry["file"], entry["sha256"]) for run, entry in entries.items()}
    return {
        f"{run}/{name}": values.values.tobytes()
        for run, tree in trees.items()
        for name, values in tree["metrics"].to_dataset().variables.items()
        if values.dtype.kind == "f" and name != "seconds"
    }


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    """The study's file, and what running it on one process left."""
    folder = tmp_path_factory.mktemp("ran")
    path = written(folder / "study")
    return path, run(path, folder / "o")


def test_copies_of_the_files_are_kept(ran):
    path, summary = ran
    kept = manifest(summary.folder)["code"]
    assert {key: entry["file"] for key, entry in kept.items()} == {
        f"./{name}.py": f"code/{name}.py" for name in ("half", "helpers", "majority")
    }
    for entry in kept.values():
        copy = summary.folder / entry["file"]
        assert copy.read_bytes() == path.with_name(copy.name).read_bytes()
        assert schema.digest(copy) == entry["sha256"]
    assert (summary.trained, summary.failed) == (6, [])


@pytest.mark.slow
def test_processes_get_the_code_as_it_was_planned(ran, tmp_path, monkeypatch):
    """Two workers that start after the files changed or went train the same bits."""
    path = written(tmp_path / "study")
    train = Driver._train

    def change_first(driver, *arguments):
        edit(tmp_path / "study" / "helpers.py", "/ 2", "/ 9")
        path.unlink()
        return train(driver, *arguments)

    monkeypatch.setattr(Driver, "_train", change_first)
    summary = run(path, tmp_path / "o", workers=2)
    assert (summary.trained, summary.failed) == (6, [])
    assert summary.folder.name == ran[1].folder.name
    assert numbers(summary.folder) == numbers(ran[1].folder)
    assert (summary.folder / "code" / "helpers.py").read_text() == HELPERS


def test_results_need_none_of_the_code(ran, tmp_path):
    folder = tmp_path / "o"
    shutil.copytree(ran[1].folder, folder)
    shutil.rmtree(folder / "code")
    code = f"""
import sys
import zoneout_lab as zl
tree = zl.open_results({str(folder)!r})
print(zl.compare(tree, "lstm", "half", metric="valid_error").verdict)
zl.judge(tree)
zl.write_report(tree, {str(tmp_path / "report.html")!r})
zl.write_report({str(folder / "study.nc")!r}, {str(tmp_path / "again.html")!r})
print([name for name in sys.modules if "zoneout_lab_own" in name or name == "torch"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    page = (tmp_path / "report.html").read_text()
    assert "HalfZoneout (./half.py): z 0.4" in page
    assert "./helpers.py" in page  # with its digest, among the code


def test_the_same_again_does_nothing_and_another_place_does_not_matter(ran, tmp_path):
    path, summary = ran
    assert run(path, summary.folder.parent).trained == 0
    elsewhere = written(tmp_path / "moved")
    edit(elsewhere, "from __future__", "# a comment\nfrom __future__")
    before = (summary.folder / "MANIFEST.json").read_bytes()
    assert run(elsewhere, summary.folder.parent).trained == 0
    assert (summary.folder / "MANIFEST.json").read_bytes() == before


def test_more_seeds_are_the_same_code_and_another_rate_is_not(ran, tmp_path):
    def ids(**edits):
        path = written(tmp_path / "study")
        for name, (old, new) in edits.items():
            edit(path.with_name(f"{name}.py"), old, new)
        return {run.id for run in load_study(path).runs()}

    first = ids()
    assert first < ids(half=("seeds=2", "seeds=3"))
    assert len(first & ids(majority=("Are most", "Might most"))) == 6
    assert len(first & ids(helpers=("/ 2", "/ 4"))) == 2  # the baseline's
    assert not first & ids(majority=("manual_seed(0)", "manual_seed(1)"))


def test_changed_code_is_another_folder(ran, tmp_path):
    path = written(tmp_path / "study")
    edit(path.with_name("helpers.py"), "/ 2", "/ 4")
    shutil.copytree(ran[1].folder.parent, tmp_path / "o")
    summary = run(path, tmp_path / "o")
    assert summary.folder.name != ran[1].folder.name
    # the arm without a part of one's own is the same, and is taken over
    assert (summary.trained, summary.taken) == (4, 2)


def test_a_damaged_copy_is_told_and_a_lost_one_written_again(ran, tmp_path):
    shutil.copytree(ran[1].folder.parent, tmp_path / "o")
    folder = tmp_path / "o" / ran[1].folder.name
    copy = folder / "code" / "half.py"
    content = copy.read_bytes()
    copy.write_bytes(content + b"\n")
    with pytest.raises(
        IntegrityError, match=r"code/half\.py is not the file that was written.*verify --repair` moves it aside"
    ):
        run(ran[0], tmp_path / "o")
    copy.unlink()
    assert run(ran[0], tmp_path / "o").trained == 0
    assert copy.read_bytes() == content


SCRIPT = """
from __future__ import annotations
from dataclasses import dataclass
from multiprocessing import parent_process
from pathlib import Path
from half import HalfZoneout
from majority import Majority
from zoneout_lab import Arm, Study
from zoneout_lab.study.run import run_study

@dataclass(frozen=True)
class Quarter(HalfZoneout):
    z: float = 0.25

class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")

@dataclass(frozen=True)
class Fails(HalfZoneout):
    "Fails where it is trained."
    def for_training(self, updates):
        if parent_process():
            raise Odd("this", "that")
        return self

if __name__ == "__main__":
    arms = [Arm(name=n, regularizer=r) for n, r in (("half", HalfZoneout()), ("quarter", Quarter()), ("fails", Fails()))]
    study = Study(name="s", title="", question="", arms=arms, baseline="half", seeds=1, task=Majority(),
        change={"model.hidden": 3, "training.epochs": 1})
    summary = run_study(study, workers=2, tracking=None)
    print(list(study.code.digests()), summary.trained, summary.failed)
"""


@pytest.mark.slow
def test_a_script_runs_a_study_of_its_own_parts(tmp_path):
    """Through a link, with its neighbours imported as any script does; what a part raises in another process is told, and costs its batch only."""
    written(tmp_path / "there")
    (tmp_path / "there" / "script.py").write_text(SCRIPT)
    (tmp_path / "link.py").symlink_to("there/script.py")
    done = subprocess.run([sys.executable, "link.py"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = done.stdout.strip()
    assert said.startswith("['./half.py', './helpers.py', './majority.py', './script.py'] "), said
    assert said.endswith("2 ['fails seed 0']"), said
    (folder,) = (path.parent for path in tmp_path.glob("runs/*/MANIFEST.json"))
    tree = open_results(folder)
    write_report(tree, tmp_path / "report.html")
    assert "Quarter (./script.py)" in (tmp_path / "report.html").read_text()
