"""Sums along rows in a fixed order: first over chunks of 4,096 numbers, then over the chunks.

torch chooses how it splits a reduction by the tensor's whole shape, so that a row's sum may round otherwise among other rows.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from zoneout_lab.ops.triton.buffers import blocks, launch

_CHUNK = 4096
_PARTS = 256


@triton.jit(do_not_specialize=["N"])
def _chunks(x, out, N, CHUNK: tl.constexpr, SQUARED: tl.constexpr):
    """out [R, chunks] from x [R, N]."""
    chunk = tl.program_id(0)
    r = tl.program_id(1).to(tl.int64)
    column = chunk.to(tl.int64) * CHUNK + tl.arange(0, CHUNK)
    value = tl.load(x + r * N + column, mask=column < N, other=0.0)
    if SQUARED:
        value = value * value
    tl.store(out + r * tl.num_programs(0) + chunk, tl.sum(value, axis=0))


@triton.jit(do_not_specialize=["N"])
def _parts(x, out, N, PARTS: tl.constexpr):
    """out [R] from x [R, N]: each lane adds every PARTS-th number from the first to the last, then the lanes are added."""
    r = tl.program_id(0).to(tl.int64)
    lane = tl.arange(0, PARTS)
    total = tl.zeros([PARTS], x.dtype.element_ty)
    for start in range(0, N, PARTS):
        total += tl.load(x + r * N + start + lane, mask=start + lane < N, other=0.0)
    tl.store(out + r, tl.sum(total, axis=0))


def _summed(x: Tensor, *, squared: bool) -> Tensor:
    R, N = x.shape
    chunks = max(1, blocks(N, _CHUNK))
    parts, out = x.new_empty(R, chunks), x.new_empty(R)
    launch(_chunks, (chunks, R), x.contiguous(), parts, N, CHUNK=_CHUNK, SQUARED=squared)
    launch(_parts, (R,), parts, out, chunks, PARTS=_PARTS)
    return out


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.shape = x.shape
        return _summed(x, squared=False)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad[:, None].expand(ctx.shape)


class _Squares(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return _summed(x, squared=True)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        x: Tensor = ctx.saved_tensors[0]
        return 2 * x * grad[:, None]


def row_sums(x: Tensor) -> Tensor:
    """See :func:`zoneout_lab.ops.triton.row_sums`."""
    return _Sum.apply(x)  # type: ignore[no-any-return]


def row_squares(x: Tensor) -> Tensor:
    """See :func:`zoneout_lab.ops.triton.row_squares`."""
    return _Squares.apply(x)  # type: ignore[no-any-return]
