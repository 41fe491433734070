"""Runs on a GPU that are stopped, killed, diverge, do not fit, or lose their worker: as on a CPU, nothing is lost and no bit differs."""

from __future__ import annotations

import gc
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from dask_cluster import DaskCluster
from small_study import ARMS, arrays, assert_same_bits, listening, manifest, run, small
from test_checkpoint import PLAIN, assert_uninterrupted_wherever_stopped, outcome_bits
from test_cluster_killed import await_training
from test_nan_in_a_batch import WHERE, assert_it_alone_diverges
from test_run_killed import Whole, process, scored, uninterrupted
from tiny_tasks import TinyCarried, TinyExamples, TinyStream, make_run
from typed import start

from zoneout_lab import interrupts
from zoneout_lab.engines import Checkpoints
from zoneout_lab.ops.cells import BatchNormLSTM
from zoneout_lab.regularizers import RecurrentDropout, Zoneout
from zoneout_lab.training import train
from zoneout_lab.training.prepared import prepared_process
from zoneout_lab.training.step import Step

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU, and torch sees none"),
]

DEVICE = "cuda"
REGULARIZERS = [None, Zoneout(cell=0.5, hidden=0.1), RecurrentDropout(0.3)]
LONGER = PLAIN | {"epochs": 5}  # so that updates are replayed before and after a stop
CASES = {
    "fast": (TinyExamples(), LONGER),
    "reference": (TinyExamples(), LONGER | {"cell": BatchNormLSTM(), "optimizer": "rmsprop_floored"}),
    "carried": (TinyCarried(), LONGER | {"optimizer": "sgd", "lr": 0.1, "batch": 4}),
    "monte carlo": (TinyExamples(), LONGER | {"evaluation": "monte_carlo", "samples": 2, "clip_what": "step"}),
    "falling rate, embedding, learned state": (
        TinyStream(),
        LONGER | {"optimizer": "rmsprop", "decay": 2.0, "decay_after": 3, "embedding": 3, "learned_state": True, "layers": 2},
    ),
}  # fmt: skip
#: four runs that together take a few gigabytes; their updates are captured
WIDE = small({"model.hidden": 128, "training.epochs": 6, "training.batch": 1024}, arms=ARMS[1:], baseline="zoneout", seeds=4)  # fmt: skip
EPOCHS = 100


@pytest.fixture
def as_it_trains() -> Iterator[None]:
    """What a study sets before it trains: algorithms that give the same bits again."""
    with prepared_process(DEVICE):
        yield


def runs_of(options):
    return [make_run(seed, regularizer, **options) for seed, regularizer in enumerate(REGULARIZERS)]


@pytest.mark.usefixtures("as_it_trains")
@pytest.mark.parametrize("name", CASES)
def test_stopped_and_resumed_is_uninterrupted(name, monkeypatch, tmp_path):
    """Seen to fail on a CPU where `unpack` leaves the generators of the data's order as they are."""
    task, options = CASES[name]
    assert_uninterrupted_wherever_stopped(task, runs_of(options), 3, monkeypatch, tmp_path / name, DEVICE)


@pytest.mark.usefixtures("as_it_trains")
@pytest.mark.parametrize("name", ["fast", "reference"])
def test_what_goes_on_is_captured_again(name, monkeypatch, tmp_path):
    """Stopped among updates that are replays of a graph: those that are left become replays, too, and are the same to the bit."""
    task, options = CASES[name]
    data, runs, checkpoints = task.load(), runs_of(options), Checkpoints(tmp_path)
    replayed: list[int] = []
    made: list[int] = []
    real = torch.cuda.CUDAGraph.replay
    monkeypatch.setattr(torch.cuda.CUDAGraph, "replay", lambda graph: replayed.append(len(made)) or real(graph))
    monkeypatch.setattr(interrupts, "_asked", None)

    def report(progress):
        made.append(progress.done)
        if len(made) == 13:
            interrupts.ask(signal.SIGTERM)

    with pytest.raises(interrupts.Stopped):
        train(runs, task, data, device=DEVICE, report=report, checkpoints=checkpoints)
    interrupts._asked = None
    outcomes = train(runs, task, data, device=DEVICE, report=report, checkpoints=checkpoints)
    assert made == list(range(1, 26))
    assert min(replayed) < 13 < max(replayed)
    assert outcome_bits(outcomes) == outcome_bits(train(runs, task, data, device=DEVICE))


