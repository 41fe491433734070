"""Masks of all replicas at one site: the same bits whether they are drawn in main memory or on the GPU that uses them.

On a GPU nothing waits for the host: everything that a draw depends on lies in tables there, and so may the counter of updates, so that a
captured training step draws new masks at every replay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from zoneout_lab.ops import triton
from zoneout_lab.ops.masks import AXES, EVALUATION, TRAINING, MaskSpec, Place, draw_into, spread

Count = int | Tensor
Sizes = tuple[int, int, int]


@dataclass(frozen=True)
class Where:
    """What the masks of a layer's replicas depend on: a mask seed each, the counters of training updates and of sampled evaluations,
    and which of the two is in use. The counters may be integer tensors on the device."""

    seeds: tuple[int, ...]
    update: Count
    draw: Count
    training: bool

    @property
    def count(self) -> Count:
        return self.update if self.training else self.draw

    @property
    def stream(self) -> int:
        return TRAINING if self.training else EVALUATION


@dataclass(frozen=True)
class Table:
    """One site's masks of all replicas on a GPU: seeds [R], rates [R, 1 or H], length of their schedules [R, 1], axes varied over [R, 5].

    ``follows`` is True where a rate changes over updates; ``one`` says which of (T, B, H) no replica varies over.
    """

    seeds: Tensor
    start: Tensor
    end: Tensor
    over: Tensor
    varies: Tensor
    follows: bool
    one: tuple[bool, bool, bool]

    def thresholds(self, update: Count) -> Tensor:
        """int32 [R, 1 or H], as :meth:`zoneout_lab.ops.masks.MaskSpec.thresholds` at a training update."""
        rates = self.start
        if self.follows:
            part = torch.clamp(_on(update, self.start.device) / self.over, max=1.0)
            rates = self.start + (self.end - self.start) * part
        return (rates * 65_536).round().to(torch.int32)


@dataclass
class MaskSource:
    """The source of masks of one layer.

    Attributes:
        interpreted: True where Triton's interpreter may draw on a CPU.
        tables: filled as they are needed, and kept: a captured step reads them where they lie.
    """

    interpreted: bool = False
    tables: dict[tuple[tuple[MaskSpec | None, ...], tuple[int, ...], int, torch.device], Table] = field(
        default_factory=dict
    )

    def drawn(
        self, masks: Sequence[MaskSpec | None], where: Where, layer: int, site: str, sizes: Sizes, device: torch.device
    ) -> Tensor:
        """uint8 [R, T or 1, B or 1, H or 1]: every replica's mask; None stands for a mask of zeros.

        Args:
            masks: one for each replica.
            where: seeds and counters.
            layer: index of layer and direction.
            site: where the masks act.
            sizes: (T, B, H).
            device: where they are used.
        """
        if not self._on_gpu(device):
            return _drawn_in_memory(masks, where, layer, site, sizes).to(device)
        table = self._table(tuple(masks), where.seeds, sizes[2], device)
        T, B, H = (1 if one else size for one, size in zip(table.one, sizes, strict=True))
        return triton.draw(
            table.seeds, _on(where.count, device), table.thresholds(where.update), table.varies,
            layer=layer, site=site, stream=where.stream, sizes=sizes, extents=(T, B, H),
        )  # fmt: skip

    def rates(self, masks: Sequence[MaskSpec | None], where: Where, units: int, device: torch.device) -> Tensor:
        """The replicas' rates, float64 [R, 1], of masks that have one rate each; 0 where there is no mask."""
        if self._on_gpu(device):
            return self._table(tuple(masks), where.seeds, units, device).start
        rates = [[0.0 if mask is None else float(mask.at(0)[0])] for mask in masks]
        return torch.tensor(rates, dtype=torch.float64, device=device)

    def _on_gpu(self, device: torch.device) -> bool:
        return (device.type == "cuda" and triton.is_installed()) or (self.interpreted and triton.is_interpreted())

    def _table(
        self, masks: tuple[MaskSpec | None, ...], seeds: tuple[int, ...], units: int, device: torch.device
    ) -> Table:
        key = (masks, seeds, units, device)
        if key not in self.tables:
            self.tables[key] = table(*key)
        return self.tables[key]


def table(masks: tuple[MaskSpec | None, ...], seeds: tuple[int, ...], units: int, device: torch.device) -> Table:
    """The masks of one site as tensors. Made once: nothing can be copied from the host while a step is captured."""
    none = MaskSpec(0.0, frozenset())
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


def _drawn_in_memory(masks: Sequence[MaskSpec | None], where: Where, layer: int, site: str, sizes: Sizes) -> Tensor:
    shapes = [(1, 1, 1) if mask is None else _extents(mask, sizes) for mask in masks]
    # bytes turn into floats five times as fast as bools do
    out = np.empty((len(masks), *map(max, zip(*shapes, strict=True))), dtype=np.uint8)
    for row, mask, seed in zip(out, masks, where.seeds, strict=True):
        if mask is None:
            row[...] = 0
        else:
            place = Place(seed, layer, site, int(where.count), where.stream, trained=int(where.update))
            draw_into(row, mask, place, sizes, torch.get_num_threads())
    return torch.from_numpy(out)


def _extents(mask: MaskSpec, sizes: Sizes) -> Sizes:
    T, B, H = mask.extents(*sizes)
    return T, B, max(H, len(mask.at(0, sizes[2])))


def _on(count: Count, device: torch.device) -> Tensor:
    return count if isinstance(count, Tensor) else torch.tensor(count, device=device)
