"""Runs whose files are there and whose lines are not: a driver was killed before it had written the manifest again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import xarray as xr
from small_study import arrays, assert_same_bits, listening, manifest, run, small

from zoneout_lab import Arm, schema
from zoneout_lab.study import store as stores
from zoneout_lab.study.adopted import adopt
from zoneout_lab.study.driver import Watcher
from zoneout_lab.study.objective import Objective
from zoneout_lab.study.store import Store

STUDY = small(seeds=2)
# as in a study of so many runs that the manifest is seldom written; killed when the first batch has its files and, still, its
# checkpoints
KILLED = """
import os, signal, sys
from pathlib import Path
from small_study import run, small
from zoneout_lab.study import store
from zoneout_lab.study.driver import Driver
store._RARER = 1e9
Driver.sweep = lambda _, leftovers=False: leftovers or os.kill(os.getpid(), signal.SIGKILL)
run(small(seeds=2), Path(sys.argv[1]), checkpoint_every=0)
"""

OBJECTIVE = Objective("valid_error", by_epoch=True)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A study's folder, never interrupted."""
    return run(STUDY, tmp_path_factory.mktemp("whole")).folder


def killed(out: Path) -> Path:
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(out)],
        env=os.environ | {"PYTHONPATH": path},
        check=False,
        capture_output=True,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    return out / STUDY.resolved().id


def test_what_has_a_file_is_not_trained_again(tmp_path, whole):
    folder = killed(tmp_path)
    files = {path: path.stat().st_mtime_ns for path in (folder / "runs").glob("*.nc")}
    assert (len(files), len(manifest(folder)["runs"])) == (4, 1)  # it was killed in between
    assert list(folder.glob("checkpoints/*/*.pt"))
    said: list[str] = []
    again = run(STUDY, tmp_path, watcher=Watcher(say=said.append))
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert "3 runs had been trained by a command that was interrupted." in said
    assert again.folder == folder
    assert again.trained == 3
    assert not (folder / "checkpoints").exists()
    assert manifest(folder)["runs"].keys() == manifest(whole)["runs"].keys()
    for run_id, entry in manifest(folder)["runs"].items():
        other = manifest(whole)["runs"][run_id]
        same = ("file", "arm", "seed", "phase", "status", "score")
        assert {key: entry[key] for key in same} == {key: other[key] for key in same}
        assert entry.keys() == other.keys()
    assert_same_bits(arrays(folder), arrays(whole))
    trials = optuna.load_study(study_name=folder.name, storage=f"sqlite:///{tmp_path}/optuna.db").trials
    assert sorted(trial.user_attrs["run"] for trial in trials) == sorted(manifest(folder)["runs"])
    assert run(STUDY, tmp_path).trained == 0


@pytest.mark.parametrize("damage", ["cut", "flipped", "unsealed", "of another run", "on other data"])
def test_what_is_not_whole_is_trained_again(tmp_path, whole, damage):
    shutil.copytree(whole.parent, tmp_path, dirs_exist_ok=True)
    folder = tmp_path / whole.name
    content = manifest(folder)
    run_id, entry = next(iter(content["runs"].items()))
    del content["runs"][run_id]
    path = folder / entry["file"]
    before = path.read_bytes()
    if damage == "cut":
        path.write_bytes(before[:-200])
    elif damage == "flipped":
        path.write_bytes(before[:5000] + bytes([before[5000] ^ 1]) + before[5001:])
    elif damage == "unsealed":
        path.write_bytes(before[: before.rindex(b"\nSHA-256")])
    elif damage == "of another run":
        other = next(iter(content["runs"].values()))
        path.write_bytes((folder / other["file"]).read_bytes())
    else:
        content["data"] = "0" * 64
    (folder / "MANIFEST.json").write_text(json.dumps(content))
    if damage == "on other data":
        store = Store(folder, content)
        warnings: list[str] = []
        (missing,) = [each for each in STUDY.resolved().runs() if each.id == run_id]
        assert adopt(store, [missing], OBJECTIVE, warnings.append, phase=stores.CONFIRM) == []
        assert "other data" in warnings[0]
        return
    watcher, warnings = listening()
    assert run(STUDY, tmp_path, watcher=watcher).trained == 1
    assert len(warnings) == 1
    assert str(path) in warnings[0]
    assert "trained again" in warnings[0]
    assert_same_bits(arrays(folder), arrays(whole))


