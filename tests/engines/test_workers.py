"""Several processes: the same bits, one failure costs one batch, and nothing is left running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import psutil
import pytest
import torch
from tiny_tasks import make_run

from zoneout_lab import Arm, Study, Zoneout
from zoneout_lab.engines import Checkpoints, default_workers, train_batches
from zoneout_lab.engines.engine import Work
from zoneout_lab.engines.processes import in_processes
from zoneout_lab.tasks import make_task
from zoneout_lab.training import TaskTrainer, prepared, trainer
from zoneout_lab.training.checkpoint import usable
from zoneout_lab.training.loop import train

STUDY = Study(
    name="w",
    title="",
    question="",
    arms=[Arm(name="lstm"), Arm(name="zoneout", regularizer=Zoneout(cell=0.5, hidden=0.1))],
    baseline="lstm",
    seeds=2,
    change={"model.hidden": 4, "training.epochs": 1, "training.batch": 256},
    gradient_epochs=(1,),
)
RUNS = STUDY.runs()


@pytest.fixture(scope="module")
def digits():
    task = make_task("digits")
    return task, task.load()


def trained(batches, digits, count, report=lambda *_: None):
    return dict(train_batches(batches, TaskTrainer(*digits), device="cpu", workers=count, report=report))


def same(one, other):
    assert (one.run, one.status, one.best_epoch) == (other.run, other.status, other.best_epoch)
    for name in ("by_epoch", "at_best"):
        ours, theirs = getattr(one, name), getattr(other, name)
        assert ours.keys() == theirs.keys()
        assert all(np.asarray(ours[key]).tobytes() == np.asarray(theirs[key]).tobytes() for key in ours), name
    assert one.measured["gradients"].keys() == other.measured["gradients"].keys() == {1}
    assert one.measured["gradients"][1].identical(other.measured["gradients"][1])


def test_processes_and_batches_change_no_bit_and_a_failure_costs_its_batch(digits):
    """One batch of four here; two of two and one that cannot be trained in two processes."""
    together = trained([RUNS], digits, 1)[0]
    heard = set()
    mixed = [RUNS[0], RUNS[1].model_copy(update={"gradient_epochs": ()})]  # two shapes in one batch are refused
    apart = trained(
        [RUNS[:2], mixed, RUNS[2:]], digits, 2, lambda number, progress: heard.add((number, progress.total))
    )
    assert isinstance(apart[1], ValueError)
    assert len(apart) == 3
    for one, other in zip(together, apart[0] + apart[2], strict=True):
        same(one, other)
    assert heard == {(0, 5), (2, 5)}  # five updates of 256 in 1,097 examples


def test_here_a_failure_costs_its_batch(digits, monkeypatch):
    real = train

    def fail_first(batch, *arguments, **options):
        if batch[0].seed == 0:
            raise RuntimeError("purple")
        return real(batch, *arguments, **options)

    monkeypatch.setattr(trainer, "train", fail_first)
    found = trained([RUNS[:2], RUNS[2:]], digits, 1)
    assert str(found[0]) == "purple"
    assert [outcome.run for outcome in found[1]] == RUNS[2:]


def children() -> set[int]:
    """This process's children that are workers."""
    found = set()
    for each in psutil.Process().children():
        with suppress(psutil.Error):  # it has ended meanwhile
            if "spawn_main" in " ".join(each.cmdline()):
                found.add(each.pid)
    return found


