"""How tensors reach a kernel: buffers that start every replica alike, and masks as a pointer and strides."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

#: elements. Matrix products choose their kernels by where in memory a matrix starts, and may then round differently; and a stride
#: that is always a multiple of 16 lets Triton load four numbers at a time
_ALIGNMENT = 16

Site = tuple[Any, ...] | None


def stacked(like: Tensor, *shape: int) -> Tensor:
    """An uninitialised tensor [R, ...] whose replicas all start on a multiple of 16 elements, as R tensors of their own would.

    Every replica is contiguous; between them there may be a gap.
    """
    strides = [1]
    for size in shape[:0:-1]:
        strides.insert(0, size * strides[0])
    # the replica's stride is named, as a view would be free to choose another where R is 1
    strides[0] = blocks(strides[0], _ALIGNMENT) * _ALIGNMENT
    return like.new_empty(shape[0] * strides[0]).as_strided(shape, strides)


def own(matrices: Tensor) -> list[Tensor]:
    """The matrices [R, M, N] one by one, each the start of a contiguous tensor."""
    return [matrix.clone(memory_format=torch.contiguous_format) for matrix in matrices]


def site(mask: Tensor | None, sizes: tuple[int, int, int, int]) -> Site:
    """A mask as kernels take it: the tensor, and 2·stride + 3 for each of R, T, B, H (see ``pointwise.mask_at``)."""
    if mask is None:
        return None
    if mask.dtype == torch.bool:
        mask = mask.view(torch.uint8)
    strides = mask.expand(sizes).stride()
    if (sizes[2] - 1) * strides[2] + (sizes[3] - 1) * strides[3] >= 2**31:
        mask = mask.contiguous()
        strides = mask.expand(sizes).stride()
    return (mask, *(2 * stride + 3 for stride in strides))


def launch(kernel: Any, grid: tuple[int, ...], *arguments: Any, num_warps: int = 4, **constants: Any) -> None:
    """Launch a kernel. Every launch of this package passes here, where a test can see what would be compiled.

    Products and sums are rounded one by one: which of them a compiler would fuse depends on which masks there are, and a replica
    without masks would round otherwise alone than beside one with masks.
    """
    tensor = next(each for each in arguments if isinstance(each, Tensor))
    # Triton launches on the current device, which need not be the tensors'
    with torch.cuda.device(tensor.device) if tensor.is_cuda else nullcontext():
        kernel[grid](*arguments, num_warps=num_warps, num_stages=1, enable_fp_fusion=False, **constants)


def blocks(size: int, block: int) -> int:
    """How many blocks cover ``size``."""
    return -(-size // block)
