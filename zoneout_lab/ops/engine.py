"""Which path runs a recurrence: the reference, or one that is faster and gives the same."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import nullcontext
from typing import Literal

import torch
from torch import Tensor

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops import cpu, reference, triton
from zoneout_lab.ops.cells import FAST, Cell, Masks, States, Weights
from zoneout_lab.ops.compiled import why_not
from zoneout_lab.ops.gates import gates_recorded
from zoneout_lab.ops.probe import (
    in_graph,
    is_recording,
    promise_norms,
    record_recurrence,
    wants_recurrences,
    wants_states,
)
from zoneout_lab.ops.recurrence import Recurrence
from zoneout_lab.ops.reference import Matrices, OnNorms

Engine = Literal["auto", "reference", "cpu", "triton"]


def path(cell: Cell, device: str, dtype: torch.dtype = torch.float32) -> Engine:
    """The path that ``auto`` takes for a cell, a device and a dtype; :func:`describe` says it in words.

    >>> from zoneout_lab.ops.cells import LSTM, LayerNormLSTM
    >>> path(LSTM(), "meta"), path(LSTM(), "cpu", torch.bfloat16), path(LayerNormLSTM(), "cpu")
    ('reference', 'reference', 'reference')
    """
    if not _is_known(cell) or dtype not in (torch.float32, torch.float64):
        return "reference"
    if device == "cpu" and cpu.is_compiled(dtype):
        return "cpu"
    return "triton" if device == "cuda" and triton.is_installed() else "reference"


def describe(cell: Cell, device: str) -> str:
    """What ``auto`` would run here, as reports and a run's provenance have it."""
    chosen = path(cell, device)
    if device != "cpu" or not _is_known(cell):
        return str(chosen)
    return f"{chosen} (compiled)" if cpu.is_compiled() else f"{chosen} (not compiled: {why_not()})"


def is_fast(cell: Cell, masks: Collection[str]) -> bool:
    """True where the fast paths support a cell with masks at these sites."""
    return _is_known(cell) and set(masks) <= set(cell.fast_sites)


def _is_known(cell: Cell) -> bool:
    """True for the very classes that the fast paths compute; one that inherits from them may compute something else."""
    return FAST.get(cell.kind) is type(cell)


def forward(
    cell: Cell,
    x: Tensor,
    states: States,
    weights: Weights,
    masks: Masks,
    *,
    lengths: Tensor | None = None,
    layer: str = "l0",
    engine: Engine = "auto",
    training: bool = False,
    moves: bool = False,
) -> tuple[Tensor, States]:
    """One recurrent layer over time by the fastest path that can do it; ``engine`` names one instead of ``auto``.

    Args:
        cell: what to run.
        x: inputs [R or 1, T, B, I].
        states: initial states in the cell's order, each [R, B, H].
        weights: stem → parameter or buffer of the layer, with a leading replica axis.
        masks: site → mask or its expectation, broadcastable to [R, T, B, H], of any dtype.
        lengths: valid timesteps of each example, [B].
        layer: label under which states are recorded.
        engine: ``auto``, or a path's name.
        training, moves: as for :meth:`~zoneout_lab.ops.cells.base.Cell.begin`.

    Returns:
        Outputs [R, T, B, H] and the final states.

    The fast paths support some cells and sites (``fast_sites`` of a cell) and sequences of one length, show no states to a recording (though
    the norms of their gradients), and can be differentiated once: the reference runs wherever more is asked for, and where ``engine``
    names a path that is not for this device, dtype or machine.
    """
    states = in_graph(states)
    fastest = path(cell, x.device.type, x.dtype)
    able = {fastest, "triton"} if triton.is_interpreted() else {fastest}
    wanted = fastest if engine == "auto" else engine
    if wanted not in able or lengths is not None or wants_states() or not is_fast(cell, masks):
        wanted = "reference"
    if wanted != "reference":
        on_norms: OnNorms | None = None
        if is_recording():
            zeros = x.new_zeros(weights["weight_hh"].shape[0], *x.shape[1:3])
            on_norms = promise_norms(layer, tuple(cell.states), states[0], zeros)
        fast = cpu.forward if wanted == "cpu" else triton.forward
        return fast(cell.kind, x, states, Matrices.of(weights), masks, on_norms=on_norms)
    given = (x, *weights.values())
    before = reference.versions(given)
    step = cell.begin(weights, training=training, moves=moves)
    inputs = cell.project(x, weights)
    if reference.versions(given) != before:
        raise InputRefusedError(
            f"begin() or project() of {cell} changed its inputs or weights in place: compute new tensors, x - a in place of x -= a."
        )
    if not callable(step):
        raise InputRefusedError(
            f"begin() of {cell} returned a {type(step).__name__}; it has to return the step function."
        )
    if not isinstance(inputs, Tensor) or inputs.dim() < 4 or inputs.shape[1:3] != x.shape[1:3]:
        found = list(inputs.shape) if isinstance(inputs, Tensor) else type(inputs).__name__
        raise InputRefusedError(
            f"project() of {cell} returned {found}; it has to return a tensor [{states[0].shape[0]}, {x.shape[1]}, {x.shape[2]}, ·], one "
            "entry for each timestep and example."
        )
    with gates_recorded() if wants_recurrences() else nullcontext() as gates:
        result = reference.forward(cell, step, inputs, states, masks, lengths=lengths, layer=layer)
    if not moves and reference.versions(given) != before:
        raise InputRefusedError(
            f"The step of {cell} changed its weights or buffers in place, in a pass that may not move them (begin() is told by moves=)."
        )
    if gates is None:
        return result
    record_recurrence(layer, Recurrence(cell, inputs, states, weights, masks, training, gates))
    return result
