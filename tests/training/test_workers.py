"""Batches on several processes: the outcomes of one process, failures kept to their batch."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from tiny_tasks import TinyExamples, make_run

from zoneout_lab import Zoneout
from zoneout_lab.training import Outcome, Progress, default_workers, train_batches

TASK = TinyExamples()
BATCHES = [
    [make_run(0, epochs=1), make_run(1, Zoneout(0.5), epochs=1)],
    [make_run(0, hidden=9), make_run(1, hidden=10)],  # two shapes: cannot train together
    [make_run(2, epochs=2, cell="gru", gradient_epochs=(0,))],
]


@pytest.fixture(autouse=True)
def settings_restored() -> Iterator[None]:
    """A worker sets threads and subnormal numbers for its whole process, which in-process is this one."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def trained(workers: int, batches=BATCHES) -> tuple[dict[int, list[Outcome] | Exception], list[tuple[int, Progress]]]:
    seen: list[tuple[int, Progress]] = []
    results = train_batches(
        batches, TASK, TASK.load(), device="cpu", workers=workers, report=lambda number, p: seen.append((number, p))
    )
    return dict(results), seen


def test_two_processes_give_what_one_gives():
    good = [BATCHES[0], BATCHES[2]]
    (here, seen_here), (there, seen_there) = trained(1, good), trained(2, good)
    assert set(here) == set(there) == {0, 1}
    for number in here:
        for one, other in zip(here[number], there[number], strict=True):
            assert (one.run, one.by_epoch, one.at_best) == (other.run, other.by_epoch, other.at_best)
            assert one.gradients.keys() == other.gradients.keys()
            for epoch in one.gradients:
                np.testing.assert_array_equal(one.gradients[epoch][0], other.gradients[epoch][0])
    assert {number for number, _ in seen_here} == {0, 1}
    assert {number for number, _ in seen_there} <= {0, 1}


def test_a_batch_that_fails_leaves_the_others():
    results, _ = trained(2)
    assert isinstance(results[1], ValueError)
    assert [len(results[number]) for number in (0, 2)] == [2, 1]


def test_leaving_early_ends_the_processes():
    results = train_batches(BATCHES, TASK, TASK.load(), device="cpu", workers=2, report=lambda *_: None)
    next(results)
    children = multiprocessing.active_children()
    assert children
    results.close()
    for child in children:
        # is_alive() may still be asking while the pool's own thread has had the answer; the system knows
        with pytest.raises(ProcessLookupError):
            os.kill(child.pid, 0)


def test_a_gpu_has_one_worker():
    assert default_workers("cuda") == 1
    assert default_workers("cpu") >= 1