@pytest.mark.usefixtures("as_it_trains")
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", WHERE)
def test_nan_at_an_update(where, value, monkeypatch, tmp_path):
    assert_it_alone_diverges(where, value, monkeypatch, tmp_path, DEVICE)


def forget() -> None:
    """Give back what this process holds of the GPU's memory and no longer uses."""
    gc.collect()
    torch.cuda.empty_cache()


@contextmanager
def at_most(more: int) -> Iterator[None]:
    """In this block torch may take so many bytes of the GPU beyond what it holds."""
    forget()
    whole = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + more) / whole)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
        forget()


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """The folder of a study that nothing limited, and the most bytes that its four runs held together."""
    forget()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    summary = run(WIDE, tmp_path_factory.mktemp("wide"), device=DEVICE)
    return summary.folder, torch.cuda.max_memory_allocated() - before


@pytest.mark.parametrize("share", [0.8, 0.45], ids=["halves fit", "quarters fit"])
def test_a_batch_that_does_not_fit_is_halved(wide, share, tmp_path):
    whole, taken = wide
    watcher, warnings = listening()
    with at_most(int(share * taken)):
        summary = run(WIDE, tmp_path, device=DEVICE, watcher=watcher)
    assert (summary.trained, summary.failed) == (4, []), warnings
    assert warnings[0] == "4 runs do not fit the memory together; they are trained in two parts."
    assert all("do not fit the memory together" in text for text in warnings)
    assert_same_bits(arrays(whole), arrays(summary.folder))


@pytest.mark.parametrize("capturing", [False, True], ids=["outside a graph", "while a graph is captured"])
def test_memory_runs_out_at_an_update_of_several(wide, capturing, monkeypatch, tmp_path):
    """A tensor larger than any GPU: the runs come through one by one."""
    real = Step.compute

    def compute(step, index):
        real(step, index)
        if len(index) > 1 and capturing == torch.cuda.is_current_stream_capturing():
            torch.empty(2**42, device=DEVICE)

    monkeypatch.setattr(Step, "compute", compute)
    watcher, warnings = listening()
    summary = run(WIDE, tmp_path, device=DEVICE, watcher=watcher)
    assert (summary.trained, summary.failed) == (4, []), warnings
    assert [text.partition(" ")[0] for text in warnings] == ["4", "2", "2"]
    assert_same_bits(arrays(wide[0]), arrays(summary.folder))


