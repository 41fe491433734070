"""From regularizers to the shares a recurrence takes: masks drawn for each replica, or their expectations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from zoneout_lab.ops.masks import EVALUATION, TRAINING, Mask, Place, draw_into
from zoneout_lab.regularizers import INVERTED, Regularizer


def expected(
    regularizers: Sequence[Regularizer], cell: str, update: int, units: int, *, device: torch.device, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Site → mean of each replica's mask at a training update, [R, 1, 1, 1] or, with rates for each unit, [R, 1, 1, H].

    Sites where what is kept was scaled up in training (:data:`~zoneout_lab.regularizers.INVERTED`) have none.
    """
    masks = [regularizer.masks(cell) for regularizer in regularizers]
    found = {}
    for site in sorted({site for m in masks for site in m} - set(INVERTED)):
        rates = [m[site].at(update, units) if site in m else np.zeros(1) for m in masks]
        table = np.stack(np.broadcast_arrays(*rates))[:, None, None]
        found[site] = torch.tensor(table, device=device, dtype=dtype)
    return found


def sampled(
    regularizers: Sequence[Regularizer],
    cell: str,
    places: Sequence[Place],
    sizes: tuple[int, int, int],
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> dict[str, Tensor]:
    """Site → uint8 masks [R, T or 1, B or 1, H or 1] drawn at each replica's place.

    Args:
        regularizers: one for each replica.
        cell: cell type.
        places: where each replica draws; the place's own site is overwritten.
        sizes: (T, B, H).
        device: where the masks go. They are drawn on the CPU.
        dtype: of the shares at sites where what is kept is scaled up; these are no masks.
    """
    masks = [regularizer.masks(cell) for regularizer in regularizers]
    found = {}
    for site in sorted({site for m in masks for site in m}):
        of_each = [m.get(site) for m in masks]
        found[site] = _drawn(of_each, site, places, sizes).to(device)
        if site in INVERTED:
            found[site] = 1 - kept(found[site], rates_of(of_each, device), dtype)
    return found


def factor(
    masks: Sequence[Mask | None],
    site: str,
    places: Sequence[Place],
    sizes: tuple[int, int, int],
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Dropout as a factor [R, T or 1, B or 1, H]: 0 with a replica's rate, else 1 / (1 − rate); 1 for a replica without a mask."""
    return kept(_drawn(masks, site, places, sizes).to(device), rates_of(masks, device), dtype)


def kept(dropped: Tensor, rates: Tensor, dtype: torch.dtype) -> Tensor:
    """What is dropped [R, T, B, H], with rates [R, 1], as the factor of what is kept; nothing is scaled where all is dropped."""
    scale = torch.where(rates == 1, 1.0, 1 / (1 - rates)).to(dtype)
    return (1 - dropped) * scale[:, :, None, None]


def rates_of(masks: Sequence[Mask | None], device: torch.device) -> Tensor:
    """Rates of all replicas, float64 [R, 1]."""
    rates = [[0.0 if mask is None else float(mask.at(0)[0])] for mask in masks]
    return torch.tensor(rates, dtype=torch.float64, device=device)


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
    return T, B, max(H, len(mask.at(0, sizes[2])))
