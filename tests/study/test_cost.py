"""What a plan says its batches will cost."""

from __future__ import annotations

import itertools
import time

import pytest
import torch
from small_study import small

from zoneout_lab.study.batching import batches, bytes_per_replica
from zoneout_lab.study.cost import _amount, _time_per_timestep, cost
from zoneout_lab.study.estimate import Cost
from zoneout_lab.tasks import make_task


def test_cost_grows_with_the_work_and_shrinks_with_workers():
    study = small(seeds=4)
    task = make_task("digits")
    data = task.load()
    runs = study.runs()
    one = cost(batches(runs, 64), task, data)
    longer = [run.model_copy(update={"setting": small({"training.epochs": 40}).setting()}) for run in runs]
    assert cost([longer], task, data).seconds > 5 * one.seconds > 0
    # side by side: half the time for the same batches
    halves = [runs[:4], runs[4:]]
    assert cost(halves, task, data, workers=2).memory == 8 * bytes_per_replica(runs[0], 64)
    assert cost(halves, task, data, workers=1).memory == 4 * bytes_per_replica(runs[0], 64)
    assert cost([], task, data) == Cost(0, 0)


def test_an_estimate_leaves_the_process_as_it_was():
    study, task = small(seeds=1), make_task("digits")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        torch.set_flush_denormal(False)
        cost(batches(study.runs(), 64), task, task.load())
        assert torch.get_num_threads() == 2
        assert (torch.tensor(1e-40) * 1).item() > 0
    finally:
        torch.set_num_threads(before)


def test_cost_grows_with_the_passes_that_are_averaged():
    runs = {}
    for how in ("sampled", "monte_carlo"):
        study = small({"training.evaluation": how, "training.samples": 7})
        runs[how] = study.runs()[0]
    data = make_task("digits").load()
    (updates, one), (same, seven) = (_amount(runs[how], data) for how in ("sampled", "monte_carlo"))
    assert updates == same
    assert seven == pytest.approx(7 * one)


def test_the_amount_of_work_by_hand():
    """1,097 images train in batches of 256, the last one smaller; 350 validate after each of 2 epochs, as often as on the other pass; 350 test."""
    data = make_task("digits").load()
    assert _amount(small().runs()[0], data) == (2 * 5, 2 * 2 * 350 / 256 + 350 / 256)


def test_times_are_those_of_one_timestep_of_the_few_that_are_timed(monkeypatch):
    """By a clock on which everything between two looks takes a second."""
    ticks = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    task = make_task("digits")
    assert _time_per_timestep(small().runs()[:1], task, task.load(), "cpu") == (1 / 16, 2 / 16)
