"""Which path runs a recurrence: the reference, or one that is faster and gives the same."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from zoneout_lab.ops import cpu, reference
from zoneout_lab.ops.reference import Shares, States
from zoneout_lab.ops.trace import is_recording

Engine = Literal["auto", "reference", "cpu"]


def path(cell: str, device: str) -> Engine:
    """The path that ``auto`` takes for a cell on a device.

    >>> path("lstm", "cpu"), path("gru", "cpu"), path("lstm", "cuda")
    ('cpu', 'reference', 'reference')
    """
    return "cpu" if cell == "lstm" and device == "cpu" else "reference"


def run(
    cell: str,
    x: Tensor,
    states: States,
    weight: Tensor,
    bias: Tensor | None,
    shares: Shares,
    *,
    lengths: Tensor | None,
    layer: str,
    engine: Engine = "auto",
) -> tuple[Tensor, States]:
    """:func:`zoneout_lab.ops.reference.run` by the fastest path that can do it; ``engine`` names one instead of ``auto``.

    The ``cpu`` path knows the LSTM alone, sequences of one length, and shows no states to a recording: elsewhere the reference
    runs whatever was asked for. It can be differentiated once; ask for ``reference`` to differentiate its gradient again.
    """
    able = cell == "lstm" and lengths is None and not is_recording()
    wanted = path(cell, x.device.type) if engine == "auto" else engine
    if able and wanted == "cpu":
        return cpu.lstm(x, states, weight, shares)
    return reference.run(cell, x, states, weight, bias, shares, lengths=lengths, layer=layer)
