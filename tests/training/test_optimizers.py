"""Optimizers, the clipped step and the falling learning rate, against the rule written out for one number at a time."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from tiny_tasks import TinyExamples, make_run
from torch import nn

from zoneout_lab.settings import Training
from zoneout_lab.training import train
from zoneout_lab.training.floored_rmsprop import FlooredRMSprop
from zoneout_lab.training.optimizer import clipped_step, make_optimizer, rate_at

SHAPES = [(3, 7, 5), (3, 11), (3, 1)]


def stack(dtype: torch.dtype) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(1)
    return [nn.Parameter(torch.randn(shape, generator=generator, dtype=dtype)) for shape in SHAPES]


def gradients(k: int, dtype: torch.dtype) -> list[torch.Tensor]:
    """Of update ``k``: small for the first replica (below the floor), large for the last."""
    generator = torch.Generator().manual_seed(100 + k)
    size = torch.tensor([1e-6, 0.05, 10.0], dtype=dtype)
    return [torch.randn(s, generator=generator, dtype=dtype) * size.view(-1, *[1] * (len(s) - 1)) for s in SHAPES]


def floored_by_hand(weights: list[float], seen: list[list[float]], lr: float) -> list[float]:
    out = []
    for n, weight in enumerate(weights):
        square = 0.0
        for grads in seen:
            square = 0.5 * square + 0.5 * grads[n] ** 2
            weight -= lr * grads[n] / max(math.sqrt(square), 1e-5)
        out.append(weight)
    return out


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-6)])
def test_floored_rmsprop_is_the_rule(dtype: torch.dtype, tolerance: float):
    weights = stack(dtype)
    before = [p.detach().clone() for p in weights]
    optimizer = make_optimizer(weights, Training(optimizer="rmsprop_floored", lr=0.01))
    assert isinstance(optimizer, FlooredRMSprop)
    for k in range(4):
        for p, g in zip(weights, gradients(k, dtype), strict=True):
            p.grad = g
        optimizer.step()
    for n, (p, start) in enumerate(zip(weights, before, strict=True)):
        seen = [gradients(k, dtype)[n].flatten().tolist() for k in range(4)]
        want = floored_by_hand(start.flatten().tolist(), seen, 0.01)
        torch.testing.assert_close(
            p.detach().flatten(), torch.tensor(want, dtype=dtype), atol=tolerance, rtol=tolerance
        )


def test_the_floor_is_none_that_is_added():
    """Where the root is small and not below the floor, torch's rule takes another step."""
    moved = []
    for name in ("rmsprop", "rmsprop_floored"):
        weight = nn.Parameter(torch.zeros(1, 1))
        weight.grad = torch.full((1, 1), 2e-5)
        make_optimizer([weight], Training(optimizer=name, lr=1.0)).step()
        moved.append(-weight.item())
    root = 2e-5 * math.sqrt(0.5)
    assert moved == pytest.approx([2e-5 / (root + 1e-5), 2e-5 / root], rel=1e-5)


def test_a_closure_is_refused():
    with pytest.raises(ValueError, match="no closure"):
        FlooredRMSprop(stack(torch.float32), lr=0.1).step(lambda: None)


def own_steps(name: str, dtype: torch.dtype, largest: float) -> tuple[list[torch.Tensor], list[list[float]]]:
    """Each replica by itself: where torch's optimizer would go, and back along the line to the largest step."""
    weights, alone = stack(dtype), []
    norms: list[list[float]] = []
    for r in range(3):
        mine = [nn.Parameter(p[r : r + 1].detach().clone()) for p in weights]
        optimizer = make_optimizer(mine, Training(optimizer=name, lr=0.1))
        norms.append([])
        for k in range(3):
            before = [p.detach().clone() for p in mine]
            for p, g in zip(mine, gradients(k, dtype), strict=True):
                p.grad = g[r : r + 1]
            optimizer.step()
            length = math.sqrt(sum(float((p.detach() - q).square().sum()) for p, q in zip(mine, before, strict=True)))
            norms[r].append(length)
            for p, q in zip(mine, before, strict=True):
                p.data = q + (p.detach() - q) * min(1.0, largest / length)
        alone.append(mine)
    return [torch.cat([mine[n] for mine in alone]) for n in range(len(weights))], norms


@pytest.mark.parametrize("name", ["adam", "rmsprop", "rmsprop_floored", "sgd"])
@pytest.mark.parametrize("largest", [0.2, 1e6])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-5)])
def test_a_clipped_step_is_shortened_and_not_turned(name: str, largest: float, dtype: torch.dtype, tolerance: float):
    weights = stack(dtype)
    optimizer = make_optimizer(weights, Training(optimizer=name, lr=0.1))
    norms = []
    for k in range(3):
        for p, g in zip(weights, gradients(k, dtype), strict=True):
            p.grad = g
        before = [p.detach().clone() for p in weights]
        norms.append(clipped_step(optimizer, largest))
        taken = sum((p.detach() - q).square().flatten(1).sum(1) for p, q in zip(weights, before, strict=True))
        assert (taken.sqrt() <= largest * (1 + 1e-5)).all()
    want, lengths = own_steps(name, dtype, largest)
    torch.testing.assert_close(torch.stack(norms, 1), torch.tensor(lengths, dtype=dtype), atol=1e-6, rtol=1e-5)
    for p, q in zip(weights, want, strict=True):
        torch.testing.assert_close(p.detach(), q.detach(), atol=tolerance, rtol=tolerance)


def test_a_replica_without_a_finite_step_moves_no_other():
    moved: list[list[torch.Tensor]] = []
    for bad in (math.nan, 1.0):
        weights = stack(torch.float32)
        for p, g in zip(weights, gradients(0, torch.float32), strict=True):
            p.grad = g
        assert weights[0].grad is not None
        weights[0].grad[1, 0, 0] = bad
        clipped_step(make_optimizer(weights, Training(optimizer="sgd", lr=0.1)), 0.2)
        moved.append([p.detach() for p in weights])
    for p, q in zip(*moved, strict=True):
        assert torch.equal(p[[0, 2]], q[[0, 2]])


@pytest.mark.parametrize("after", [0, 3])
def test_the_rate_is_divided_every_epoch_after(after: int):
    training, by_hand = Training(lr=1.0, decay=1.15, decay_after=after), 1.0
    for epoch in range(1, 8):
        by_hand = by_hand / 1.15 if epoch > after else by_hand
        assert rate_at(training, epoch) == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize("make", [lambda: Training(decay=0.9), lambda: Training(decay_after=-1)])
def test_a_rate_does_not_rise(make: Callable[[], Training]):
    with pytest.raises(ValueError, match="greater than or equal"):
        make()


def test_rates_beyond_what_a_float_holds_diverge():
    """Adam at 3e38 made torch raise, so that the run failed and was trained again at every call."""
    task, data = TinyExamples(), TinyExamples().load()
    for optimizer in ("adam", "rmsprop", "rmsprop_floored", "sgd"):
        for clip_what in ("gradient", "step"):
            for lr in (3e38, 1e39):
                options = {"optimizer": optimizer, "lr": lr, "clip_what": clip_what, "gradient_epochs": (-1,)}
                (outcome,) = train([make_run(0, **options)], task, data)
                assert outcome.status == "diverged", options
                assert (outcome.measured, outcome.unmeasured) == ({}, {})  # a diverged run's last epoch is not measured
                assert outcome.best_epoch is None
