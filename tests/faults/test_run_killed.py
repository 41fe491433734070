"""The driver killed or asked to stop at random moments, from its start to its end: the same command goes on, and nothing is lost or doubled."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from small_study import arrays, assert_same_bits, manifest
from typed import process, start

STUDY = """
from zoneout_lab import Arm, Study, Zoneout

STUDY = Study(
    name="killed", title="Killed", question="Does it survive?", baseline="lstm", seeds=2,
    change={"model.hidden": 8, "training.epochs": 20, "training.batch": 64}, gradient_epochs=(1, -1),
    arms=[Arm(name="lstm"), Arm(name="zoneout", regularizer=Zoneout(cell=0.5)), Arm(name="more", change={"training.epochs": 30})],
)
"""
SEED = int(os.environ.get("FAULT_SEED", "0"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The study file, the folder of an uninterrupted run, and how long that took."""
    folder = tmp_path_factory.mktemp("whole")
    file = folder / "killed.py"
    file.write_text(STUDY)
    began = time.monotonic()
    done = process(*words(file, folder / "out"))
    assert done.code == 0, done.errors
    (study,) = (folder / "out").glob("killed-*")
    return file, study, time.monotonic() - began


def words(file: Path, out: Path) -> tuple[str, ...]:
    return ("run", str(file), "--out", str(out), "--workers", "2", "--checkpoint-every", "0.2")


def assert_as_if_nothing_had_happened(whole: Path, out: Path) -> None:
    """Files, metrics, Optuna and MLflow as after an uninterrupted run."""
    (study,) = out.glob("killed-*")
    assert_same_bits(arrays(whole), arrays(study))
    runs = manifest(study)["runs"]
    assert {path.name for path in (study / "runs").iterdir()} == {Path(entry["file"]).name for entry in runs.values()}
    assert not (study / "checkpoints").exists()
    assert not [path for path in study.rglob("*") if path.name.endswith(".part")]
    trials = optuna.load_study(study_name=study.name, storage=f"sqlite:///{out}/optuna.db").trials
    told = Counter(trial.user_attrs["run"] for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE)
    assert told == dict.fromkeys(runs, 1)
    # with SQLite's own client, for MLflow takes seconds to import
    with closing(sqlite3.connect(out / "mlflow.db")) as database:
        found = database.execute(
            "SELECT value, status FROM tags JOIN runs USING (run_uuid) WHERE key = 'zoneout_lab.run' AND lifecycle_stage = 'active'"
        ).fetchall()
    assert Counter(found) == {(run, "FINISHED"): 1 for run in runs}


@pytest.mark.slow
def test_kill_9_at_random_moments(whole, tmp_path, rounds):
    """Protected by temporary names and renames (`schema.write_bytes`), the checkpoints (`training/checkpoint.py`) and the manifest being
    written after the files; seen to fail with each of them taken out."""
    file, study, duration = whole
    draw = random.Random(SEED)
    out = tmp_path / "0"
    for k in range(rounds):
        driver = start(*words(file, out))
        try:
            driver.communicate(timeout=draw.uniform(0, duration))
            assert driver.returncode == 0
        except subprocess.TimeoutExpired:
            driver.kill()
            driver.communicate(timeout=30)
            continue
        assert_as_if_nothing_had_happened(study, out)
        out = tmp_path / str(k + 1)
    done = process(*words(file, out))
    assert done.code == 0, done.errors
    assert "Warning" not in done.errors
    assert_as_if_nothing_had_happened(study, out)


@pytest.mark.slow
def test_signals_at_random_moments(whole, tmp_path, rounds):
    """Protected by `interrupts.listen` as the first thing that main() does."""
    file, study, duration = whole
    draw = random.Random(SEED + 1)
    out = tmp_path / "0"
    codes: Counter[int] = Counter()
    for k in range(rounds):
        number = draw.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
        driver = start(*words(file, out))
        time.sleep(0.3)  # Python itself starts
        try:
            _, errors = driver.communicate(timeout=draw.uniform(0, duration))
            assert driver.returncode == 0, errors
            out = tmp_path / str(k + 1)
        except subprocess.TimeoutExpired:
            began = time.monotonic()
            # Ctrl-C in a terminal and an end of it reach the whole group
            (os.kill if number == signal.SIGTERM else os.killpg)(driver.pid, number)
            _, errors = driver.communicate(timeout=60)
            assert time.monotonic() - began < 10
            if driver.returncode == 0 and errors.splitlines():
                continue  # it was over just then
            assert driver.returncode == 128 + number, errors
            assert "Traceback" not in errors
            assert "Stopped." in errors.splitlines()[-1]
            codes[number] += 1
    assert sum(codes.values()) > rounds // 2
    assert process(*words(file, out)).code == 0
    assert_as_if_nothing_had_happened(study, out)
