"""Optimizers and clipping on stacked replicas: elementwise steps, one norm for each replica, a learning rate that may fall."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from zoneout_lab.settings import Training
from zoneout_lab.training import losses
from zoneout_lab.training.floored_rmsprop import FlooredRMSprop


def make_optimizer(parameters: Iterable[nn.Parameter], training: Training) -> torch.optim.Optimizer:
    """Adam (betas .9/.999, eps 1e-8), RMSProp (decay .5; torch's with 1e-5 added to √v, or floored at 1e-5) or plain SGD.

    On CUDA their state lies on the device, so that a step can be captured.
    """
    parameters = list(parameters)
    capturable = parameters[0].is_cuda
    if training.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=training.lr, capturable=capturable)
    if training.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=training.lr, alpha=0.5, eps=1e-5, capturable=capturable)
    if training.optimizer == "rmsprop_floored":
        return FlooredRMSprop(parameters, lr=training.lr)
    return torch.optim.SGD(parameters, lr=training.lr)


def rate_at(training: Training, epoch: int) -> float:
    """The learning rate of an epoch, counted from 1: lr / decay^max(0, epoch − decay_after).

    Zaremba et al. 2014 print a large model that learns with 1 for 14 epochs and then with 1/1.15 of the epoch before:
    ``decay=1.15, decay_after=14``. Their code looks whether more than 14 epochs are over, and first divides after the 15th:
    ``decay_after=15``.

    >>> [rate_at(Training(lr=1.0, decay=2.0, decay_after=2), epoch) for epoch in (1, 2, 3, 4)]
    [1.0, 1.0, 0.5, 0.25]
    """
    return training.lr / training.decay ** max(0, epoch - training.decay_after)


@torch.no_grad()
def take_step(optimizer: torch.optim.Optimizer) -> None:
    """One step of the optimizer. Where its size is beyond what a float32 can hold, as on CUDA no weight is a number afterwards.

    On a CPU torch raises RuntimeError then: Adam divides the learning rate by 1 − .9^step, so that 3e38 overflows.

    >>> weight = nn.Parameter(torch.zeros(1))
    >>> weight.grad = torch.ones(1)
    >>> take_step(torch.optim.Adam([weight], lr=3e38))
    >>> weight.detach()
    tensor([nan])
    """
    try:
        optimizer.step()
    except RuntimeError as error:
        if "without overflow" not in str(error):
            raise
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.fill_(torch.nan)


@torch.no_grad()
def clip_per_replica(parameters: Iterable[nn.Parameter], largest: float | None) -> Tensor:
    """Scale each replica's gradient so that its L2 norm over all parameters is at most ``largest``; returns the norms [R] before.

    A replica without a finite norm is left as it is: its run is marked diverged by the loop.

    >>> weight = nn.Parameter(torch.zeros(2, 1))
    >>> weight.grad = torch.tensor([[3.0], [0.5]])
    >>> clip_per_replica([weight], 1.0)
    tensor([3.0000, 0.5000])
    >>> weight.grad
    tensor([[1.0000],
            [0.5000]])
    """
    return _shrink([p.grad for p in parameters if p.grad is not None], largest)


@torch.no_grad()
def clipped_step(optimizer: torch.optim.Optimizer, largest: float) -> Tensor:
    """One step of the optimizer, each replica's scaled so that its L2 norm over all parameters is at most ``largest``.

    Returns the norms [R] before. What the optimizer remembers is that of the unclipped step, as in the code published with
    Krueger et al. 2017, which clips last.

    >>> weight = nn.Parameter(torch.tensor([[2.0], [2.0]]))
    >>> weight.grad = torch.tensor([[3.0], [0.5]])
    >>> clipped_step(torch.optim.SGD([weight], lr=1.0), 1.0)
    tensor([3.0000, 0.5000])
    >>> weight.detach()
    tensor([[1.0000],
            [1.5000]])
    """
    moved = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    before = [p.detach().clone() for p in moved]
    # from zero an optimizer without weight decay lands on its own step, exactly
    for parameter in moved:
        parameter.zero_()
    take_step(optimizer)
    norms = _shrink(moved, largest)
    for parameter, start in zip(moved, before, strict=True):
        parameter.add_(start)
    return norms


def _shrink(tensors: Sequence[Tensor], largest: float | None) -> Tensor:
    """Scale every replica's part of the tensors [R, …] to a common norm of at most ``largest``; returns the norms [R] before."""
    norms = losses.norms(tensors)
    if largest is not None:
        scale = torch.where(norms.isfinite() & (norms > largest), largest / norms, 1.0)
        for tensor in tensors:
            tensor.mul_(scale.reshape(-1, *[1] * (tensor.dim() - 1)))
    return norms
