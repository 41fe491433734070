"""Which path runs a recurrence: the reference, or one that is faster and gives the same."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from zoneout_lab.ops import cpu, reference, triton, uncompiled
from zoneout_lab.ops.compiled import why_not
from zoneout_lab.ops.products import project
from zoneout_lab.ops.reference import OnNorms, Shares, States, Weights
from zoneout_lab.ops.trace import in_graph, is_recording, promise_norms, wants_states

Engine = Literal["auto", "reference", "cpu", "triton"]


def path(cell: str, device: str, dtype: torch.dtype = torch.float32) -> Engine:
    """The path that ``auto`` takes for a cell, a device and a dtype; :func:`describe` says it in words.

    >>> path("lstm", "meta"), path("lstm", "cpu", torch.bfloat16)
    ('reference', 'reference')
    """
    if device == "cpu" and dtype in (torch.float32, torch.float64) and (cpu.is_compiled(dtype) or cell == "lstm"):
        return "cpu"
    if device == "cuda" and dtype in (torch.float32, torch.float64) and triton.is_installed():
        return "triton"
    return "reference"


def is_fast(cell: str, device: str) -> bool:
    """Whether ``auto`` runs a path there that keeps little more than the gates for its backward pass."""
    return path(cell, device) == "triton" or (path(cell, device) == "cpu" and cpu.is_compiled())


def describe(cell: str, device: str) -> str:
    """What ``auto`` would run here, for people and for a run's provenance."""
    chosen = path(cell, device)
    if device != "cpu":
        return str(chosen)
    return f"{chosen} (compiled)" if cpu.is_compiled() else f"{chosen} (not compiled: {why_not()})"


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

    The fast paths know sequences of one length and the sites of :data:`~zoneout_lab.ops.reference.CELLS`, show no states to a recording (though the norms of their gradients), and can be
    differentiated once: the reference runs wherever more is asked for, and where ``engine`` names a path that is not for this
    device, dtype or machine.
    """
    states = in_graph(states)
    fastest = path(cell, x.device.type, x.dtype)
    able = {fastest, "triton"} if triton.is_interpreted() else {fastest}
    wanted = fastest if engine == "auto" else engine
    if (
        wanted not in able
        or lengths is not None
        or wants_states()
        or not shares.keys() <= set(reference.CELLS[cell][2])
    ):
        wanted = "reference"
    if wanted == "triton" or (wanted == "cpu" and cpu.is_compiled(x.dtype)):
        on_norms: OnNorms | None = None
        if is_recording():
            zeros = x.new_zeros(weights.hidden.shape[0], *x.shape[1:3])
            on_norms = promise_norms(layer, reference.CELLS[cell][1], states[0], zeros)
        if wanted == "cpu":
            return cpu.run(cell, x, states, weights, shares, on_norms=on_norms)
        return triton.run(cell, x, states, weights, shares, on_norms=on_norms)
    added, inner = weights.input_bias, weights.hidden_bias
    if cell != "gru" and added is not None and inner is not None:
        added, inner = added + inner, None  # only a GRU's reset gate tells the two apart
    projected = project(x, weights.input, added)
    if wanted == "cpu" and not is_recording():
        return uncompiled.lstm(projected, states, weights.hidden, shares)
    return reference.run(cell, projected, states, weights.hidden, inner, shares, lengths=lengths, layer=layer)
