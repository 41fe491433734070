"""What training does for regularizers that are more than masks: penalties, noise on the readout, statistics of a checkpoint."""

from __future__ import annotations

import numpy as np
import torch
from tiny_tasks import TinyExamples, make_run
from torch import Tensor

from zoneout_lab import NoRegularizer, NormStabilizer, WeightNoise
from zoneout_lab.frozen import Seeds
from zoneout_lab.ops import noise
from zoneout_lab.ops.cells import BatchNormLSTM
from zoneout_lab.regularizers import Regularizer
from zoneout_lab.settings import Model
from zoneout_lab.training import train
from zoneout_lab.training.model import READOUT, SequenceModel
from zoneout_lab.training.step import Step

TASK = TinyExamples(noise=3.0)


def model_with(regularizer: Regularizer) -> SequenceModel:
    return SequenceModel(Model(hidden=5), 2, 2, regularizers=[regularizer], seeds=[Seeds(init=1, data=2, masks=3)])


def test_the_penalty_moves_the_weights_and_not_the_reported_loss():
    moved: list[list[Tensor]] = []
    losses = []
    for beta in (0.0, 2.0):
        model = model_with(NormStabilizer(beta))
        step = Step(model, make_run(optimizer="sgd", clip=None).setting.training, TASK.load().train)
        data = TASK.load().train
        inputs, targets = data.gather(torch.arange(8)[None])
        logits = model(inputs)
        loss = torch.nn.functional.cross_entropy(logits[0], targets[0])
        total = loss + (0.0 if model.rnn.penalty is None else model.rnn.penalty.sum())
        expected = torch.autograd.grad(total, list(model.parameters()))
        before = [p.detach().clone() for p in model.parameters()]
        step(np.arange(8)[None], 0)
        lr = step.optimizer.param_groups[0]["lr"]
        for old, new, gradient in zip(before, model.parameters(), expected, strict=True):
            assert (new - (old - lr * gradient)).abs().max() < 1e-7
        moved.append([p.detach() for p in model.parameters()])
        losses.append(float(step.losses))
    assert losses[0] == losses[1]
    assert any(not torch.equal(a, b) for a, b in zip(*moved, strict=True))


def test_the_readout_has_noise_in_training_alone():
    model = model_with(WeightNoise(0.5))
    model.rnn.update = 4
    x = torch.randn(1, 6, 3, 2, generator=torch.Generator().manual_seed(0))
    drawn = noise.normal((2, 5), seed=3, update=4, matrix=READOUT)
    got = model(x)
    model.rnn.update = 4
    out = model.rnn(x)[0][:, -1]
    want = out @ (model.readout_weight + 0.5 * drawn).transpose(1, 2) + model.readout_bias[:, None]
    assert (got - want).abs().max() < 1e-6
    model.eval()
    assert torch.equal(model(x), model.read(model.rnn(x)[0][:, -1]))


def test_a_checkpoint_keeps_the_statistics_that_it_was_validated_with():
    """The test split is the validation split: with the last epoch's statistics the score would be another one."""
    runs = [
        make_run(seed, NoRegularizer(), cell=BatchNormLSTM(steps=6), lr=0.03, epochs=8, hidden=12) for seed in range(3)
    ]
    outcomes = train(runs, TASK, TASK.load())
    assert any(outcome.best_epoch != 8 for outcome in outcomes)
    for outcome in outcomes:
        assert outcome.best_epoch is not None
        assert outcome.at_best["test_loss"] == outcome.by_epoch["valid_loss"][outcome.best_epoch - 1]