def test_lines_are_made_of_what_the_files_say(tmp_path, whole):
    folder = Path(shutil.copytree(whole, tmp_path / whole.name))
    content, runs = manifest(folder), STUDY.resolved().runs()
    warnings: list[str] = []
    store = Store(folder, content | {"runs": {}})
    missing = folder / content["runs"][runs[0].id]["file"]
    missing.rename(tmp_path / "away.nc")
    assert adopt(store, runs, OBJECTIVE, warnings.append, phase=stores.CONFIRM) == runs[1:]
    lines = manifest(folder)["runs"]
    assert lines == {each.id: content["runs"][each.id] | {"written": lines[each.id]["written"]} for each in runs[1:]}
    (folder / "MANIFEST.json").write_text("left alone")
    assert adopt(store, runs[:1], OBJECTIVE, warnings.append, phase=stores.CONFIRM) == []
    assert (folder / "MANIFEST.json").read_text() == "left alone"
    assert warnings == []


def test_lines_that_were_not_due_are_written_while_the_next_runs_train(tmp_path, monkeypatch):
    """The next run may take hours, and `status` would not know of those before it."""
    monkeypatch.setattr(stores, "_RARER", 1e9)
    seen: list[int] = []

    def done(_batch, _runs):
        seen.append(len(manifest(next(tmp_path.glob("small-*")))["runs"]))
        monkeypatch.setattr(stores, "_RARER", 0)

    def progress(_batch, _runs, _where):
        if seen:
            seen.append(len(manifest(next(tmp_path.glob("small-*")))["runs"]))

    arms = (Arm(name="lstm"), Arm(name="longer", change={"training.epochs": 3}))
    run(small(arms=arms), tmp_path, watcher=Watcher(done=done, progress=progress))
    assert seen[0] == 1  # the first is not waited for
    assert seen[2] == 2


def _with_attribute(key: str, text: str) -> Callable[[xr.DataTree], None]:
    return lambda tree: tree["provenance"].attrs.update({key: text})


def _with_metric(**variables: Any) -> Callable[[xr.DataTree], None]:
    def change(tree: xr.DataTree) -> None:
        metrics = tree["metrics"].to_dataset().assign_coords(other=[0, 1])
        tree["metrics"].dataset = metrics.assign(variables)

    return change


FORGED: dict[str, Callable[[xr.DataTree], None]] = {
    "another arm": lambda tree: tree.attrs.update(arm="zoneout"),
    "no run": lambda tree: tree.attrs.update(kind="study"),
    "two statuses": _with_metric(status=("other", ["finished", "finished"])),
    "an unknown status": _with_metric(status="missing"),
    "two best epochs": _with_metric(best_epoch=("other", [1.0, 2.0])),
    "a best epoch in words": _with_metric(best_epoch="first"),
    "no score": _with_metric(best_epoch=np.nan),
    "an infinite score": _with_metric(valid_error=("epoch", [np.inf, np.inf])),
    "data that are a list": _with_attribute("data", "[1]"),
}


@pytest.mark.parametrize("forged", FORGED)
def test_what_is_whole_and_says_nothing_of_use_is_trained_again(tmp_path, whole, forged):
    folder = Path(shutil.copytree(whole, tmp_path / whole.name))
    content = manifest(folder)
    (missing,) = [each for each in STUDY.resolved().runs() if (each.arm, each.seed) == ("lstm", 0)]
    path = folder / content["runs"].pop(missing.id)["file"]
    tree = schema.read_tree(path)
    FORGED[forged](tree)
    schema.write_tree(tree, path)
    warnings: list[str] = []
    assert adopt(Store(folder, content), [missing], OBJECTIVE, warnings.append, phase=stores.CONFIRM) == []
    assert "trained again" in warnings[0]


@pytest.mark.slow
def test_a_run_trained_in_place_of_one_that_was_deleted_may_be_killed_too(tmp_path, whole):
    """Its file then is not the one that an older line of the manifest tells of."""
    folder = run(STUDY, tmp_path).folder
    for path in (folder / "runs").glob("*.nc"):
        path.unlink()
    assert killed(tmp_path) == folder
    assert any((folder / "runs").glob("*.nc"))
    run(STUDY, tmp_path)
    assert_same_bits(arrays(folder), arrays(whole))


class StoppedError(Exception):
    pass


@pytest.mark.parametrize(("rarer", "lines"), [(0, 4), (1e9, 1)])
def test_the_manifest_is_complete_when_training_ends_however_it_ends(tmp_path, monkeypatch, rarer, lines):
    monkeypatch.setattr(stores, "_RARER", rarer)
    found: list[int] = []

    def stop(*_: int) -> None:
        found.append(len(manifest(tmp_path / STUDY.resolved().id)["runs"]))
        raise StoppedError

    with pytest.raises(StoppedError):
        run(STUDY, tmp_path, watcher=Watcher(done=stop))
    assert found == [lines]  # with 0, after each run; else after the first
    assert len(manifest(tmp_path / STUDY.resolved().id)["runs"]) == 4
