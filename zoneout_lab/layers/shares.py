"""From regularizers to the shares a recurrence takes: masks drawn for each replica, or their expectations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from zoneout_lab.ops.masks import EVALUATION, TRAINING, Mask, Place, draw_into
from zoneout_lab.regularizers import Regularizer


def expected(
    regularizers: Sequence[Regularizer], cell: str, update: int, *, device: torch.device, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Site → mean of each replica's mask at a training update, [R, 1, 1, 1] or, with rates for each unit, [R, 1, 1, H]."""
    masks = [regularizer.masks(cell) for regularizer in regularizers]
    found = {}
    for site in sorted({site for m in masks for site in m}):
        rates = [m[site].at(update) if site in m else np.zeros(1) for m in masks]
        table = np.stack(np.broadcast_arrays(*rates))[:, None, None]
        found[site] = torch.tensor(table, device=device, dtype=dtype)
    return found


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
    masks = [regularizer.masks(cell) for regularizer in regularizers]
    return {
        site: _drawn([m.get(site) for m in masks], site, places, sizes).to(device)
        for site in sorted({site for m in masks for site in m})
    }


def dropped_between_layers(
    rate: float, places: Sequence[Place], sizes: tuple[int, int, int], device: torch.device
) -> Tensor:
    """torch's dropout between layers as a factor [R, T, B, H]: 0 with probability ``rate``, else 1 / (1 − rate)."""
    kept = (1 - _drawn([Mask(rate)] * len(places), "input", places, sizes)).to(device)
    return kept if rate == 1 else kept / (1 - rate)


def places(seeds: Sequence[int], layer: int, update: int, draw: int, *, training: bool) -> list[Place]:
    """Each replica's place in its own masks; the site is filled in by whoever draws."""
    number, stream = (update, TRAINING) if training else (draw, EVALUATION)
    return [Place(seed, layer, "shared", number, stream, trained=update) for seed in seeds]


def _drawn(masks: Sequence[Mask | None], site: str, places: Sequence[Place], sizes: tuple[int, int, int]) -> Tensor:
    """uint8 [R, T or 1, B or 1, H or 1]: every replica's mask, none being a mask of zeros."""
    shapes = [(1, 1, 1) if mask is None else _extents(mask, sizes) for mask in masks]
    # bytes turn into floats five times as fast as bools do
    out = np.empty((len(masks), *map(max, zip(*shapes, strict=True))), dtype=np.uint8)
    for row, mask, place in zip(out, masks, places, strict=True):
        if mask is None:
            row[...] = 0
        else:
            draw_into(row, mask, replace(place, site=site), sizes, torch.get_num_threads())
    return torch.from_numpy(out)


def _extents(mask: Mask, sizes: tuple[int, int, int]) -> tuple[int, int, int]:
    T, B, H = mask.extents(*sizes)
    return T, B, max(H, len(mask.at(0)))
