"""A number that is none, in one replica of a batch: its run diverges, and the others are what they are without it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_checkpoint import outcome_bits
from tiny_tasks import TinyExamples, make_run

from zoneout_lab.engines import Checkpoints
from zoneout_lab.training import train
from zoneout_lab.training.step import Step

RUNS = [make_run(seed, epochs=3, gradient_epochs=(2, -1), gradient_examples=4) for seed in range(3)]
WHERE = {
    "weight": lambda step: next(iter(step.model.parameters())),
    "optimizer": lambda step: step.optimizer.state[next(iter(step.model.parameters()))]["exp_avg"],
    "readout": lambda step: step.model.readout_weight,
}


def assert_it_alone_diverges(where, value, monkeypatch, folder, device="cpu") -> None:
    """The second of three runs, from its eighth update on."""
    task, data = TinyExamples(), TinyExamples().load()
    alone = [train(runs, task, data, device=device) for runs in (RUNS[:1], RUNS[2:])]
    real = Step.__call__

    def poisoned(step, index, update):
        real(step, index, update)
        if update == 7:
            with torch.no_grad():
                WHERE[where](step)[1] = value

    monkeypatch.setattr(Step, "__call__", poisoned)
    outcomes = train(RUNS, task, data, device=device, checkpoints=Checkpoints(folder, every=0))
    assert [outcome.status for outcome in outcomes] == ["finished", "diverged", "finished"]
    assert outcomes[1].best_epoch == 1
    assert np.isfinite(outcomes[1].at_best["test_error"])
    bits = outcome_bits(outcomes)
    for (outcome,) in alone:
        assert bits[outcome.run.id] == outcome_bits([outcome])[outcome.run.id]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("where", WHERE)
def test_nan_at_an_update(where, value, monkeypatch, tmp_path):
    """Seen to fail where `Replicas._after` does not look for values that are not finite."""
    assert_it_alone_diverges(where, value, monkeypatch, tmp_path)
