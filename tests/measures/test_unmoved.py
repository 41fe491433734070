"""A measurement leaves what it measures as it was: counters, generators, buffers, penalties; in every mode, and where it fails."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoneout_lab as zl
from zoneout_lab.measures import gradient_flow, perturbation_growth

T, B, N, H = 5, 3, 4, 4
X = torch.randn(T, B, N, generator=torch.Generator().manual_seed(0))
STATES = torch.ones(1, B, H)


class Noisy(nn.Module):
    """Everything at once that a pass may move."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = zl.GRU(N, H, regularizer=zl.Zoneout(hidden=0.3, hidden_end=0.6, over=9), mask_seed=1)
        self.normal, self.drop = nn.BatchNorm1d(H), nn.Dropout(0.5)
        self.spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(H, H))
        self.older = nn.utils.spectral_norm(nn.Linear(H, H))

    def forward(self, x: Tensor, h: Tensor | None = None) -> Tensor:
        out = self.rnn(x, h)[0]
        out = self.older(self.spectral(self.drop(self.normal(out[-1]))))
        return out * (random.random() + np.random.rand())


def squares(out: Any) -> Tensor:
    return (out if isinstance(out, Tensor) else out[0]).square().sum()


def flow(model: Callable[..., Any]) -> None:
    gradient_flow(model, X, squares)


def growth(model: Callable[..., Any]) -> None:
    perturbation_growth(model, X, STATES)


MEASURES = {"flow": flow, "growth": growth}


def everything(model: Noisy) -> list[Any]:
    generator = torch.get_rng_state().tolist(), random.getstate(), [str(part) for part in np.random.get_state()]
    return [model.rnn.update, model.rnn.draw, *generator, *[buffer.tolist() for buffer in model.buffers()]]


@pytest.mark.filterwarnings("ignore:.*spectral_norm.* is deprecated")
@pytest.mark.parametrize("as_function", [False, True])
@pytest.mark.parametrize("mode", ["training", "evaluation", "sampled"])
@pytest.mark.parametrize("measure", MEASURES)
def test_everything_stands_where_it_stood(measure: str, mode: str, as_function: bool):
    model = Noisy().train(mode == "training")
    model.rnn.evaluation = "sampled" if mode == "sampled" else "expectation"
    model.rnn.update, model.rnn.draw = 5, 7
    before = everything(model)
    MEASURES[measure]((lambda *arguments: model(*arguments)) if as_function else model)
    assert everything(model) == before
    model(X)
    assert everything(model) != before or mode == "evaluation"


def trained(measure: Callable[[Noisy], None]) -> list[Tensor]:
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    model = Noisy()
    optimizer = torch.optim.SGD(model.parameters(), 0.5)
    for _ in range(3):
        measure(model)
        optimizer.zero_grad()
        squares(model(X)).backward()
        optimizer.step()
    return list(model.parameters())


@pytest.mark.filterwarnings("ignore:.*spectral_norm.* is deprecated")
def test_a_training_ends_in_the_same_weights_with_and_without_measurements():
    expected = trained(lambda _: None)
    for measure in MEASURES.values():
        assert all(torch.equal(a, b) for a, b in zip(trained(measure), expected, strict=True))


@pytest.mark.parametrize("measure", MEASURES)
def test_a_counter_that_is_a_tensor_stays_that_tensor(measure: str):
    rnn = zl.GRU(N, H, regularizer=zl.Zoneout(hidden=0.3), mask_seed=1)
    rnn.update = counter = torch.tensor(4)
    MEASURES[measure](rnn)
    assert rnn.update is counter
    assert counter == 4


def test_the_penalty_of_the_last_training_pass_is_still_there():
    rnn = zl.GRU(N, H, regularizer=zl.NormStabilizer(1.0))
    rnn(X)
    penalty = rnn.penalty
    flow(rnn)
    growth(rnn)
    assert rnn.penalty is penalty


def test_a_measurement_that_fails_moves_nothing_either():
    rnn = zl.GRU(N, H, regularizer=zl.Zoneout(hidden=0.3), mask_seed=1)
    rng = torch.get_rng_state()

    def model(*arguments: Tensor) -> Tensor:
        rnn(*arguments)
        torch.rand(3)
        raise OSError("the model's own")

    for measure in MEASURES.values():
        with pytest.raises(OSError, match="the model's own"):
            measure(model)
    assert rnn.update == 0
    assert torch.equal(torch.get_rng_state(), rng)


def test_both_runs_of_a_perturbation_see_one_noise_in_a_function_too():
    rnn = zl.GRU(N, H, regularizer=zl.Zoneout(hidden=0.5), mask_seed=1)
    held = perturbation_growth(lambda x, h: rnn(x, h), X, STATES)
    np.testing.assert_array_equal(held.growth, perturbation_growth(rnn, X, STATES).growth)
