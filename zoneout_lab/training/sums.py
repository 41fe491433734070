"""Losses and gradient norms of each replica, added in an order that does not depend on how many replicas there are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from zoneout_lab.ops import triton


def loss_by_replica(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of each replica, [R], in nats: logits [R, …, C], targets [R or 1, …]."""
    R = logits.shape[0]
    each = F.cross_entropy(logits.flatten(0, -2), targets.expand(logits.shape[:-1]).flatten(), reduction="none")
    rows = each.view(R, -1)
    if _fused(rows):
        return triton.row_sums(rows) / rows.shape[1]
    return torch.stack([row.mean() for row in rows])


def norms(gradients: Sequence[Tensor]) -> Tensor:
    """L2 norm of each replica over all its gradients [R, …], as [R]."""
    if _fused(gradients[0]):
        return torch.stack([triton.row_squares(gradient.flatten(1)) for gradient in gradients]).sum(0).sqrt()
    of_each = ([torch.linalg.vector_norm(g[r]) for g in gradients] for r in range(len(gradients[0])))
    return torch.stack([torch.linalg.vector_norm(torch.stack(parts)) for parts in of_each])


def _fused(tensor: Tensor) -> bool:
    return tensor.is_cuda and triton.is_installed()
