"""A layer's draws of the current pass: masks and factors of every site, on the device they are used on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from zoneout_lab.layers import shares, shares_on_gpu
from zoneout_lab.ops import noise, triton
from zoneout_lab.ops.masks import Mask, Place
from zoneout_lab.regularizers import Regularizer, WeightNoise, part_of


@dataclass
class Draws:
    """What is drawn at one training update, or at one draw of a sampled evaluation.

    Attributes:
        regularizers, seeds: one for each replica.
        rows: recurrences in the layer, L · D. The stack's own masks count as layers past them.
        update, draw: the two counters.
        training: which of them counts.
        tables: of the layer, for draws on a GPU.
        interpreted: whether Triton's interpreter may draw on a CPU.
        drew: whether anything was drawn.
    """

    regularizers: tuple[Regularizer, ...]
    seeds: tuple[int, ...]
    rows: int
    update: int | Tensor
    draw: int | Tensor
    training: bool
    tables: shares_on_gpu.Tables
    interpreted: bool = False
    drew: bool = field(default=False, init=False)

    def masks(self, dropout: float) -> list[Mask]:
        """All that is drawn in a pass, torch's dropout between layers and weight noise as masks too."""
        found = [mask for regularizer in self.regularizers for mask in regularizer.sites().values()]
        if self.training and (dropout > 0 or any(self._sigmas())):
            found.append(Mask(dropout))
        return found

    def within(
        self, cell: str, row: int, sizes: tuple[int, int, int], device: torch.device, dtype: torch.dtype = torch.float32
    ) -> dict[str, Tensor]:
        """Site → share for one recurrence of T, B, H = ``sizes``."""
        if self._on(device):
            found = shares_on_gpu.sampled(
                self.regularizers, cell, self.seeds, row, sizes, update=self.update, draw=self.draw, training=self.training,
                device=device, tables=self.tables, dtype=dtype,
            )  # fmt: skip
        else:
            found = shares.sampled(self.regularizers, cell, self._places(row), sizes, device, dtype)
        self.drew |= bool(found)
        return found

    def between(self, layer: int, dropout: float, x: Tensor) -> Tensor:
        """torch's dropout on what layer ``layer`` hands up: a factor [R, T, B, ·] for x [R or 1, T, B, ·]."""
        return self._factor([Mask(dropout)] * len(self.seeds), "input", layer, x)

    def stacked(self, site: str, layer: int, x: Tensor) -> Tensor:
        """x [R or 1, T, B, ·] with what the regularizers drop at a site of the stack; x itself where none does."""
        masks = [regularizer.sites().get(site) for regularizer in self.regularizers]
        if not any(masks):
            return x
        return x * self._factor(masks, site, self.rows + layer, x)

    def noisy(self, weight: Tensor, matrix: int) -> Tensor:
        """Weights [R, …] with every replica's weight noise; the weights themselves where none has any, and in evaluation."""
        sigmas = self._sigmas()
        if not any(sigmas) or not self.training:
            return weight
        self.drew = True
        shape = tuple(weight.shape[1:])
        rows = [
            sigma * noise.normal(shape, seed=seed, update=self.update, matrix=matrix, device=weight.device, dtype=weight.dtype)
            if sigma
            else weight.new_zeros(shape)
            for sigma, seed in zip(sigmas, self.seeds, strict=True)
        ]  # fmt: skip
        return weight + torch.stack(rows)

    def _sigmas(self) -> list[float]:
        return [part.sigma if (part := part_of(each, WeightNoise)) else 0.0 for each in self.regularizers]

    def _factor(self, masks: Sequence[Mask | None], site: str, layer: int, x: Tensor) -> Tensor:
        self.drew = True
        sizes = (x.shape[1], x.shape[2], x.shape[3])
        if self._on(x.device):
            return shares_on_gpu.factor(
                masks, site, self.seeds, layer, sizes, update=self.update, draw=self.draw, training=self.training,
                device=x.device, tables=self.tables, dtype=x.dtype,
            )  # fmt: skip
        return shares.factor(masks, site, self._places(layer), sizes, x.device, x.dtype)

    def _places(self, layer: int) -> list[Place]:
        return shares.places(self.seeds, layer, int(self.update), int(self.draw), training=self.training)

    def _on(self, device: torch.device) -> bool:
        return (device.type == "cuda" and triton.is_installed()) or (self.interpreted and triton.is_interpreted())
