"""What a model draws in one pass: masks and factors at every site, and noise on its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from zoneout_lab.layers.mask_source import MaskSource, Where
from zoneout_lab.ops import noise
from zoneout_lab.ops.cells import Cell
from zoneout_lab.ops.masks import MaskSpec
from zoneout_lab.regularizers import INVERTED, Regularizer


@dataclass
class Noise:
    """What is drawn at one training update, or at one pass of a sampled evaluation.

    Attributes:
        regularizers: one for each replica.
        where: their seeds, and the counters.
        recurrences: how many the layer has, L · D. The stack's own masks count as layers past them.
        mask_source: where the masks come from.
        used: True once anything was drawn.
    """

    regularizers: tuple[Regularizer, ...]
    where: Where
    recurrences: int
    mask_source: MaskSource = field(default_factory=MaskSource)
    used: bool = field(default=False, init=False)

    def sites(self, cell: Cell, dropout: float) -> list[MaskSpec]:
        """All masks of a pass; torch's dropout between layers and weight noise count as masks too."""
        each = ({**regularizer.sites(), **regularizer.masks(cell)} for regularizer in self.regularizers)
        found = [mask for masks in each for mask in masks.values()]
        if self.where.training and (dropout > 0 or any(each.weight_noise for each in self.regularizers)):
            found.append(MaskSpec(dropout))
        return found

    def within(
        self,
        cell: Cell,
        index: int,
        sizes: tuple[int, int, int],
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> dict[str, Tensor]:
        """Site → mask, uint8 [R, T or 1, B or 1, H or 1], for one recurrence of T, B, H = ``sizes``.

        At :data:`~zoneout_lab.regularizers.INVERTED` sites, where what is kept is scaled up, it is 1 − (the factor of what is kept), in ``dtype``.
        """
        masks = [regularizer.masks(cell) for regularizer in self.regularizers]
        found = {}
        for site in sorted({site for each in masks for site in each}):
            of_each = [each.get(site) for each in masks]
            found[site] = self.mask_source.drawn(of_each, self.where, index, site, sizes, device)
            if site in INVERTED:
                found[site] = 1 - kept(
                    found[site], self.mask_source.rates(of_each, self.where, sizes[2], device), dtype
                )
        self.used |= bool(found)
        return found

    def between(self, layer: int, dropout: float, x: Tensor) -> Tensor:
        """torch's dropout on the output of layer ``layer``: a factor [R, T, B, ·] for x [R or 1, T, B, ·]."""
        return self._factor([MaskSpec(dropout)] * len(self.regularizers), "input", layer, x)

    def stacked(self, site: str, layer: int, x: Tensor) -> Tensor:
        """x [R or 1, T, B, ·] after the regularizers' dropout at a site of the stack; x itself where they drop nothing there."""
        masks = [regularizer.sites().get(site) for regularizer in self.regularizers]
        if not any(masks):
            return x
        return x * self._factor(masks, site, self.recurrences + layer, x)

    def noisy(self, weight: Tensor, matrix: int) -> Tensor:
        """Weights [R, …] with every replica's weight noise; the weights themselves where none has any, and in evaluation."""
        sigmas = [regularizer.weight_noise for regularizer in self.regularizers]
        if not any(sigmas) or not self.where.training:
            return weight
        self.used = True
        shape, update = tuple(weight.shape[1:]), self.where.update
        rows = [
            sigma * noise.normal(shape, seed=seed, update=update, matrix=matrix, device=weight.device, dtype=weight.dtype)
            if sigma
            else weight.new_zeros(shape)
            for sigma, seed in zip(sigmas, self.where.seeds, strict=True)
        ]  # fmt: skip
        return weight + torch.stack(rows)

    def _factor(self, masks: Sequence[MaskSpec | None], site: str, layer: int, x: Tensor) -> Tensor:
        """Dropout as a factor [R, T or 1, B or 1, H]: 0 with a replica's rate, else 1 / (1 − rate); 1 for a replica without a mask."""
        self.used = True
        sizes = (x.shape[1], x.shape[2], x.shape[3])
        dropped = self.mask_source.drawn(masks, self.where, layer, site, sizes, x.device)
        return kept(dropped, self.mask_source.rates(masks, self.where, sizes[2], x.device), x.dtype)


def expected(
    regularizers: Sequence[Regularizer],
    cell: Cell,
    update: int,
    units: int,
    *,
    device: torch.device,
    dtype: torch.dtype,
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


def kept(dropped: Tensor, rates: Tensor, dtype: torch.dtype) -> Tensor:
    """The factor of what is kept, from what is dropped [R, T, B, H] and rates [R, 1]; nothing is scaled where all is dropped."""
    scale = torch.where(rates == 1, 1.0, 1 / (1 - rates)).to(dtype)
    return (1 - dropped) * scale[:, :, None, None]
