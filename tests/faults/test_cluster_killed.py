"""A Dask cluster of which workers, the scheduler or the driver are killed: the same command goes on, and every run is there once."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import optuna
import pytest
from dask_cluster import DaskCluster
from small_study import arrays, assert_same_bits, manifest
from typed import process, start

from zoneout_lab import load_study
from zoneout_lab.engines import Checkpoints, train_batches
from zoneout_lab.study.cluster_connection import on_cluster
from zoneout_lab.study.driver import Watcher
from zoneout_lab.study.run import run_study
from zoneout_lab.tasks import make_task
from zoneout_lab.training import TaskTrainer
from zoneout_lab.training.checkpoint import computed_by

#: a study of a few seconds, whose task notes in a file as what it is made on a worker
STUDY = """
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from distributed import get_worker
from zoneout_lab import Arm, Score, Study, Zoneout
from zoneout_lab.tasks import Data, Digits, Task

def count(guess, targets):
    if os.environ.get("DEADLY") == "yes":
        os.kill(os.getpid(), 9)
    return (guess.argmax(-1) != targets).double().sum(-1)

@dataclass(frozen=True)
class Noted(Task):
    score = Score("mistakes", "mistakes", value=lambda loss, tallied: tallied, tally=count)
    input_size = 1
    output_size = 10

    def __post_init__(self):
        with suppress(ValueError):
            key = get_worker().get_current_task()
            with open(os.environ["NOTED"], "a") as file:
                file.write(f"{key}\\n")

    def load(self, folder=None):
        return Digits().load(folder)

STUDY = Study(
    name="killed", title="Killed", question="Does it survive?", baseline="lstm", seeds=4, task=Noted(),
    change={"model.hidden": 8, "training.epochs": 12, "training.batch": 64},
    arms=[Arm(name="lstm"), Arm(name="zoneout", regularizer=Zoneout(cell=0.5)), Arm(name="more", change={"training.epochs": 16})],
)
"""
BATCHES, AT_ONCE = 8, 4  # of its twelve runs, which are of two shapes
SEED = int(os.environ.get("FAULT_SEED", "0"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The study's file, and the folder of a run of it in this process."""
    folder = tmp_path_factory.mktemp("whole")
    os.environ["NOTED"] = str(folder / "noted")
    file = folder / "killed.py"
    file.write_text(STUDY)
    summary = run_study(load_study(str(file)), out=folder / "out", workers=1, tracking=None)
    yield file, summary.folder
    del os.environ["NOTED"]


@pytest.fixture
def four(tmp_path, whole, monkeypatch):
    """A cluster of four workers, which note what they begin."""
    monkeypatch.setenv("NOTED", str(tmp_path / "noted"))
    found = DaskCluster(tmp_path)
    for name in "abcd":
        found.start_worker(name)
    yield found
    found.close()


def words(file: Path, out: Path, cluster: DaskCluster) -> tuple[str, ...]:
    scheduler = ("--scheduler", cluster.address)
    return ("run", str(file), "--out", str(out), "--no-tracking", "--checkpoint-every", "0.2", *scheduler)


def executions(folder: Path) -> set[str]:
    """The keys under which batches have begun to train: one for each time."""
    noted = folder / "noted"
    return set(noted.read_text().split()) if noted.exists() else set()


def assert_as_if_nothing_had_happened(whole: Path, out: Path) -> None:
    (study,) = out.glob("killed-*")
    assert_same_bits(arrays(whole), arrays(study))
    runs = manifest(study)["runs"]
    assert {path.name for path in (study / "runs").iterdir()} == {Path(entry["file"]).name for entry in runs.values()}
    assert not (study / "checkpoints").exists()
    trials = optuna.load_study(study_name=study.name, storage=f"sqlite:///{out}/optuna.db").trials
    told = Counter(trial.user_attrs["run"] for trial in trials if trial.state == optuna.trial.TrialState.COMPLETE)
    assert told == dict.fromkeys(runs, 1)


