"""The driver killed or asked to stop at random moments, from its start to its end: the same command goes on, and nothing is lost or doubled."""

from __future__ import annotations

import os
import random
import re
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import optuna
import pytest
from small_study import arrays, assert_same_bits, manifest
from typed import Done, start

STUDY = """
import os
from dataclasses import dataclass

from zoneout_lab import Arm, Score, Study, Zoneout
from zoneout_lab.tasks import Task
from zoneout_lab.tasks.digits import Digits


def counted(guess, targets):
    wrong = (guess.argmax(-1) != targets).double()
    with open(os.environ["COUNTED"], "a") as file:
        file.write(f"{wrong.numel()}\\n")
    return wrong.sum(-1)


def value(_loss, tallied):
    return tallied


@dataclass(frozen=True)
class Counted(Task):
    score = Score("mistakes", "mistakes", value=value, tally=counted)

    @property
    def input_size(self):
        return 1

    @property
    def output_size(self):
        return 10

    def load(self, folder=None):
        return Digits().load()


STUDY = Study(
    name="killed", title="Killed", question="Does it survive?", task=Counted(), baseline="lstm", seeds=2,
    change={"model.hidden": 8, "training.epochs": 8, "training.batch": 128}, gradient_epochs=(1, -1),
    arms=[Arm(name="lstm"), Arm(name="zoneout", regularizer=Zoneout(cell=0.5)), Arm(name="more", change={"training.epochs": 12})],
)
"""
SEED = int(os.environ.get("FAULT_SEED", "0"))


@dataclass(frozen=True)
class Whole:
    """A run that nothing interrupted: the study's file, its folder, how long it took in seconds, and how many predictions it scored."""

    file: Path
    study: Path
    seconds: float
    scored: int


def scored(counted: Path) -> int:
    return sum(map(int, counted.read_text().split()))


def uninterrupted(folder: Path, words: Callable[[Path, Path], Sequence[str]]) -> Whole:
    """The study, run by these words for its file and ``--out``."""
    file = folder / "killed.py"
    file.write_text(STUDY)
    began = time.monotonic()
    done = process(*words(file, folder / "out"), COUNTED=str(folder / "counted"))
    assert done.code == 0, done.errors
    (study,) = (folder / "out").glob("killed-*")
    return Whole(file, study, time.monotonic() - began, scored(folder / "counted"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return uninterrupted(tmp_path_factory.mktemp("whole"), words)


def process(*words: str, **more: str) -> Done:
    """Started, and waited for however busy the machine is."""
    started = start(*words, **more)
    output, errors = started.communicate(timeout=900)
    return Done(started.returncode, output, errors)


def words(file: Path, out: Path) -> tuple[str, ...]:
    """Saved after every update."""
    return ("run", str(file), "--out", str(out), "--workers", "2", "--checkpoint-every", "0")


def assert_as_if_nothing_had_happened(whole: Whole, out: Path) -> None:
    """Files, metrics, Optuna and MLflow as after an uninterrupted run."""
    (study,) = out.glob("killed-*")
    assert_same_bits(arrays(whole.study), arrays(study))
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
    """Each kill costs each run the scores of one epoch at most: those that were being read. Seen to fail where checkpoints are not read."""
    draw = random.Random(SEED)
    most = 3 * 350 * 6  # validation, training and test examples, six runs
    k, out, counted, kills = 0, tmp_path / "0", tmp_path / "0.counted", 0

    def assert_whole() -> None:
        assert_as_if_nothing_had_happened(whole, out)
        assert scored(counted) <= whole.scored + kills * most

    for k in range(1, rounds + 1):
        driver = start(*words(whole.file, out), COUNTED=str(counted))
        try:
            _, errors = driver.communicate(timeout=draw.uniform(0, whole.seconds))
            assert driver.returncode == 0, errors
        except subprocess.TimeoutExpired:
            driver.kill()
            driver.communicate(timeout=60)
            kills += 1
            continue
        assert_whole()
        out, counted, kills = tmp_path / str(k), tmp_path / f"{k}.counted", 0
    done = process(*words(whole.file, out), COUNTED=str(counted))
    assert done.code == 0, done.errors
    assert "Warning" not in done.errors
    assert_whole()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="when a process listens is read from Linux's /proc")
def test_signals_at_random_moments(whole, tmp_path, rounds):
    """From the first instruction of ours, which is to listen, to the last."""
    draw = random.Random(SEED + 1)
    out, counted = tmp_path / "0", str(tmp_path / "counted")
    codes: Counter[int] = Counter()
    for k in range(1, rounds + 1):
        number = draw.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
        driver = start(*words(whole.file, out), COUNTED=counted)
        while not listens(driver.pid):
            time.sleep(0.001)
        listening = time.monotonic()
        try:
            # a third of them while it imports
            _, errors = driver.communicate(timeout=draw.uniform(0, draw.choice([2, whole.seconds, whole.seconds])))
        except subprocess.TimeoutExpired:
            began = time.monotonic()
            # Ctrl-C in a terminal and an end of it reach the whole group
            (os.kill if number == signal.SIGTERM else os.killpg)(driver.pid, number)
            _, errors = driver.communicate(timeout=60)
            assert time.monotonic() - began < 20  # ten of them for a machine that is busy
        assert "Traceback" not in errors
        if driver.returncode == 0:  # all was done by then
            assert_as_if_nothing_had_happened(whole, out)
            out = tmp_path / str(k)
            continue
        assert driver.returncode == 128 + number, errors
        last = errors.splitlines()[-1]
        assert last.startswith("Stopped.")
        if began - listening > 1:  # before that, it may be about to say so
            assert f"To go on: zoneout-lab run {whole.file} --out {out} " in last
        codes[number] += 1
    assert sum(codes.values()) > rounds // 2
    done = process(*words(whole.file, out), COUNTED=counted)
    assert done.code == 0, done.errors
    assert_as_if_nothing_had_happened(whole, out)


def listens(pid: int) -> bool:
    """True once a process has a handler of its own for SIGTERM."""
    (caught,) = re.findall(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)
