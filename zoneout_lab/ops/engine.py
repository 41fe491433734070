"""Which path runs a recurrence: the reference, or one that is faster and gives the same."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from zoneout_lab.ops import cpu, reference
from zoneout_lab.ops.products import project
from zoneout_lab.ops.reference import Shares, States, Weights
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
    weights: Weights,
    shares: Shares,
    *,
    lengths: Tensor | None = None,
    layer: str = "l0",
    engine: Engine = "auto",
) -> tuple[Tensor, States]:
    """One recurrent layer over time by the fastest path that can do it; ``engine`` names one instead of ``auto``.

    Args:
        cell: a key of :data:`zoneout_lab.ops.reference.CELLS`.
        x: inputs [R or 1, T, B, I].
        states: initial (h, c) or (h,), each [R, B, H].
        weights: the layer's parameters.
        shares: site → share preserved or dropped, broadcastable to [R, T, B, H]; masks may be of any dtype.
        lengths: valid timesteps of each example, [B].
        layer: label under which states are announced to a recording.
        engine: ``auto``, or a path's name.

    Returns:
        Outputs [R, T, B, H] and the final states.

    The ``cpu`` path knows the LSTM alone, sequences of one length, and shows no states to a recording: elsewhere the reference
    runs whatever was asked for. It can be differentiated once; ask for ``reference`` to differentiate its gradient again.
    """
    added, inner = weights.input_bias, weights.hidden_bias
    if cell != "gru" and added is not None and inner is not None:
        added, inner = added + inner, None  # only a GRU's reset gate tells the two apart
    able = cell == "lstm" and lengths is None and not is_recording()
    wanted = path(cell, x.device.type) if engine == "auto" else engine
    projected = project(x, weights.input, added)
    if able and wanted == "cpu":
        return cpu.lstm(projected, states, weights.hidden, shares)
    return reference.run(cell, projected, states, weights.hidden, inner, shares, lengths=lengths, layer=layer)
