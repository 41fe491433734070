"""Stopped anywhere and gone on with, training is what it would have been, bit for bit."""

from __future__ import annotations

import copy
import io
import os
import random
import shutil
import stat
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from tiny_tasks import TinyCarried, TinyExamples, TinyStream, make_run

from zoneout_lab import interrupts
from zoneout_lab.engines import Checkpoints, kept
from zoneout_lab.ops.cells import BatchNormLSTM
from zoneout_lab.regularizers import WeightNoise, Zoneout
from zoneout_lab.training import checkpoint, train
from zoneout_lab.training.packed import pack, unpack
from zoneout_lab.training.replicas import Replicas

REGULARIZERS = [None, Zoneout(cell=0.5, hidden=0.1), WeightNoise(sigma=0.05)]
PLAIN = {"gradient_epochs": (0, -1), "gradient_examples": 2, "epochs": 2, "hidden": 4}
CASES = {
    "examples": (TinyExamples(), PLAIN),
    "stream": (TinyStream(), PLAIN | {"optimizer": "rmsprop", "decay": 2.0}),
    "carried": (TinyCarried(), PLAIN | {"optimizer": "sgd", "lr": 0.1, "batch": 4}),
    "batch norm": (TinyExamples(), PLAIN | {"cell": BatchNormLSTM(), "optimizer": "rmsprop_floored"}),
    "monte carlo": (TinyExamples(), PLAIN | {"evaluation": "monte_carlo", "samples": 2, "clip_what": "step"}),
    "fresh masks, last epoch": (TinyStream(), PLAIN | {"evaluation": "fresh", "select": "last"}),
    "patience": (TinyExamples(), PLAIN | {"epochs": 6, "patience": 1, "lr": 0.05}),
    "embedding, learned state": (TinyStream(), PLAIN | {"embedding": 3, "learned_state": True, "layers": 2}),
}


@pytest.fixture
def warnings():
    return []


@pytest.fixture(autouse=True)
def not_asked(monkeypatch):
    monkeypatch.setattr(interrupts, "_asked", None)


def outcome_bits(outcomes) -> dict:
    """Every number of every run by its place, but for seconds."""
    found = {}
    for outcome in outcomes:
        run = outcome.run.id
        found[run] = (
            outcome.status,
            outcome.best_epoch,
            outcome.improved_epoch,
            {name: np.array(values).tobytes() for name, values in outcome.by_epoch.items()},
            {name: np.array(value).tobytes() for name, value in outcome.at_best.items()},
            outcome.unmeasured,
            {
                (group, epoch): {
                    str(name): (v.dims, v.dtype.str, v.values.tobytes(), sorted(v.attrs.items()))
                    for name, v in dataset.variables.items()
                }
                for group, epochs in outcome.measured.items()
                for epoch, dataset in epochs.items()
            },
        )
    return found


def counted(monkeypatch, stop_at: int | None = None) -> list[int]:
    """Count the points at which training may be stopped; stop at one of them."""
    count = [0]

    def check():
        count[0] += 1
        if count[0] == stop_at:
            raise interrupts.Stopped

    monkeypatch.setattr(interrupts, "check", check)
    return count


def assert_uninterrupted_wherever_stopped(task, runs, stops, monkeypatch, folder, device="cpu") -> None:
    """Stopped at its end and ``stops`` other points, gone on with, stopped once more, and gone on with for a part of the runs."""
    data = task.load()
    warnings: list[str] = []
    count = counted(monkeypatch)
    whole = outcome_bits(train(runs, task, data, device=device))
    points = count[0]
    draw = random.Random(folder.name)
    for first in {points, *draw.sample(range(1, points), min(stops, points - 1))}:
        checkpoints = Checkpoints(folder / str(first))
        counted(monkeypatch, first)
        with pytest.raises(interrupts.Stopped):
            train(runs, task, data, device=device, checkpoints=checkpoints, warn=warnings.append)
        counted(monkeypatch, draw.randrange(1, 20))  # and once more, soon
        part = draw.sample(runs, draw.choice((1, 2, 3)))
        outcomes = None
        for _ in range(2):
            try:
                outcomes = train(part, task, data, device=device, checkpoints=checkpoints, warn=warnings.append)
                break
            except interrupts.Stopped:
                counted(monkeypatch)
        assert outcomes is not None
        found = outcome_bits(outcomes)
        assert found == {run: whole[run] for run in found}, first
    assert not warnings


