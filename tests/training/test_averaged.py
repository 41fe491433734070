"""Losses of real values, and predictions averaged over sampled passes, against the average written out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from test_evaluation import made
from tiny_tasks import TinyExamples, TinyStream, make_run
from torch.nn import functional as F

from zoneout_lab import NoRegularizer, Zoneout
from zoneout_lab.tasks.base import Data, Examples
from zoneout_lab.training import evaluate as module
from zoneout_lab.training import train
from zoneout_lab.training.evaluate import evaluate, evaluate_whole
from zoneout_lab.training.losses import averaged_loss, each_loss, loss_by_replica
from zoneout_lab.training.step import reads

ARMS = [NoRegularizer(), Zoneout(cell=0.5, hidden=0.3), Zoneout(hidden=0.9)]


def test_squared_errors_of_each_replica():
    outputs, targets = torch.randn(3, 8, 1), torch.randn(1, 8)
    for r in range(3):
        want = sum((outputs[r, n, 0] - targets[0, n]) ** 2 for n in range(8)) / 8
        torch.testing.assert_close(loss_by_replica(outputs, targets)[r], want)
    assert each_loss(outputs, targets).shape == (3, 8)


def test_the_average_is_of_probabilities_and_far_from_underflow():
    passes = [torch.tensor([[1.0, 900.0], [0.0, 3.0]]), torch.tensor([[2.0, 901.0], [700.0, 3.0]])]
    want = [[-math.log((math.exp(-1) + math.exp(-2)) / 2), 900 - math.log((1 + math.exp(-1)) / 2)], [math.log(2), 3.0]]
    torch.testing.assert_close(averaged_loss(passes), torch.tensor(want))


@pytest.mark.parametrize("task", [TinyExamples(), TinyStream()], ids=["examples", "stream"])
def test_monte_carlo_is_the_mean_of_the_predicted_probabilities(task: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "BATCH", 256)
    split, model = task.load().valid, made(task, ARMS, "monte_carlo")
    got = evaluate(model, split, task.score, samples=4)
    ((inputs, targets),) = list(split.in_order(256))
    model.eval()
    model.rnn.draw = 0
    with torch.no_grad():
        passes = [model(inputs[None], reads=reads(targets[None])).double().softmax(-1) for _ in range(4)]
    mean = torch.stack(passes).mean(0)
    for r in range(3):
        right = mean[r].gather(-1, targets[..., None])[..., 0]
        assert got["loss"][r] == pytest.approx(-right.log().mean().item(), rel=1e-5)
        if task.score == "error":
            assert got["error"][r] == (mean[r].argmax(-1) != targets).double().mean().item()
        else:
            assert got["bpc"][r] == pytest.approx(got["loss"][r] / math.log(2))
    one = evaluate(model, split, task.score)
    assert one["loss"][0] == pytest.approx(got["loss"][0], rel=1e-6)
    assert (one["loss"][1:] != got["loss"][1:]).all()
    np.testing.assert_array_equal(evaluate(model, split, task.score, samples=4)["loss"], got["loss"])


def test_the_class_is_the_one_of_the_mean_probability_and_not_of_the_mean_logit():
    """With large logits one sure pass can outweigh several in the mean logit, and not in the mean probability."""
    split, model = TinyStream().load().valid, made(TinyStream(), ARMS, "monte_carlo")
    with torch.no_grad():
        model.readout_weight.mul_(60)
    got = evaluate(model, split, "error", samples=5)["error"]
    ((inputs, targets),) = list(split.in_order(64))
    model.eval()
    model.rnn.draw = 0
    with torch.no_grad():
        logits = torch.stack([model(inputs[None], reads=8) for _ in range(5)])
    by_probability, by_logit = (part.mean(0).argmax(-1) != targets for part in (logits.softmax(-1), logits))
    np.testing.assert_allclose(got, by_probability.double().flatten(1).mean(1).numpy())
    assert (by_probability != by_logit)[1:].any()


def test_training_averages_so_many_passes():
    task = TinyStream()
    options = {"evaluation": "monte_carlo", "epochs": 1}
    found = [
        train([make_run(0, Zoneout(hidden=0.5), **(options | how))], task, task.load())[0]
        for how in ({"evaluation": "sampled"}, {"samples": 1}, {"samples": 5})
    ]
    sampled, one, five = ({**outcome.by_epoch, **outcome.at_best} for outcome in found)
    assert sampled == one
    assert five["train_loss"] == one["train_loss"]
    for name in ("valid_bpc", "train_eval_bpc", "test_bpc", "train_eval_bpc_full", "valid_bpc_full", "test_bpc_full"):
        assert five[name] != one[name], name


def test_averaging_beats_the_passes_that_it_averages():
    """Jensen: −log of a mean is at most the mean of −log."""
    task = TinyStream()
    split, model = task.load().valid, made(task, ARMS, "monte_carlo")
    averaged = evaluate(model, split, "bpc", samples=8)["bpc"]
    singles = []
    model.eval()
    model.rnn.draw = 0
    with torch.no_grad():
        inputs, targets = next(split.in_order(64))
        for _ in range(8):
            singles.append(loss_by_replica(model(inputs[None], reads=8), targets[None]).numpy() / math.log(2))
    assert (averaged[1:] < np.mean(singles, 0)[1:]).all()


@pytest.mark.parametrize("window", [7, 512])
def test_each_pass_over_a_whole_stream_carries_its_own_state(window: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "WINDOW", window)
    task = TinyStream()
    stream, model = task.load().valid, made(task, ARMS, "monte_carlo", layers=2)
    got = evaluate_whole(model, stream, "bpc", samples=3)["loss"]
    model.eval()
    model.rnn.draw = 0
    states: list[Any] = [None] * 3
    losses = []
    with torch.no_grad():
        for inputs, targets in stream.whole(window):
            passes = []
            for k in range(3):
                out, states[k] = model.rnn(encoded(inputs)[None], states[k])
                passes.append(model.read(out).double().softmax(-1))
            mean = torch.stack(passes).mean(0)
            losses.append(-mean.gather(-1, targets.expand(3, *targets.shape)[..., None]).log().flatten(1))
    np.testing.assert_allclose(got, torch.cat(losses, 1).mean(1).numpy(), rtol=1e-5)


def encoded(inputs: torch.Tensor) -> torch.Tensor:
    return inputs if inputs.is_floating_point() else F.one_hot(inputs, 5).float()


class TinySums(TinyExamples):
    """How large is the sum of a sequence?"""

    score = "mse"  # type: ignore[assignment]

    @property
    def output_size(self) -> int:
        return 1

    def load(self, folder: Any = None) -> Data:
        data = super().load(folder)
        train, valid = (Examples(s.inputs, s.inputs.sum((1, 2)) / 4) for s in (data.train, data.valid))
        return Data.of(train, valid, valid)


@pytest.mark.parametrize("evaluation", ["expectation", "monte_carlo"])
def test_real_values_are_learned_and_reported(evaluation: str):
    task = TinySums()
    outcomes = train(
        [make_run(seed, arm, epochs=30, lr=0.02, evaluation=evaluation, gradient_epochs=(1,), gradient_examples=5)
         for seed, arm in enumerate((NoRegularizer(), Zoneout(hidden=0.1)))], task, task.load(),
    )  # fmt: skip
    variance = float(task.load().valid.targets.var(correction=0))
    for outcome in outcomes:
        assert outcome.by_epoch["valid_mse"] == outcome.by_epoch["valid_loss"]
        assert set(outcome.at_best) == {"test_loss", "test_mse"}
        assert outcome.at_best["test_mse"] == min(outcome.by_epoch["valid_mse"]) < variance / 2
        assert outcome.measured["gradients"][1].norm.shape == (1, 2, 2, 6)


def test_averaged_real_values():
    task = TinySums()
    split, model = task.load().valid, made(task, ARMS, "monte_carlo")
    got = evaluate(model, split, "mse", samples=3)
    model.eval()
    model.rnn.draw = 0
    with torch.no_grad():
        mean = sum(model(split.inputs.transpose(0, 1)[None])[..., 0] for _ in range(3)) / 3
    np.testing.assert_allclose(got["mse"], (mean - split.targets).square().mean(1).numpy(), rtol=1e-5)


@pytest.mark.parametrize("K", [1, 4])
def test_targets_of_the_last_steps(K: int):
    """Each of the last K outputs is a prediction: copy tasks and the like."""
    inputs = torch.randn(12, 6, 2, generator=torch.Generator().manual_seed(0))
    targets = (inputs.sum(-1) > 0).long()[:, 6 - K :]
    logits_of = made(TinyExamples(), ARMS).eval()
    with torch.no_grad():
        out = logits_of.read(logits_of.rnn(inputs.transpose(0, 1)[None])[0])[:, 6 - K :]
    logits, aims = out.transpose(1, 2), targets  # [R, N, K, C], [N, K]
    loss, wrong = [], []
    for r in range(3):
        loss.append(F.cross_entropy(logits[r].flatten(0, 1), aims.flatten()).item())
        wrong.append((logits[r].argmax(-1) != aims).double().mean().item())
    got = module._over(logits_of, [(inputs.transpose(0, 1), targets.T)], "error", first=None, samples=1, carried=False)
    np.testing.assert_allclose(got["loss"], loss, rtol=1e-6)
    np.testing.assert_allclose(got["error"], wrong)
