"""Masks drawn where they are used: the bits of :mod:`zoneout_lab.layers.shares`, on a GPU and without waiting for it.

Everything a draw depends on lies in tables on the GPU, and so may the counter of updates: a captured training step draws new masks
at every replay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zoneout_lab.layers import shares
from zoneout_lab.ops import triton
from zoneout_lab.ops.masks import AXES, EVALUATION, TRAINING, Mask, spread
from zoneout_lab.regularizers import INVERTED, Regularizer

Count = int | Tensor


@dataclass(frozen=True)
class Table:
    """One site's masks of all replicas: seeds [R], rates [R, 1 or H], length of their schedules [R, 1], axes varied over [R, 5].

    ``follows`` says whether any rate changes over updates, ``one`` which of (T, B, H) no replica varies over.
    """

    seeds: Tensor
    start: Tensor
    end: Tensor
    over: Tensor
    varies: Tensor
    follows: bool
    one: tuple[bool, bool, bool]

    def thresholds(self, update: Count) -> Tensor:
        """int32 [R, 1 or H], as :meth:`zoneout_lab.ops.masks.Mask.thresholds` at a training update."""
        rates = self.start
        if self.follows:
            share = torch.clamp(_on(update, self.start.device) / self.over, max=1.0)
            rates = self.start + (self.end - self.start) * share
        return (rates * 65_536).round().to(torch.int32)


Tables = dict[tuple[tuple[Mask | None, ...], tuple[int, ...], int, torch.device], Table]


def sampled(
    regularizers: Sequence[Regularizer], cell: str, seeds: Sequence[int], layer: int, sizes: tuple[int, int, int], *,
    update: Count, draw: Count, training: bool, device: torch.device, tables: Tables, dtype: torch.dtype = torch.float32,
) -> dict[str, Tensor]:  # fmt: skip
    """Site → uint8 masks [R, T or 1, B or 1, H or 1], as :func:`zoneout_lab.layers.shares.sampled`.

    Args:
        regularizers, seeds: one for each replica.
        cell: cell type.
        layer: index of layer and direction.
        sizes: (T, B, H).
        update, draw: counters of training updates and of sampled evaluations, numbers or integer tensors on the device.
        training: which of the two counts.
        device: where to draw.
        tables: of the layer that draws, filled as they are needed. The layer keeps them: a captured step reads them where they lie.
        dtype: of the shares at sites where what is kept is scaled up.
    """
    masks = [regularizer.masks(cell) for regularizer in regularizers]
    found = {}
    for site in sorted({site for each in masks for site in each}):
        one_site = _kept(tables, [each.get(site) for each in masks], seeds, sizes[2], device)
        found[site] = _draw(one_site, layer, site, sizes, update, draw, training=training)
        if site in INVERTED:
            found[site] = 1 - shares.kept(found[site], one_site.start, dtype)
    return found


def factor(
    masks: Sequence[Mask | None], site: str, seeds: Sequence[int], layer: int, sizes: tuple[int, int, int], *,
    update: Count, draw: Count, training: bool, device: torch.device, tables: Tables, dtype: torch.dtype = torch.float32,
) -> Tensor:  # fmt: skip
    """As :func:`zoneout_lab.layers.shares.factor`."""
    table = _kept(tables, masks, seeds, sizes[2], device)
    return shares.kept(_draw(table, layer, site, sizes, update, draw, training=training), table.start, dtype)


def _kept(
    tables: Tables, masks: Sequence[Mask | None], seeds: Sequence[int], units: int, device: torch.device
) -> Table:
    key = (tuple(masks), tuple(seeds), units, device)
    if key not in tables:
        tables[key] = table(*key)
    return tables[key]


def table(masks: tuple[Mask | None, ...], seeds: tuple[int, ...], units: int, device: torch.device) -> Table:
    """The masks of one site as tensors. Made once: nothing can be copied from the host while a step is captured."""
    none = Mask(0.0, frozenset())
    each = [mask or none for mask in masks]
    starts = [spread(mask.rate, units) for mask in each]
    ends = [spread(mask.rate if mask.end is None else mask.end, units) for mask in each]
    width = max(map(len, [*starts, *ends]))
    signed = [seed % 2**64 - (2**64 if seed % 2**64 >= 2**63 else 0) for seed in seeds]

    def rates(rows: list[np.ndarray]) -> Tensor:
        return torch.tensor(np.stack([np.broadcast_to(row, width) for row in rows]), device=device)

    one_T, one_B, one_H = (all(axis not in mask.varies for mask in each) for axis in ("timestep", "example", "unit"))
    return Table(
        seeds=torch.tensor(signed, device=device),
        start=rates(starts),
        end=rates(ends),
        over=torch.tensor([[float(max(mask.over, 1))] for mask in each], dtype=torch.float64, device=device),
        varies=torch.tensor(
            [[axis in mask.varies for axis in AXES] for mask in each], dtype=torch.int32, device=device
        ),
        follows=any(mask.end is not None for mask in each),
        one=(one_T, one_B, one_H and width == 1),
    )


def _draw(
    masks: Table, layer: int, site: str, sizes: tuple[int, int, int], update: Count, draw: Count, *, training: bool
) -> Tensor:
    T, B, H = (1 if one else size for one, size in zip(masks.one, sizes, strict=True))
    return triton.draw(
        masks.seeds, _on(update if training else draw, masks.seeds.device), masks.thresholds(update), masks.varies,
        layer=layer, site=site, stream=TRAINING if training else EVALUATION, sizes=sizes, extents=(T, B, H),
    )  # fmt: skip


def _on(count: Count, device: torch.device) -> Tensor:
    return count if isinstance(count, Tensor) else torch.tensor(count, device=device)
