"""How a measurement observes the states of a recurrence while it runs.

The recurrence announces its tensors, or on a fast path the norms of their gradients; a measurement that wants them opens
:func:`recording`. Without a recording, announcing costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.recurrence import Recurrence
from zoneout_lab.ops.series import AllSeries, States

POINTS = ("candidate", "state")
Key = tuple[str, str, str]
_Out = TypeVar("_Out")


@dataclass
class Trace:
    """What was announced so far, under (layer, state, point).

    Attributes:
        tensors: one tensor [..., B, H] for each timestep.
        present: for each of those tensors, which examples have that timestep, bool [B]; None for all.
        norms: for each call of a fast path the norms [R, T, B] of its states' gradients; zeros until a gradient is taken, and NaN where
            autograd records nothing.
        roots: tensors whose gradients, when taken, make every fast path write its norms.
        scope: prefix of every layer's label: the name of the module that is running, where several have the same labels.
        call: suffix of the label: which recurrence of that label is running, where it is not the first.
        series: the recurrences so far.
        owners: label of a layer → who shows its states.
        outside: labels of layers that ran where autograd records nothing.
        undo: functions that put back the counters of the layers that ran.
        norms_suffice: True where gradient norms are all that is wanted: a fast path then need not give way to the reference.
        recurrences: label of a layer → each of its passes, gates included; None where they are not asked for.
        closed: True once nothing more is recorded, because what runs now is only run again.
    """

    tensors: dict[Key, list[Tensor]] = field(default_factory=dict)
    present: dict[Key, list[Tensor | None]] = field(default_factory=dict)
    norms: dict[Key, list[Tensor]] = field(default_factory=dict)
    roots: list[Tensor] = field(default_factory=list)
    scope: str = ""
    call: str = ""
    series: AllSeries = field(default_factory=AllSeries)
    owners: dict[str, str] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)
    undo: dict[int, Callable[[], None]] = field(default_factory=dict)
    norms_suffice: bool = False
    recurrences: dict[str, list[Recurrence]] | None = None
    closed: bool = False

    def label(self, layer: str) -> str:
        """A layer's label in the result."""
        return f"{self.scope}{layer}{self.call}"


_LISTENER: ContextVar[Trace | None] = ContextVar("zoneout_lab_trace", default=None)


@contextmanager
def recording(*, norms_suffice: bool = False, recurrences: bool = False) -> Iterator[Trace]:
    """Collect everything announced inside the ``with`` block. Layers that ran inside count afterwards as before."""
    trace = Trace(norms_suffice=norms_suffice, recurrences={} if recurrences else None)
    token = _LISTENER.set(trace)
    try:
        yield trace
    finally:
        _LISTENER.reset(token)
        for put_back in trace.undo.values():
            put_back()


def listening() -> Trace | None:
    """The trace of the recording that is open, or None."""
    return _LISTENER.get()


def is_recording() -> bool:
    """True while a recording is open."""
    return _LISTENER.get() is not None


def wants_states() -> bool:
    """True while a recording is open for which norms are not enough."""
    trace = _LISTENER.get()
    return trace is not None and not trace.norms_suffice


def wants_recurrences() -> bool:
    """True while a recording is open that asks for whole recurrences."""
    trace = _LISTENER.get()
    return trace is not None and not trace.closed and trace.recurrences is not None


def one_call(
    trace: Trace,
    owner: object,
    given: States | None,
    run: Callable[[], tuple[_Out, States]],
    *,
    label: str = "",
) -> tuple[_Out, States]:
    """Run one call of a recurrent module; what it announces goes to the recurrence that the call belongs to.

    Args:
        trace: of the recording.
        owner: the module.
        given: the states it is called with, or None.
        run: makes the call; returns what it does and the states it ends at.
        label: of a module with a single recurrence.
    """
    if trace.closed:
        return run()
    series = trace.series.of(owner, trace.scope + label, given)
    before, trace.call = trace.call, "" if series.number == 1 else f"#{series.number}"
    try:
        out, series.last = run()
    finally:
        trace.call = before
    return out, series.last


def in_graph(states: States) -> States:
    """States that autograd follows, while a recording is open and gradients are on: weights and inputs may all be frozen."""
    if not is_recording() or not torch.is_grad_enabled():
        return states
    # clones, because a leaf could not be written to in the model
    return tuple(state if state.requires_grad else state.detach().requires_grad_().clone() for state in states)


def announce(
    layer: str,
    state: str,
    point: str,
    tensor: Tensor,
    *,
    by: str = "a zoneout_lab layer",
    present: Tensor | None = None,
) -> None:
    """Show a state's tensor [..., B, H] of the next timestep to the open recording.

    Args:
        layer: label of the layer, torch's suffix: ``l0``, ``l0_reverse``.
        state: ``cell`` or ``hidden``.
        point: ``candidate`` before zoneout, ``state`` after it.
        by: who shows it, for people.
        present: which examples have this timestep, bool [B], where some have ended.

    Raises:
        InputRefusedError: something else shows states under the same label; the two would be mixed up in one series.
    """
    trace = _LISTENER.get()
    if trace is None or trace.closed:
        return
    label = trace.label(layer)
    owner = trace.owners.setdefault(label, by)
    if owner != by:
        raise InputRefusedError(
            f"States labelled {label!r} are shown by {owner} and by {by}: give zoneout_lab.watch another label."
        )
    key = (label, state, point)
    trace.tensors.setdefault(key, []).append(tensor)
    trace.present.setdefault(key, []).append(present)
    _note_outside(trace, label)


def announce_recurrence(layer: str, recurrence: Recurrence) -> None:
    """Show one pass of a layer to the open recording, where it asks for them."""
    trace = _LISTENER.get()
    if trace is not None and trace.recurrences is not None:
        trace.recurrences.setdefault(trace.label(layer), []).append(recurrence)


def promise_norms(layer: str, kinds: tuple[str, ...], root: Tensor, like: Tensor) -> Callable[[str, str, Tensor], None]:
    """Announce that norms will come with the backward pass, and return the function that takes them.

    Args:
        layer: label of the layer.
        kinds: its states.
        root: a tensor whose gradient takes the backward pass through the layer.
        like: zeros [R, T, B], the norms where no gradient comes.
    """
    trace = _LISTENER.get()
    assert trace is not None
    if trace.closed:
        return lambda _state, _point, _norms: None
    label = trace.label(layer)
    if root.requires_grad:
        trace.roots.append(root)
    _note_outside(trace, label)
    slots = {}
    for state in kinds:
        for point in POINTS:
            series = trace.norms.setdefault((label, state, point), [])
            slots[state, point] = (series, len(series))
            series.append(like if torch.is_grad_enabled() else torch.full_like(like, torch.nan))

    def take(state: str, point: str, norms: Tensor) -> None:
        series, at = slots[state, point]
        series[at] = norms

    return take


def _note_outside(trace: Trace, label: str) -> None:
    if not torch.is_grad_enabled() and label not in trace.outside:
        trace.outside.append(label)
