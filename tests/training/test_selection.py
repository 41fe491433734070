"""Which checkpoint is kept, when a run stops, and what becomes of one that diverges; each replica for itself."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
import xarray as xr
from tiny_tasks import TinyExamples, TinyStream, make_run

from zoneout_lab import Zoneout
from zoneout_lab.engines import Outcome, Progress
from zoneout_lab.training import train

OVERFITS: dict[str, Any] = {"optimizer": "adam", "lr": 0.03, "epochs": 8, "hidden": 12}
TASK = TinyExamples(noise=3.0)


@cache
def overfitting(patience: int | None = None) -> list[Outcome]:
    return train([make_run(seed, patience=patience, **OVERFITS) for seed in range(4)], TASK, TASK.load())


def test_the_first_best_validation_epoch_is_kept_and_tested():
    """The test split is the validation split: the tested checkpoint shows which epoch it is from."""
    outcomes = overfitting()
    assert len({outcome.best_epoch for outcome in outcomes}) > 1
    for outcome in outcomes:
        errors, losses = outcome.by_epoch["valid_error"], outcome.by_epoch["valid_loss"]
        assert outcome.best_epoch == 1 + int(np.argmin(errors))
        assert len(errors) == 8
        assert max(errors) > min(errors)
        assert outcome.at_best["test_error"] == min(errors)
        assert outcome.at_best["test_loss"] == losses[outcome.best_epoch - 1]
        assert len(set(losses)) == 8


def test_the_last_epoch_is_kept_where_that_is_asked():
    last = train([make_run(seed, select="last", **OVERFITS) for seed in range(4)], TASK, TASK.load())
    for outcome, best in zip(last, overfitting(), strict=True):
        assert outcome.by_epoch == best.by_epoch
        assert (outcome.best_epoch, outcome.improved_epoch) == (8, best.best_epoch)
        assert outcome.at_best["test_loss"] == outcome.by_epoch["valid_loss"][-1]
    assert any(outcome.at_best != best.at_best for outcome, best in zip(last, overfitting(), strict=True))


def test_patience_counts_from_the_lowest_whatever_is_selected():
    stopped = train([make_run(seed, select="last", patience=3, **OVERFITS) for seed in range(4)], TASK, TASK.load())
    for outcome, best in zip(stopped, overfitting(patience=3), strict=True):
        assert outcome.by_epoch == best.by_epoch
        assert outcome.best_epoch == len(outcome.by_epoch["valid_error"])
        assert outcome.at_best["test_loss"] == outcome.by_epoch["valid_loss"][-1]


@pytest.mark.parametrize("patience", [1, 3])
def test_each_replica_stops_by_its_own_patience(patience: int):
    whole, stopped = overfitting(), overfitting(patience=patience)
    lengths = []
    for long, short in zip(whole, stopped, strict=True):
        errors = long.by_epoch["valid_error"]
        best, epochs = 1, 8
        for epoch in range(1, 9):  # the rule, spelled out
            best = epoch if errors[epoch - 1] < min(errors[: epoch - 1], default=math.inf) else best
            if epoch - best >= patience:
                epochs = epoch
                break
        assert short.best_epoch == best
        assert short.status == "finished"
        assert {name: values[:epochs] for name, values in long.by_epoch.items()} == short.by_epoch
        assert short.at_best["test_loss"] == long.by_epoch["valid_loss"][best - 1]
        lengths.append(epochs)
    assert len(set(lengths)) > 1


def test_no_epoch_is_trained_after_all_have_stopped():
    seen: list[Progress] = []
    runs = [make_run(seed, **(OVERFITS | {"patience": 1, "epochs": 20})) for seed in range(2)]
    outcomes = train(runs, TASK, TASK.load(), report=seen.append)
    assert seen[-1].epoch == max(len(o.by_epoch["valid_error"]) for o in outcomes) < 20


#: at this rate a relu-RNN overflows; one whose state is frozen learns its output bias alone, and stays finite
EXPLODES: dict[str, Any] = {"cell": "rnn_relu", "optimizer": "sgd", "lr": 1e4, "clip": None, "epochs": 3, "hidden": 12}


@pytest.mark.parametrize("task", [TinyExamples(), TinyStream()], ids=["examples", "stream"])
def test_a_replica_that_diverges_ends_and_the_others_do_not_notice(task: Any):
    frozen = [make_run(seed, Zoneout(hidden=1.0), gradient_epochs=(0, 3), **EXPLODES) for seed in range(3)]
    exploding = make_run(3, gradient_epochs=(0, 3), **EXPLODES)
    data = task.load()
    together = train([frozen[0], exploding, *frozen[1:]], task, data)
    lost = together.pop(1)
    assert lost.status == "diverged"
    assert lost.best_epoch is None
    assert len(lost.by_epoch["train_loss"]) == 1
    assert not math.isfinite(lost.by_epoch["train_loss"][0])
    assert all(math.isnan(value) for value in lost.at_best.values())
    assert set(lost.measured["gradients"]) == {0}
    for one, other in zip(together, train(frozen, task, data), strict=True):
        assert one.status == "finished"
        assert all(np.isfinite(values).all() for values in one.by_epoch.values())
        assert (one.by_epoch, one.at_best, one.best_epoch) == (other.by_epoch, other.at_best, other.best_epoch)
        for epoch in (0, 3):
            xr.testing.assert_identical(one.measured["gradients"][epoch], other.measured["gradients"][epoch])


def test_a_run_that_diverges_late_keeps_what_it_had_selected():
    task = TinyExamples()
    options = EXPLODES | {"lr": 2.0, "epochs": 30, "hidden": 16}
    outcomes = train([make_run(seed, **options) for seed in range(6)], task, task.load())
    late = [o for o in outcomes if o.status == "diverged" and o.best_epoch is not None]
    assert late
    for outcome in late:
        values = outcome.by_epoch
        assert len(values["valid_loss"]) < 30
        assert all(np.isfinite(series[:-1]).all() for series in values.values())
        assert not all(np.isfinite(series[-1]) for series in values.values())
        assert outcome.at_best["test_loss"] == values["valid_loss"][outcome.best_epoch - 1]


def test_progress_counts_every_update_to_the_end():
    seen: list[Progress] = []
    task = TinyExamples()
    train([make_run(0, epochs=2), make_run(1, epochs=2)], task, task.load(), report=seen.append)
    assert [p.done for p in seen] == list(range(1, 11))  # 33 examples in batches of 8: five updates
    assert {(p.total, p.epochs) for p in seen} == {(10, 2)}
    assert [p.epoch for p in seen] == [1] * 5 + [2] * 5
    assert seen[-1].score < math.inf