def test_a_run_that_does_not_fit_alone_says_what_would(wide, tmp_path):
    """Seen by its own advice, which then fits. The GPU is full but for half of what the run takes."""
    one, taken = WIDE.model_copy(update={"seeds": 1}), wide[1] // len(WIDE.runs())
    forget()
    free, _ = torch.cuda.mem_get_info()
    filled = torch.empty(free - taken // 2, dtype=torch.uint8, device=DEVICE)
    try:
        watcher, warnings = listening()
        summary = run(one, tmp_path, device=DEVICE, force=True, watcher=watcher)
        assert summary.failed == ["zoneout seed 0"]
        assert "This run alone does not fit the memory" in warnings[-1], warnings
        (batch,) = re.findall(r"--set training\.batch=(\d+) would fit\.", warnings[-1])
        smaller = one.model_copy(update={"change": dict(one.change) | {"training.batch": int(batch)}})
        assert run(smaller, tmp_path, device=DEVICE, force=True, watcher=watcher).failed == [], warnings
    finally:
        del filled
        forget()


def words(file: Path, out: Path, *more: str) -> tuple[str, ...]:
    """A run of it on the GPU."""
    options = ("--no-tracking", "--set", f"training.epochs={EPOCHS}", "--device", DEVICE)
    return ("run", str(file), "--out", str(out), *options, *more)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return uninterrupted(tmp_path_factory.mktemp("whole"), words)


def assert_as_if_nothing_had_happened(whole: Whole, out: Path) -> None:
    (study,) = out.glob("killed-*")
    assert_same_bits(arrays(whole.study), arrays(study))
    assert len(manifest(study)["runs"]) == len(list((study / "runs").iterdir())) == 6
    assert not (study / "checkpoints").exists()


def until(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def command() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts commands, of which none is left on the GPU."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: str, **more: str) -> subprocess.Popen[str]:
        started.append(start(*words, **more))
        return started[-1]

    yield begin
    for each in started:
        if each.poll() is None:
            each.kill()
            each.communicate()


def trains(counted: Path, whole: Whole) -> bool:
    """True once a twentieth of all is scored; a task of one's own is tried before that."""
    return counted.exists() and scored(counted) > whole.scored // 20


def test_kill_9_after_a_checkpoint(whole, command, tmp_path):
    """Saved after every update: what was scored again is one epoch of six runs at most. Seen to fail on a CPU where checkpoints are not read."""
    out, counted = tmp_path / "out", tmp_path / "counted"
    again = words(whole.file, out, "--checkpoint-every", "0")
    driver = command(*again, COUNTED=str(counted))
    until(lambda: trains(counted, whole))
    driver.kill()
    driver.communicate(timeout=30)
    assert driver.returncode == -signal.SIGKILL
    done = process(*again, COUNTED=str(counted))
    assert done.code == 0, done.errors
    assert "on from a checkpoint" in done.errors
    assert scored(counted) <= whole.scored + 3 * 350 * 6
    assert_as_if_nothing_had_happened(whole, out)


def test_sigterm_saves_and_the_same_command_goes_on(whole, command, tmp_path):
    """What is saved otherwise every five minutes. Seen to fail on a CPU where `train` saves nothing when it is stopped."""
    out, counted = tmp_path / "out", tmp_path / "counted"
    driver = command(*words(whole.file, out), COUNTED=str(counted))
    until(lambda: trains(counted, whole))
    began = time.monotonic()
    driver.terminate()
    _, errors = driver.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert driver.returncode == 143, errors
    assert list(out.glob("killed-*/checkpoints/*/*.pt"))
    done = process(*words(whole.file, out), COUNTED=str(counted))
    assert done.code == 0, done.errors
    assert "on from a checkpoint" in done.errors
    assert_as_if_nothing_had_happened(whole, out)


@pytest.fixture
def cluster(tmp_path):
    found = DaskCluster(tmp_path)
    yield found
    found.close()


def joined(cluster: DaskCluster, **workers: tuple[str, ...]) -> dict[str, Path]:
    """Workers by name, with their options, once the scheduler knows all of them; where each notes what it scores."""
    noted = {name: cluster.folder / f"{name}.counted" for name in workers}
    for name, options in workers.items():
        cluster.start_worker(name, *options, env={"COUNTED": str(noted[name])})
    until(lambda: all("Registered to" in (cluster.folder / f"{name}.log").read_text() for name in workers))
    return noted


#: a driver that sees no GPU
BLIND = {"CUDA_VISIBLE_DEVICES": "", "COUNTED": os.devnull}
GPU = ("--resources", "GPU=1")


def test_a_cluster_trains_on_workers_that_offer_a_gpu(whole, cluster, tmp_path):
    """The other worker is given nothing, and the driver needs no GPU."""
    noted = joined(cluster, plain=(), gpu=GPU)
    out = tmp_path / "out"
    done = process(*words(whole.file, out, "--scheduler", cluster.address), **BLIND)
    assert done.code == 0, done.errors
    assert "Warning" not in done.errors
    assert not noted["plain"].exists()
    assert trains(noted["gpu"], whole)
    assert_as_if_nothing_had_happened(whole, out)


def test_one_of_two_workers_on_a_gpu_is_killed(whole, cluster, command, tmp_path):
    """Both share the GPU. What the one had trained is not trained again by the other: seen to fail as above, on a CPU."""
    noted = joined(cluster, a=GPU, b=GPU)
    out = tmp_path / "out"
    driver = command(*words(whole.file, out, "--scheduler", cluster.address, "--checkpoint-every", "0"), **BLIND)
    await_training(out)
    until(lambda: all(trains(each, whole) for each in noted.values()))
    cluster.kill("a")
    _, errors = driver.communicate(timeout=180)
    assert driver.returncode == 0, errors
    assert "was lost while it trained" in errors
    assert scored(noted["a"]) + scored(noted["b"]) <= whole.scored + 3 * 350 * 6
    assert_as_if_nothing_had_happened(whole, out)
