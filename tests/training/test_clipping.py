"""Clipping and optimizers on stacked replicas against torch on separate models."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from zoneout_lab.settings import Training
from zoneout_lab.training.optimizer import clip_per_replica, make_optimizer

SHAPES = [(4, 12, 3), (4, 12), (4, 2, 5, 3)]


def parameters_with_gradients() -> list[nn.Parameter]:
    """Four replicas whose gradients have norms from tiny to huge."""
    generator = torch.Generator().manual_seed(0)
    parameters = []
    for shape in SHAPES:
        parameter = nn.Parameter(torch.randn(shape, generator=generator))
        size = torch.tensor([1e-4, 0.05, 1.0, 100.0]).reshape(-1, *[1] * (len(shape) - 1))
        parameter.grad = torch.randn(shape, generator=generator) * size
        parameters.append(parameter)
    return parameters


@pytest.mark.parametrize("largest", [0.01, 1.0, 1e6])
def test_clips_each_replica_as_torch_clips_a_model(largest: float):
    stacked = parameters_with_gradients()
    alone = [[nn.Parameter(p[r].detach().clone()) for p in stacked] for r in range(4)]
    expected = []
    for r, model in enumerate(alone):
        for p, q in zip(model, stacked, strict=True):
            p.grad = q.grad[r].clone()
        expected.append(nn.utils.clip_grad_norm_(model, largest))
    norms = clip_per_replica(stacked, largest)
    assert torch.allclose(norms, torch.stack(expected), rtol=1e-6)
    for r, model in enumerate(alone):
        for p, q in zip(model, stacked, strict=True):
            # torch divides by the norm + 1e-6
            assert torch.allclose(p.grad, q.grad[r], rtol=2e-6 / min(largest, 1.0) + 1e-6)


def test_without_a_limit_nothing_is_changed():
    stacked = parameters_with_gradients()
    before = [p.grad.clone() for p in stacked]
    norms = clip_per_replica(stacked, None)
    assert all(torch.equal(p.grad, g) for p, g in zip(stacked, before, strict=True))
    for r in range(4):
        assert norms[r].item() == pytest.approx(math.sqrt(sum(g[r].double().square().sum() for g in before)), rel=1e-6)


def test_parameters_without_a_gradient_are_left_out():
    stacked = parameters_with_gradients()
    extra = nn.Parameter(torch.zeros(4, 2))
    assert torch.equal(clip_per_replica([extra, *stacked], None), clip_per_replica(stacked, None))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_replica_without_a_finite_norm_does_not_touch_the_others(bad: float):
    stacked, clean = parameters_with_gradients(), parameters_with_gradients()
    stacked[0].grad[2, 0, 0] = bad
    norms, expected = clip_per_replica(stacked, 0.1), clip_per_replica(clean, 0.1)
    assert not norms[2].isfinite()
    for r in (0, 1, 3):
        assert torch.equal(norms[r], expected[r])
        assert all(torch.equal(p.grad[r], q.grad[r]) for p, q in zip(stacked, clean, strict=True))


@pytest.mark.parametrize("name", ["adam", "rmsprop", "sgd"])
def test_a_step_on_the_stack_is_a_step_on_each(name: str):
    """Bit for bit, over sizes that no vector width divides."""
    stacked = parameters_with_gradients()
    alone = [[nn.Parameter(p[r : r + 1].detach().clone()) for p in stacked] for r in range(4)]
    training = Training(optimizer=name, lr=0.01)
    optimizers = [make_optimizer(model, training) for model in (stacked, *alone)]
    for _ in range(3):
        for r, model in enumerate(alone):
            for p, q in zip(model, stacked, strict=True):
                p.grad = q.grad[r : r + 1].clone()
        for optimizer in optimizers:
            optimizer.step()
        for p in stacked:
            p.grad = p.grad * 0.7
    for r, model in enumerate(alone):
        assert all(torch.equal(p[0], q[r]) for p, q in zip(model, stacked, strict=True))
