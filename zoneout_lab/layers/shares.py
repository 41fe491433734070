"""From regularizers to the shares a recurrence takes: masks drawn for each replica, or their expectations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

import numpy as np
import torch
from torch import Tensor

from zoneout_lab.ops.masks import EVALUATION, TRAINING, Bits, Mask, Place, draw
from zoneout_lab.regularizers import Regularizer


def expected(
    regularizers: Sequence[Regularizer], cell: str, *, device: torch.device, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Site → mean of each replica's mask, [R, 1, 1, 1]."""
    masks = [regularizer.masks(cell) for regularizer in regularizers]
    return {
        site: torch.tensor([m[site].rate if site in m else 0.0 for m in masks], device=device, dtype=dtype)[
            :, None, None, None
        ]
        for site in sorted({site for m in masks for site in m})
    }


def sampled(
    regularizers: Sequence[Regularizer],
    cell: str,
    places: Sequence[Place],
    sizes: tuple[int, int, int],
    device: torch.device,
) -> dict[str, Tensor]:
    """Site → uint8 masks [R, T or 1, B or 1, H or 1] drawn at each replica's place.

    Args:
        regularizers: one for each replica.
        cell: cell type.
        places: where each replica draws; the place's own site is overwritten.
        sizes: (T, B, H).
        device: where the masks go. They are drawn on the CPU.
    """
    T, B, H = sizes
    masks = [regularizer.masks(cell) for regularizer in regularizers]
    return {
        site: _stack(
            [_bits(m.get(site), replace(place, site=site), T, B, H) for m, place in zip(masks, places, strict=True)]
        ).to(device)
        for site in sorted({site for m in masks for site in m})
    }


def dropped_between_layers(
    rate: float, places: Sequence[Place], sizes: tuple[int, int, int], device: torch.device
) -> Tensor:
    """torch's dropout between layers as a factor [R, T, B, H]: 0 with probability ``rate``, else 1 / (1 − rate)."""
    dropped = _stack([_bits(Mask(rate), replace(place, site="input"), *sizes) for place in places])
    kept = (1 - dropped).to(device)
    return kept if rate == 1 else kept / (1 - rate)


def places(seeds: Sequence[int], layer: int, update: int, *, training: bool) -> list[Place]:
    """Each replica's place in its own masks; the site is filled in by whoever draws."""
    stream = TRAINING if training else EVALUATION
    return [Place(seed, layer, "shared", update, stream) for seed in seeds]


def _bits(mask: Mask | None, place: Place, T: int, B: int, H: int) -> Bits:
    if mask is None:
        return np.zeros((1, 1, 1), dtype=np.bool_)
    return draw(mask, place, T, B, H).transpose(1, 0, 2)


def _stack(bits: Sequence[Bits]) -> Tensor:
    extents = tuple(max(sizes) for sizes in zip_longest(*(b.shape for b in bits)))
    out = np.empty((len(bits), *extents), dtype=np.bool_)
    for row, replica in zip(out, bits, strict=True):
        row[...] = replica
    # bytes turn into floats five times as fast as bools do
    return torch.from_numpy(out.view(np.uint8))
