"""What the two paths need to know of a cell type: its kernels, and the columns they keep."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from zoneout_lab.ops.cells import CELLS
from zoneout_lab.ops.triton import gru, lstm, rnn


@dataclass(frozen=True)
class Cell:
    """A cell type.

    Attributes:
        name: key of :data:`zoneout_lab.ops.cells.CELLS`.
        kernels: module with ``forward``, ``backward``, ``forward_step`` and ``backward_step``.
        columns: S: blocks of H columns kept of each timestep. The first G of them face the input, the last G face h.
        options: constants of its kernels.
    """

    name: str
    kernels: ModuleType
    columns: int
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def gates(self) -> int:
        """G: blocks of H columns of the weights."""
        return CELLS[self.name].gates

    @property
    def states(self) -> tuple[str, ...]:
        """``hidden`` and, where there is one, ``cell``."""
        return tuple(CELLS[self.name].states)

    @property
    def sites(self) -> tuple[str, ...]:
        """Where masks act, in the order in which the kernels take them."""
        return CELLS[self.name].fast_sites


KINDS = {
    cell.name: cell
    for cell in (
        Cell("lstm", lstm, 4),
        Cell("gru", gru, 4),
        Cell("rnn_tanh", rnn, 1, {"RELU": False}),
        Cell("rnn_relu", rnn, 1, {"RELU": True}),
    )
}
