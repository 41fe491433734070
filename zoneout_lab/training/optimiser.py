"""Optimisers and clipping on stacked replicas: elementwise steps, one gradient norm for each replica."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from zoneout_lab.settings import Training
from zoneout_lab.training import sums


def make_optimiser(parameters: Iterable[nn.Parameter], training: Training) -> torch.optim.Optimizer:
    """Adam (betas .9/.999, eps 1e-8), torch's RMSProp (decay .5, eps 1e-5 added to √v) or plain SGD.

    On CUDA their state lies on the device, so that a step can be captured.
    """
    parameters = list(parameters)
    capturable = parameters[0].is_cuda
    if training.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=training.lr, capturable=capturable)
    if training.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=training.lr, alpha=0.5, eps=1e-5, capturable=capturable)
    return torch.optim.SGD(parameters, lr=training.lr)


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
    gradients = [p.grad for p in parameters if p.grad is not None]
    norms = sums.norms(gradients)
    if largest is not None:
        scale = torch.where(norms.isfinite() & (norms > largest), largest / norms, 1.0)
        for gradient in gradients:
            gradient.mul_(scale.reshape(-1, *[1] * (gradient.dim() - 1)))
    return norms
