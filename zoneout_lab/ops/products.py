"""Matrix products on a leading replica axis whose numbers do not depend on how many replicas there are.

A batched product may split one large matrix over threads when it is alone and not when it has company, and then rounds
differently. Where that was seen (more than one thread, large sums over time and batch, one row, one column) each replica gets
its own call.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _Project(torch.autograd.Function):
    """y[r] = x[r] · w[r]ᵀ + b[r], one product for each replica, forward and backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.has_bias = bias is not None
        out = x.new_empty(weight.shape[0], *x.shape[1:-1], weight.shape[1])
        for r, w in enumerate(weight):
            rows, into = x[0 if x.shape[0] == 1 else r].flatten(0, -2), out[r].flatten(0, -2)
            if bias is None:
                torch.mm(rows, w.t(), out=into)
            else:
                torch.addmm(bias[r], rows, w.t(), out=into)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        R = weight.shape[0]
        rows = [g.flatten(0, -2) for g in grad]
        dx = dw = db = None
        if ctx.needs_input_grad[0]:
            dx = torch.stack([torch.mm(rows[r], weight[r]) for r in range(R)]).reshape(R, *x.shape[1:])
            if x.shape[0] == 1 and R > 1:
                dx = dx.sum(0, keepdim=True)
        if ctx.needs_input_grad[1]:
            shared = x.shape[0] == 1
            dw = torch.stack([torch.mm(rows[r].t(), x[0 if shared else r].flatten(0, -2)) for r in range(R)])
        if ctx.has_bias and ctx.needs_input_grad[2]:
            db = torch.stack([row.sum(0) for row in rows])
        return dx, dw, db


def project(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [R or 1, …, I] through a linear map of each replica, weight [R, G, I], bias [R, G], to [R, …, G].

    >>> project(torch.ones(1, 3, 2), torch.ones(4, 5, 2)).shape
    torch.Size([4, 3, 5])
    """
    return _Project.apply(x, weight, bias)  # type: ignore[no-any-return,no-untyped-call]


def recur(h: Tensor, weight: Tensor, added: Tensor) -> Tensor:
    """added + h · weightᵀ for one timestep: h [R, B, H], weight [R, G, H], added [R, B, G] to [R, B, G]."""
    columns = weight.transpose(1, 2)
    if _one_call_will_do(h, columns):
        return torch.baddbmm(added, h, columns)
    return torch.stack([torch.addmm(a, x, w) for a, x, w in zip(added, h, columns, strict=True)])


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """a [R, B, K] · b [R, K, N] to [R, B, N]."""
    if _one_call_will_do(a, b):
        return torch.bmm(a, b)
    return torch.stack([torch.mm(x, y) for x, y in zip(a, b, strict=True)])


def _one_call_will_do(a: Tensor, b: Tensor) -> bool:
    """Whether a batched product of a [R, M, K] and b [R, K, N] rounds each replica as it would be rounded alone."""
    threaded = a.device.type == "cpu" and torch.get_num_threads() > 1
    return not threaded and 1 not in (*a.shape[1:], b.shape[2])