@pytest.mark.slow
def test_two_of_four_workers_killed(whole, four, tmp_path, rounds):
    """Protected by `_Crew.see`: seen to fail where it notices no loss. Its batch then comes all the same, for Dask gives it up, but nothing is
    said and no death counted. A tenth of the rounds, of a minute each on two cores.
    """
    file, study = whole
    draw = random.Random(SEED)
    moved = 0
    for k in range(max(1, rounds // 10)):
        moment, before = draw.randrange(1, 120), executions(tmp_path)
        killed: list[str] = []
        warnings: list[str] = []

        def kill(_batch, _runs, progress, moment=moment, killed=killed, k=k):
            if progress.done >= moment and not killed:
                killed.extend(draw.sample([name for name in four.processes if name != "scheduler"], 2))
                for place, name in enumerate(killed):
                    four.kill(name)
                    four.start_worker(f"{k}-{place}")

        out = tmp_path / str(k)
        watcher = Watcher(warn=warnings.append, progress=kill)
        done = run_study(
            load_study(str(file)), out=out, tracking=None, scheduler=four.address, workers=4, checkpoint_every=0.2, watcher=watcher
        )  # fmt: skip
        assert not done.failed, warnings
        assert_as_if_nothing_had_happened(study, out)
        lost = sum("was lost while it trained" in text for text in warnings)
        extra = len(executions(tmp_path) - before) - BATCHES
        assert 0 <= extra <= lost <= len(killed), warnings
        moved += extra
    assert moved


@pytest.mark.slow
def test_the_scheduler_killed(whole, four, tmp_path):
    """Protected by `Workers.look`, which raises once the client is closed: seen to wait for ever where it does not."""
    file, study = whole
    out = tmp_path / "out"
    driver = start(*words(file, out, four))
    await_training(out)
    four.kill("scheduler")
    began = time.monotonic()
    _, errors = driver.communicate(timeout=60)
    assert driver.returncode == 75, errors
    assert "The connection to the Dask scheduler is lost." in errors
    assert "Traceback" not in errors
    assert time.monotonic() - began < 30
    for name, worker in list(four.processes.items()):
        worker.wait(60)  # they end by themselves
        del four.processes[name]
    four.start_scheduler()
    for name in ("again", "too"):
        four.start_worker(name)
    done = process(*words(file, out, four))
    assert done.code == 0, done.errors
    assert "on from a checkpoint" in done.errors
    assert_as_if_nothing_had_happened(study, out)
    assert BATCHES < len(executions(tmp_path)) <= BATCHES + AT_ONCE  # what was being trained has moved


@pytest.mark.slow
def test_the_driver_killed(whole, four, tmp_path):
    """Protected by `cluster_task._watched`: seen to fail where it sees nothing: workers train on for nobody, and the
    batches of the next driver wait for them."""
    file, study = whole
    out = tmp_path / "out"
    driver = start(*words(file, out, four))
    await_training(out)
    driver.kill()
    driver.communicate(timeout=30)
    time.sleep(3)
    saved = sorted(out.glob("killed-*/checkpoints/*/*.pt"))
    time.sleep(2)
    assert saved == sorted(out.glob("killed-*/checkpoints/*/*.pt"))  # nobody trains
    begun = len(executions(tmp_path))
    assert AT_ONCE <= begun <= BATCHES
    done = process(*words(file, out, four))
    assert done.code == 0, done.errors
    assert "on from a checkpoint" in done.errors
    assert_as_if_nothing_had_happened(study, out)
    assert len(executions(tmp_path)) <= BATCHES + AT_ONCE


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_driver_asked_to_stop(whole, four, tmp_path, number):
    """Protected by `_Crew.stop`, without which nothing was seen to be saved: what is trained is saved within ten
    seconds, although that is done every five minutes."""
    file, _ = whole
    out = tmp_path / "out"
    long = [word.replace("0.2", "300") for word in words(file, out, four)] + ["--set", "training.epochs=300"]
    driver = start(*long)
    until = time.monotonic() + 120
    while len(executions(tmp_path)) < AT_ONCE and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(2)
    began = time.monotonic()
    driver.send_signal(number)
    _, errors = driver.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert driver.returncode == 128 + number, errors
    assert f"To go on: zoneout-lab run {file}" in errors
    assert "Traceback" not in errors
    assert len({path.parent for path in out.glob("killed-*/checkpoints/*/*.pt")}) == AT_ONCE


def saved_of_a_long_run(file, cluster, tmp_path, *, report=lambda *_: None, warn=print) -> int:
    """The update that the last checkpoint is of, once ``report`` or ``warn`` has raised ZeroDivisionError."""
    study = load_study(str(file))
    long = study.model_copy(update={"change": study.change | {"training.epochs": 10**5}}).resolved()
    batch = long.runs()[:1]
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    with long.code.in_use(), on_cluster(cluster.address, "cpu", None, computed_by, print) as engine:
        task = make_task(long.task, long.setting().options)
        results = train_batches(
            [batch],
            TaskTrainer(task, task.load()),
            device="cpu",
            workers=1,
            report=report,
            checkpoints=checkpoints,
            warn=warn,
            engine=engine,
        )
        with pytest.raises(ZeroDivisionError):
            list(results)
    return checkpoints.update_of(batch)


@pytest.mark.slow
def test_a_worker_that_is_pre_empted_saves_what_it_trains(whole, four, tmp_path):
    """Protected by `cluster_task._watched`, which sees that the worker is closed: where it did not, workers were seen to train on and not
    to end."""
    file, _ = whole
    killed: list[str] = []

    def report(_number, progress):
        if progress.done > 50 and not killed:
            killed.extend(name for name in four.processes if name != "scheduler")
            for name in killed:
                four.kill(name, signal.SIGTERM)
            raise ZeroDivisionError

    assert saved_of_a_long_run(file, four, tmp_path, report=report) > 50


@pytest.mark.slow
def test_a_worker_whose_lifetime_ends_saves_what_it_trains(whole, tmp_path, monkeypatch):
    """As in Slurm, with Dask's nanny. Protected as above. That `_Crew.moving` waits for the save shows only where the other worker is quick."""
    file, _ = whole
    monkeypatch.setenv("NOTED", str(tmp_path / "noted"))
    cluster = DaskCluster(tmp_path)
    seen: list[int] = []
    lost: list[int] = []

    def report(_number, progress):
        if lost:
            seen.append(progress.done)
            raise ZeroDivisionError
        if not seen:
            cluster.start_worker("b")
        seen.append(progress.done)

    try:
        cluster.start_worker("a", "--nanny", "--lifetime", "60s")
        saved_of_a_long_run(file, cluster, tmp_path, report=report, warn=lambda _: lost.append(seen[-1]))
    finally:
        cluster.close()
    assert seen[-1] >= lost[0] > 0


@pytest.mark.slow
def test_what_kills_every_worker_is_given_up(whole, tmp_path, monkeypatch):
    """Protected by `failures.Deaths`: without it the last of four workers is lost too, and the test was seen not to end in 200 s."""
    file, _ = whole
    monkeypatch.setenv("NOTED", str(tmp_path / "noted"))
    cluster = DaskCluster(tmp_path)
    try:
        for name in "abcd":
            cluster.start_worker(name, env={"DEADLY": "yes"})
        warnings: list[str] = []
        study = load_study(str(file))
        study = study.model_copy(update={"arms": study.arms[:1], "seeds": 1})
        done = run_study(
            study, out=tmp_path / "out", tracking=None, scheduler=cluster.address, force=True, watcher=Watcher(warn=warnings.append)
        )  # fmt: skip
        assert done.failed == ["lstm seed 0"]
        assert any(
            "MemoryError: 3 workers in a row that trained this were lost, as when memory runs out" in text
            for text in warnings
        )
        assert sum(each.poll() is None for name, each in cluster.processes.items() if name != "scheduler") == 1
    finally:
        cluster.close()


def await_training(out: Path) -> None:
    until = time.monotonic() + 120
    while not list(out.glob("killed-*/checkpoints/*/*.pt")):
        assert time.monotonic() < until
        time.sleep(0.05)