@pytest.mark.slow
def test_who_stops_listening_leaves_no_process_and_a_checkpoint_of_each_batch(digits, tmp_path):
    long = [
        [
            run.model_copy(
                update={
                    "setting": run.setting.model_copy(
                        update={"training": run.setting.training.model_copy(update={"epochs": 10**6})}
                    )
                }
            )
        ]
        for run in RUNS[:2]
    ]
    before = children()
    seen = set()

    def report(number, progress):
        seen.add(number)
        if {1, 2} <= seen:
            assert len(children() - before) == 2
            raise ZeroDivisionError

    checkpoints = Checkpoints(tmp_path)  # every five minutes, and when it is stopped
    results = train_batches(
        [RUNS[1:2], *long], TaskTrainer(*digits), device="cpu", workers=2, report=report, checkpoints=checkpoints
    )
    with pytest.raises(ZeroDivisionError):
        list(results)
    assert not children() - before
    assert {each.runs for each in usable(checkpoints, "cpu")} == {(batch[0].id,) for batch in long}
    assert all(each.update > 0 for each in checkpoints.saved())


DRIVER = """
import sys
from zoneout_lab import Arm, Study
from zoneout_lab.engines import train_batches
from zoneout_lab.tasks import make_task
from zoneout_lab.training import TaskTrainer
if __name__ == "__main__":
    study = Study(name="w", title="", question="", arms=[Arm(name="lstm")], baseline="lstm", seeds=2,
                  change={"model.hidden": 4, "training.epochs": 10**6, "training.batch": 256})
    task = make_task("digits")
    for _ in train_batches([[run] for run in study.runs()], TaskTrainer(task, task.load()), device="cpu", workers=2,
                           report=lambda *_: print("busy", flush=True)):
        pass
"""


@pytest.mark.slow
def test_a_killed_driver_takes_its_workers_along(tmp_path):
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    driver = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, start_new_session=True)

    def alive():
        return subprocess.run(["pgrep", "-g", str(driver.pid), "-f", "spawn_main"], capture_output=True).stdout.split()

    try:
        assert driver.stdout.readline() == b"busy\n"
        assert alive()
        driver.kill()
        driver.wait()
        until = time.monotonic() + 5
        while alive() and time.monotonic() < until:
            time.sleep(0.1)
        assert not alive()
    finally:
        driver.stdout.close()
        if alive():
            os.killpg(driver.pid, signal.SIGKILL)


def test_how_many_at_once():
    assert default_workers("cpu") == len(os.sched_getaffinity(0))
    assert default_workers("cuda") == 1


@pytest.fixture
def callers():
    """What the process of a caller has: two threads, subnormal numbers, algorithms as torch chooses them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.set_flush_denormal(False)
    yield settings
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def settings():
    return (
        torch.get_num_threads(),
        (torch.tensor([1e-40]) * 1).item() > 0,
        torch.are_deterministic_algorithms_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    )


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_one_thread_and_no_subnormals_and_then_as_before(callers, device):
    before = callers()
    with prepared.prepared_process(device):
        assert callers()[:3] == (1, False, device == "cuda")
    assert callers() == before
    with pytest.raises(RuntimeError), prepared.prepared_process(device):
        raise RuntimeError
    assert callers() == before


@pytest.mark.parametrize("end", ["trained", "failed", "interrupted"])
def test_one_worker_leaves_the_process_as_it_was(callers, digits, end):
    before = callers()
    seen = []

    def report(*_):
        seen.append(callers()[:2])
        if end != "trained":
            raise {"failed": ValueError, "interrupted": KeyboardInterrupt}[end]

    try:
        trained([RUNS], digits, 1, report)
    except KeyboardInterrupt:
        assert end == "interrupted"
    assert set(seen) == {(1, False)}
    assert callers() == before


def test_a_text_that_is_mapped_into_memory_reaches_the_workers(own, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    task = make_task("char_text", own("char_text") | {"length": 50})
    text = task.load()
    runs = [make_run(seed, epochs=1, batch=512) for seed in range(2)]
    together = trained([runs], (task, text), 1)[0]
    work = Work(TaskTrainer(task, text), "cpu", None, lambda *_: None, lambda _: None)
    apart = dict(in_processes([runs[:1], runs[1:]], work, 1))
    for one, (other,) in zip(together, (apart[0], apart[1]), strict=True):
        assert one.by_epoch == other.by_epoch
        assert one.at_best == other.at_best
