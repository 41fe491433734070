"""The masks of :mod:`zoneout_lab.ops.masks` on a GPU, bit for bit, for all replicas of a site in one launch.

What may change from one replay of a captured CUDA graph to the next is read from device memory: the training update, the seeds,
the rates and the axes that masks vary over. A program computes 128 blocks of Philox 4×64-10, sixteen units each.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from zoneout_lab.ops.masks import LANES, site_number
from zoneout_lab.ops.triton.buffers import blocks, launch

_BLOCKS = 128


@triton.jit(
    do_not_specialize=["threshold_r", "threshold_h", "layer", "site", "stream", "T", "H", "to_T", "to_B", "to_H"]
)
def _draw(
    out, seeds, update, thresholds, threshold_r, threshold_h, varies, layer, site, stream, T, H, to_T, to_B, to_H,
    LANES: tl.constexpr, BLOCKS: tl.constexpr,
):  # fmt: skip
    r = tl.program_id(1).to(tl.int64)
    by_site = tl.load(varies + r * 5)
    by_update = tl.load(varies + r * 5 + 1)
    by_timestep = tl.load(varies + r * 5 + 2)
    by_example = tl.load(varies + r * 5 + 3)
    by_unit = tl.load(varies + r * 5 + 4)

    # where each block of sixteen units lies in the output [R, to_T, to_B, to_H]
    across = tl.cdiv(to_H, LANES)
    block = tl.program_id(0).to(tl.int64) * BLOCKS + tl.arange(0, BLOCKS)
    first = (block % across) * LANES
    example = (block // across) % to_B
    timestep = block // across // to_B
    inside = timestep < to_T

    # its counter; an axis that the replica's mask does not vary over has extent 1
    steps = tl.where(by_timestep != 0, T, 1)
    wide = tl.where(by_unit != 0, tl.cdiv(H, LANES), 1)
    index = tl.where(by_example != 0, example, 0) * steps + tl.where(by_timestep != 0, timestep, 0)
    index = index * wide + tl.where(by_unit != 0, first // LANES, 0)
    zero = index * 0
    word_1 = zero + tl.where(by_update != 0, tl.load(update).to(tl.int64), 0)
    word_2 = zero + layer * 16 + tl.where(by_site != 0, site, 0)
    word_3 = zero + tl.where(by_update != 0, stream, 0)
    seed = tl.load(seeds + r).to(tl.uint64, bitcast=True)
    a, b, c, d = tl.philox(seed, index.to(tl.uint64), word_1.to(tl.uint64), word_2.to(tl.uint64), word_3.to(tl.uint64))

    # sixteen bits of 256 for each unit, four units to a word; where units share a draw it is the block's first
    out += r * to_T * to_B * to_H + (timestep * to_B + example) * to_H
    thresholds += r * threshold_r
    _four(out, a, a, first, 0, by_unit, inside, to_H, thresholds, threshold_h)
    _four(out, b, a, first, 4, by_unit, inside, to_H, thresholds, threshold_h)
    _four(out, c, a, first, 8, by_unit, inside, to_H, thresholds, threshold_h)
    _four(out, d, a, first, 12, by_unit, inside, to_H, thresholds, threshold_h)


@triton.jit
def _four(out, word, shared, first, offset: tl.constexpr, by_unit, inside, to_H, thresholds, threshold_h):
    """Store units ``offset`` to ``offset`` + 3 of each block, from a word [BLOCKS]; ``shared`` holds what all units may share."""
    lane = tl.arange(0, 4)[None, :]
    shift = tl.where(by_unit != 0, lane * 16, 0).to(tl.uint64)
    bits = (tl.where(by_unit != 0, word, shared)[:, None] >> shift).to(tl.int32) & 0xFFFF
    unit = first[:, None] + offset + lane
    inside = inside[:, None] & (unit < to_H)
    threshold = tl.load(thresholds + unit * threshold_h, mask=inside, other=0)
    tl.store(out[:, None] + unit, (bits < threshold).to(tl.uint8), mask=inside)


def draw(
    seeds: Tensor,
    update: Tensor,
    thresholds: Tensor,
    varies: Tensor,
    *,
    layer: int,
    site: str,
    stream: int,
    sizes: tuple[int, int, int],
    extents: tuple[int, int, int] | None = None,
) -> Tensor:
    """See :func:`zoneout_lab.ops.triton.draw`."""
    R, (T, _, H) = len(seeds), sizes
    to_T, to_B, to_H = sizes if extents is None else extents
    out = torch.empty(R, to_T, to_B, to_H, dtype=torch.uint8, device=seeds.device)
    rates = thresholds.expand(R, H)
    launch(
        _draw, (blocks(to_T * to_B * blocks(to_H, LANES), _BLOCKS), R),
        out, seeds, update, rates, rates.stride(0), rates.stride(1), varies.contiguous(), layer, site_number(site), stream,
        T, H, to_T, to_B, to_H, LANES=LANES, BLOCKS=_BLOCKS,
    )  # fmt: skip
    return out
