"""Matrix products on a leading replica axis whose numbers do not depend on how many replicas there are.

A batched product may split one large matrix over threads when it is alone and not when it has company, and then rounds
differently. Where that was seen (more than one thread, large sums over time and batch, one row, one column) each replica gets
its own call. A CPU library also rounds by where in memory a matrix starts: a replica that does not start as a whole tensor
would (on a multiple of 64 bytes) is copied to one that does.
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
            rows, into = aligned(x[0 if x.shape[0] == 1 else r].flatten(0, -2)), out[r].flatten(0, -2)
            kept = into if _is_aligned(into) else torch.empty_like(into)
            if bias is None:
                torch.mm(rows, aligned(w).t(), out=kept)
            else:
                torch.addmm(bias[r], rows, aligned(w).t(), out=kept)
            if kept is not into:
                into.copy_(kept)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        R = weight.shape[0]
        rows = [aligned(g.flatten(0, -2)) for g in grad]
        dx = dw = db = None
        if ctx.needs_input_grad[0]:
            dx = torch.stack([torch.mm(rows[r], aligned(weight[r])) for r in range(R)]).reshape(R, *x.shape[1:])
            if x.shape[0] == 1 and R > 1:
                dx = dx.sum(0, keepdim=True)
        if ctx.needs_input_grad[1]:
            shared = x.shape[0] == 1
            dw = torch.stack([torch.mm(rows[r].t(), aligned(x[0 if shared else r].flatten(0, -2))) for r in range(R)])
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
    if _one_call_will_do(h, weight.transpose(1, 2)):
        return torch.baddbmm(added, h, weight.transpose(1, 2))
    rows = zip(added, h, weight, strict=True)
    return torch.stack([_from_aligned(torch.addmm(a, aligned(x), aligned(w).t())) for a, x, w in rows])


def aligned(matrix: Tensor) -> Tensor:
    """The matrix, or on a CPU a copy of it where it does not start on a multiple of 64 bytes as a tensor of its own would."""
    return matrix if _is_aligned(matrix) else matrix.clone()


def _one_call_will_do(a: Tensor, b: Tensor) -> bool:
    """True where a batched product of a [R, M, K] and b [R, K, N] rounds each replica as it would be rounded alone."""
    if a.device.type != "cpu" or torch.get_num_threads() > 1:
        return False
    M, K, N = (*a.shape[1:], b.shape[2])
    whole = all(size * a.element_size() % 64 == 0 for size in (M * K, K * N, M * N))
    return whole and _is_aligned(a) and _is_aligned(b) and 1 not in (M, K, N)


def _is_aligned(tensor: Tensor) -> bool:
    return tensor.device.type != "cpu" or tensor.data_ptr() % 64 == 0


class _FromAligned(torch.autograd.Function):
    """The same tensor; its gradient, a part of the replicas' whole, reaches the product before it as a tensor of its own."""

    @staticmethod
    def forward(ctx: Any, product: Tensor) -> Tensor:
        return product.view_as(product)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return aligned(grad)


def _from_aligned(product: Tensor) -> Tensor:
    return _FromAligned.apply(product) if product.requires_grad else product  # type: ignore[no-untyped-call]
