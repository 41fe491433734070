"""Which runs train together, and how many fit the memory."""

from __future__ import annotations

import pytest
from small_study import ARMS, small

from zoneout_lab import Arm, Study, Zoneout
from zoneout_lab.ops import cells
from zoneout_lab.study.batching import batches, bytes_per_replica, largest_batch


def shapes_of_three(seeds=6):
    arms = (*ARMS, Arm(name="longer", change={"training.epochs": 3}), Arm(name="wide", change={"model.hidden": 8}))
    return small(arms=arms, seeds=seeds)


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
@pytest.mark.parametrize("memory", [None, 1, 10**7, 10**12])
def test_batches(workers, memory):
    runs = shapes_of_three().runs()
    work = batches(runs, 64, workers=workers, memory=memory)
    assert sorted(r.id for batch in work for r in batch) == sorted(r.id for r in runs)  # each once
    for shape in {r.shape for r in runs}:
        group = [r for batch in work for r in batch if r.shape == shape]
        assert group == [r for r in runs if r.shape == shape]  # in the order they came in
        sizes = [len(batch) for batch in work if batch[0].shape == shape]
        assert max(sizes) - min(sizes[:-1] or sizes) == 0  # even: only the last may be smaller
        assert max(sizes) - sizes[-1] < len(sizes) + max(sizes) / 2
    for batch in work:
        assert len({r.shape for r in batch}) == 1
        together = workers * len(batch) * bytes_per_replica(batch[0], 64)
        assert len(batch) == 1 or together <= (memory or 10**12)


def test_batches_keep_every_worker_busy():
    runs = small(seeds=8).runs()  # 16 of one shape
    assert [len(batch) for batch in batches(runs, 64, workers=2)] == [8, 8]
    assert [len(batch) for batch in batches(runs, 64, workers=4)] == [4, 4, 4, 4]
    assert [len(batch) for batch in batches(runs, 64, workers=1, memory=10**12)] == [16]
    one = bytes_per_replica(runs[0], 64)
    assert [len(batch) for batch in batches(runs, 64, workers=1, memory=5 * one)] == [4, 4, 4, 4]
    assert [len(batch) for batch in batches(runs, 64, workers=1, memory=one - 1)] == [1] * 16
    assert batches([], 64) == []


def test_five_arms_of_ten_seeds_on_pmnist_are_one_model_on_a_gpu():
    arms = [Arm(name=f"z{k}", regularizer=Zoneout(cell=k / 10)) for k in range(5)]
    study = Study(name="big", title="", question="", arms=arms, baseline="z0", task="pmnist", preset="paper", seeds=10)
    memory = 80 * 2**30  # of one H100
    (model,) = batches(study.runs(), 784, memory=memory, device="cuda:0")
    assert len(model) == 50


def test_memory_grows_with_the_vocabulary_and_the_embedding():
    """By hand, in float32 numbers: eight for each parameter beyond the recurrence, and what stands for each timestep."""

    def needed(**change: int) -> int:
        study = small({"model.hidden": 100, **change}, task="char_ptb", gradient_epochs=())
        return bytes_per_replica(study.runs()[0], 99)

    batch, plain = small(task="char_ptb").setting().training.batch, needed()
    of_table, of_inputs = 8 * 50 * 80, batch * 99 * (80 - 50)
    assert needed(**{"model.embedding": 80}) - plain == 4 * (of_table + of_inputs)
    wide = 8 * (50 * 200 + 4 * 100 * (200 - 100)) + batch * 99 * (200 - 50)
    assert needed(**{"model.embedding": 200}) - plain == 4 * wide


@pytest.mark.parametrize("reads", [7, 64])
def test_memory_counts_the_timesteps_that_are_read(reads):
    run = small().runs()[0]
    classes, batch = 10, run.setting.training.batch
    logits = 4 * 4 * batch * classes  # bytes of a timestep: the logits, their logarithms and two gradients
    assert bytes_per_replica(run, 64, reads=reads) - bytes_per_replica(run, 64) == (reads - 1) * logits


def test_of_a_batch_that_does_not_fit_the_largest_half_that_does_is_named():
    run = small(gradient_epochs=()).runs()[0]  # of 256

    def needed(batch: int) -> int:
        return bytes_per_replica(small({"training.batch": batch}, gradient_epochs=()).runs()[0], 64, reads=3)

    for memory, largest in (
        (needed(256), 128),
        (needed(64), 64),
        (needed(64) - 1, 32),
        (needed(1), 1),
        (needed(1) - 1, 0),
    ):
        assert largest_batch(run, 64, memory, reads=3) == largest, memory


def test_one_timestep_is_read_unless_it_is_said_how_many():
    run = small().runs()[0]
    memory = 8 * bytes_per_replica(run, 64, reads=1) - 1
    assert [len(batch) for batch in batches([run] * 16, 64, memory=memory)] == [6, 6, 4]
    assert [len(batch) for batch in batches([run] * 16, 64, memory=memory + 1)] == [8, 8]


def test_memory_grows_with_the_layers():
    """By hand: what is held for each timestep, and two more blocks of weights, each held eight times."""
    steps, hidden, batch = 64, 100, 256
    one, three = (
        bytes_per_replica(small({"model.hidden": hidden, "model.layers": layers}).runs()[0], steps) for layers in (1, 3)
    )
    lstm = cells.as_cell("lstm")
    held, weights = lstm.held[0] * steps * batch * hidden, lstm.gates * hidden * 2 * hidden
    assert three - one == 2 * 4 * (held + 8 * weights)