@pytest.mark.parametrize("stops", [3, pytest.param(30, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", CASES)
def test_stopped_and_resumed_is_uninterrupted(name, stops, monkeypatch, tmp_path):
    """At points in all of training: in an epoch, at its ends, in evaluations and measurements, at the very end; then a part of the runs."""
    task, options = CASES[name]
    runs = [make_run(seed, regularizer, **options) for seed, regularizer in enumerate(REGULARIZERS)]
    assert_uninterrupted_wherever_stopped(task, runs, stops, monkeypatch, tmp_path / name)


def test_it_goes_on_from_where_it_was(tmp_path, warnings):
    """By time: with 0 seconds after every update. The updates that are left are the only ones that are made."""
    task, data, runs = TinyExamples(), TinyExamples().load(), [make_run(0), make_run(1)]
    made: list[int] = []

    def report(progress):
        made.append(progress.done)
        if progress.done == 7:
            interrupts.ask(2)

    checkpoints = Checkpoints(tmp_path / "c", every=0)
    with pytest.raises(interrupts.Stopped):
        train(runs, task, data, report=report, checkpoints=checkpoints)
    interrupts._asked = None
    (saved,) = checkpoints.saved()
    assert (saved.runs, saved.update) == (tuple(run.id for run in runs), 7)
    assert [checkpoints.update_of(some) for some in (runs, runs[1:], [*runs, make_run(2)])] == [7, 7, 0]
    assert len(list(saved.folder.glob("*.pt"))) == 2
    outcomes = train(runs, task, data, report=report, checkpoints=checkpoints, warn=warnings.append)
    assert made == [*range(1, 8), *range(8, 11)]
    assert all(outcome.seconds > 0 for outcome in outcomes)
    part = saved.folder / ".9-1-abcdef.part"  # what another process is about to rename, or died over
    part.touch()
    checkpoints.sweep(lambda run: run == runs[0].id)
    assert checkpoints.saved()
    assert part.exists()
    checkpoints.sweep(lambda run: run == runs[0].id, leftovers=True)
    assert checkpoints.saved()
    assert not part.exists()
    checkpoints.sweep(lambda run: True)
    assert not (tmp_path / "c").exists()
    assert not warnings


def test_it_is_saved_by_time(tmp_path, monkeypatch):
    """Updates of a second each, a checkpoint every three: killed after the eighth, two are trained again."""
    task, data, runs = TinyExamples(), TinyExamples().load(), [make_run(0)]
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    made: list[int] = []

    def report(progress):
        now[0] += 1
        made.append(progress.done)
        if made[-1] == 8 and len(made) == 8:
            raise ZeroDivisionError  # as sudden as a kill: nothing is saved on the way out

    with pytest.raises(ZeroDivisionError):
        train(runs, task, data, report=report, checkpoints=Checkpoints(tmp_path, every=3))
    train(runs, task, data, report=report, checkpoints=Checkpoints(tmp_path, every=3))
    assert made == [*range(1, 9), 7, 8, 9, 10]


def test_what_takes_long_to_save_is_saved_less_often(tmp_path, monkeypatch):
    """At most a hundredth of the time goes into it."""
    task, data, runs = TinyExamples(), TinyExamples().load(), [make_run(0, epochs=70)]
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    saved: list[float] = []
    real = checkpoint.write

    def slow(*arguments):
        saved.append(now[0])
        now[0] += 1
        return real(*arguments)

    monkeypatch.setattr(checkpoint, "write", slow)

    def report(_):
        now[0] += 1

    train(runs, task, data, report=report, checkpoints=Checkpoints(tmp_path, every=3))
    assert saved == [3, 104, 205, 306]


@pytest.fixture
def two_saved(tmp_path):
    """Two runs, saved after updates 6 and 7 of 10, and their outcomes."""
    task, data, runs = TinyExamples(), TinyExamples().load(), [make_run(0), make_run(1)]
    whole = outcome_bits(train(runs, task, data))
    checkpoints = Checkpoints(tmp_path, every=0)

    def report(progress):
        if progress.done == 7:
            interrupts.ask(15)

    with pytest.raises(interrupts.Stopped):
        train(runs, task, data, report=report, checkpoints=checkpoints)
    interrupts._asked = None

    def again(warn):
        made = []
        outcomes = train(runs, task, data, report=lambda p: made.append(p.done), checkpoints=checkpoints, warn=warn)
        assert outcome_bits(outcomes) == whole
        return made[0]

    files = sorted(next(iter(checkpoints.saved())).folder.glob("*.pt"))
    return files, again


@pytest.mark.parametrize("damage", ["flipped", "truncated", "emptied"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_says_so(two_saved, warnings, damage):
    """Protected by the SHA-256 in the name, compared in `_restored`: seen to fail without it, a flipped weight trains on."""
    (_, last), again = two_saved
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes({"flipped": bytes(content), "truncated": content[:-9], "emptied": b""}[damage])
    assert again(warnings.append) == 7
    assert len(warnings) == 1
    assert str(last) in warnings[0]
    assert "SHA-256" in warnings[0]
    assert not last.exists()


def test_without_a_good_checkpoint_it_starts_anew_and_says_so(two_saved, warnings):
    files, again = two_saved
    for file in files:
        file.write_bytes(file.read_bytes()[:100])
    assert again(warnings.append) == 1
    assert len(warnings) == 3
    assert "start anew" in warnings[-1]


def test_a_checkpoint_of_other_code_is_not_used(two_saved, warnings, monkeypatch):
    """It starts anew, and what it saves then outlives the old ones, which are further."""
    files, again = two_saved
    monkeypatch.setattr(
        checkpoint, "computed_by", lambda device: {"format": "1", "torch": "1.0", "device": device, "code": "x"}
    )
    assert again(warnings.append) == 1
    assert f"torch {torch.__version__} (here 1.0) and other code of this package" in warnings[0]
    assert not [file for file in files if file.exists()]


@pytest.mark.parametrize(
    ("name", "same"),
    [
        (each, False)
        for each in ("metrics.py", "training/step.py", "ops/masks.py", "ops/native/recurrence.c", "tasks/adding.py")
    ]
    + [(each, True) for each in ("cli/plan.py", "report/data.py", "ops/README.md")],
)
def test_other_code_is_what_numbers_are_computed_by(name, same, tmp_path, monkeypatch):
    shutil.copytree(
        Path(checkpoint.__file__).parents[1], tmp_path / "package", ignore=shutil.ignore_patterns("__pycache__")
    )
    monkeypatch.setattr(checkpoint, "__file__", str(tmp_path / "package" / "training" / "checkpoint.py"))
    before = checkpoint.computed_by.__wrapped__("cpu")
    with (tmp_path / "package" / name).open("a") as file:
        file.write(" ")
    assert (checkpoint.computed_by.__wrapped__("cpu") == before) is same


def test_a_checkpoint_that_cannot_be_saved_is_told_once_and_costs_nothing(tmp_path, warnings, monkeypatch):
    """A disk that is full in the middle of a file, as a limit on its size; no partial file stays."""
    task, data, runs = TinyExamples(), TinyExamples().load(), [make_run(0)]

    class Full(io.BytesIO):
        def write(self, part):
            if self.tell() + len(part) > 3000:
                raise OSError(28, "No space left on device")
            return super().write(part)

    real = kept._Hashing

    def full(file):
        hashing = real(file)
        inner = Full()
        hashing.write = lambda part: (inner.write(part), real.write(hashing, part))[1]
        return hashing

    monkeypatch.setattr(kept, "_Hashing", full)
    outcomes = train(runs, task, data, checkpoints=Checkpoints(tmp_path, every=0), warn=warnings.append)
    monkeypatch.setattr(kept, "_Hashing", real)
    assert outcome_bits(outcomes) == outcome_bits(train(runs, task, data))
    assert len(warnings) == 1
    assert "could not be saved" in warnings[0]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["runs.json"]


def test_a_checkpoint_is_on_disk_before_its_name_is(tmp_path, monkeypatch):
    """Content synced, then renamed, then the folder synced, and nothing stays open."""
    replicas = Replicas([make_run(0)], TinyExamples(), TinyExamples().load(), "cpu")
    checkpoint.write(tmp_path, replicas)  # so that runs.json is there
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noting_fsync(descriptor: int) -> None:
        order.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync content")
        fsync(descriptor)

    def noting_replace(self: Path, target: Path) -> Path:
        order.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(Path, "replace", noting_replace)
    before = psutil.Process().num_fds()
    checkpoint.write(tmp_path, replicas)
    assert order == ["sync content", "rename", "sync folder"]
    assert psutil.Process().num_fds() == before


def test_a_checkpoint_runs_nothing(two_saved, warnings, tmp_path):
    """A pickle that would run code, under a name with its own SHA-256, is refused by `weights_only`."""
    import hashlib

    (_, last), again = two_saved

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    last.unlink()
    buffer = io.BytesIO()
    torch.save({"runs": Evil()}, buffer)
    sha = hashlib.sha256(buffer.getvalue()).hexdigest()
    evil = last.with_name(f"000000009-{sha}.pt")
    evil.write_bytes(buffer.getvalue())
    assert again(warnings.append) == 7
    assert not (tmp_path / "ran").exists()
    assert str(evil) in warnings[0]


def test_between_two_epochs_too_all_is_in_what_is_packed():
    task, data, runs = TinyExamples(), TinyExamples().load(), [make_run(seed, epochs=2) for seed in range(2)]
    first = Replicas(runs, task, data, "cpu")
    for index in first.begin_epoch():
        first.train(index)
    first.end_epoch()
    second = Replicas(runs, task, data, "cpu")
    unpack(copy.deepcopy(pack(first)), second, [0, 1])
    assert pack(second)["about"] == pack(first)["about"]
    for replicas in (first, second):
        for index in replicas.begin_epoch():
            replicas.train(index)
        replicas.end_epoch()
    assert outcome_bits(first.finish()) == outcome_bits(second.finish())


def test_a_count_that_lies_on_a_device_stays_there():
    """As on a GPU, whose graphs read it from one place."""
    first, second = (Replicas([make_run(0)], TinyExamples(), TinyExamples().load(), "cpu") for _ in range(2))
    for index in first.begin_epoch():
        first.train(index)
    count = second.model.rnn.update = torch.tensor(0)
    unpack(copy.deepcopy(pack(first)), second, [0])
    assert second.model.rnn.update is count
    assert int(count) == int(first.model.rnn.update) == 4  # after five updates


def test_a_dataset_survives_to_the_bit():
    import xarray as xr

    from zoneout_lab.training.packed import _dataset_from_json, _dataset_to_json

    rng = np.random.default_rng(0)
    dataset = xr.Dataset(
        {
            "a": (("layer", "time"), rng.normal(size=(2, 3)).astype(np.float32), {"units": "", "k": np.float64(0.1)}),
            "b": ((), np.float64("nan")),
            "c": (("time",), np.array(["x", "yy", "é"], dtype=object)),
        },
        {"time": [1, 2, 3], "state": ("layer", ["h", "cell"])},
        {"flag": True, "none": None, "array": np.arange(2), "list": [1, 2.5]},
    )
    import json

    back = _dataset_from_json(json.loads(json.dumps(_dataset_to_json(dataset))))
    assert back.identical(dataset)
    assert {name: v.dtype for name, v in back.variables.items()} == {n: v.dtype for n, v in dataset.variables.items()}
