"""Losses and gradient norms of each replica, added in an order that does not depend on how many replicas there are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from zoneout_lab.ops import triton


def loss_by_replica(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean loss of each replica, [R]: of :func:`each_loss` over its predictions."""
    return means(each_loss(logits, targets))


def each_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """The loss of every prediction, [R, predictions].

    Args:
        logits: [R, …, C].
        targets: [R or 1, …]. Classes (integers) give cross-entropy in nats, real values the squared error of the only output (C = 1).

    >>> each_loss(torch.tensor([[[3.0], [1.0]]]), torch.tensor([[1.0, 1.0]]))
    tensor([[4., 0.]])
    """
    R = logits.shape[0]
    aims = targets.expand(logits.shape[:-1])
    if targets.is_floating_point():
        return (logits[..., 0] - aims).square().view(R, -1)
    return F.cross_entropy(logits.flatten(0, -2), aims.flatten(), reduction="none").view(R, -1)


def means(rows: Tensor) -> Tensor:
    """The mean of each row [R, N], as [R]."""
    if _fused(rows):
        return triton.row_sums(rows) / rows.shape[1]
    return torch.stack([row.mean() for row in rows])


def averaged_loss(passes: Sequence[Tensor]) -> Tensor:
    """−log of the probability that several passes give on average, for every prediction, [R, predictions] in nats.

    Args:
        passes: S cross-entropies [R, predictions] of one prediction each. The mean is of probabilities, not of their logarithms.

    >>> halves = torch.tensor([[0.25, 0.75]]).log().neg()
    >>> averaged_loss([halves[:, :1], halves[:, 1:]]).neg().exp()
    tensor([[0.5000]])
    """
    # one call for each replica: where in a tensor an exponential stands decides how a CPU library rounds it
    rows = [torch.logsumexp(torch.stack([-each[r] for each in passes]), 0) for r in range(len(passes[0]))]
    return math.log(len(passes)) - torch.stack(rows)


def norms(gradients: Sequence[Tensor]) -> Tensor:
    """L2 norm of each replica over all its gradients [R, …], as [R]."""
    if _fused(gradients[0]):
        # one after another: torch chooses the order of a sum by the whole tensor, the number of replicas included
        squares = [triton.row_squares(gradient.flatten(1)) for gradient in gradients]
        return sum(squares[1:], squares[0]).sqrt()
    of_each = ([torch.linalg.vector_norm(g[r]) for g in gradients] for r in range(len(gradients[0])))
    return torch.stack([torch.linalg.vector_norm(torch.stack(parts)) for parts in of_each])


def _fused(tensor: Tensor) -> bool:
    return tensor.is_cuda and triton.is_installed()
