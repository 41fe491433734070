"""How a measurement observes the states of a recurrence while it runs.

The recurrence records its tensors, or on a fast path the norms of their gradients, in the :class:`Probe` of the measurement that has
opened :func:`recording`. Without a recording this costs nothing.
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
class Probe:
    """What was recorded so far, under (layer, state, point).

    Attributes:
        tensors: one tensor [..., B, H] for each timestep.
        present: for each of those tensors, which examples have that timestep, bool [B]; None for all.
        norms: for each call of a fast path the norms [R, T, B] of its states' gradients; zeros until a gradient is taken, and NaN where
            autograd records nothing.
        roots: tensors whose gradients, when taken, make every fast path write its norms.
        scope: prefix of every layer's label: the name of the module that is running, where several have the same labels.
        call: suffix of the label: which recurrence of that label is running, where it is not the first.
        series: the recurrences so far.
        owners: label of a layer → what recorded its states.
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


_OPEN: ContextVar[Probe | None] = ContextVar("zoneout_lab_probe", default=None)


@contextmanager
def recording(*, norms_suffice: bool = False, recurrences: bool = False) -> Iterator[Probe]:
    """Collect everything recorded inside the ``with`` block. Layers that ran inside count afterwards as before."""
    probe = Probe(norms_suffice=norms_suffice, recurrences={} if recurrences else None)
    token = _OPEN.set(probe)
    try:
        yield probe
    finally:
        _OPEN.reset(token)
        for put_back in probe.undo.values():
            put_back()


def open_probe() -> Probe | None:
    """The probe of the recording that is open, or None."""
    return _OPEN.get()


def is_recording() -> bool:
    """True while a recording is open."""
    return _OPEN.get() is not None


def wants_states() -> bool:
    """True while a recording is open for which norms are not enough."""
    probe = _OPEN.get()
    return probe is not None and not probe.norms_suffice


def wants_recurrences() -> bool:
    """True while a recording is open that asks for whole recurrences."""
    probe = _OPEN.get()
    return probe is not None and not probe.closed and probe.recurrences is not None


def one_call(
    probe: Probe,
    owner: object,
    given: States | None,
    run: Callable[[], tuple[_Out, States]],
    *,
    label: str = "",
) -> tuple[_Out, States]:
    """Run one call of a recurrent module; what it records goes to the recurrence that the call belongs to.

    Args:
        probe: of the recording.
        owner: the module.
        given: the states it is called with, or None.
        run: makes the call; returns what it does and the states it ends at.
        label: of a module with a single recurrence.
    """
    if probe.closed:
        return run()
    series = probe.series.of(owner, probe.scope + label, given)
    before, probe.call = probe.call, "" if series.number == 1 else f"#{series.number}"
    try:
        out, series.last = run()
    finally:
        probe.call = before
    return out, series.last


def in_graph(states: States) -> States:
    """States that autograd follows, while a recording is open and gradients are on: weights and inputs may all be frozen."""
    if not is_recording() or not torch.is_grad_enabled():
        return states
    # clones, because a leaf could not be written to in the model
    return tuple(state if state.requires_grad else state.detach().requires_grad_().clone() for state in states)


def record(
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
        by: what records it, for error messages.
        present: which examples have this timestep, bool [B], where some have ended.

    Raises:
        InputRefusedError: something else records states under the same label; the two would be mixed up in one series.
    """
    probe = _OPEN.get()
    if probe is None or probe.closed:
        return
    label = probe.label(layer)
    owner = probe.owners.setdefault(label, by)
    if owner != by:
        raise InputRefusedError(
            f"States labelled {label!r} are recorded by {owner} and by {by}: give zoneout_lab.probe another label."
        )
    key = (label, state, point)
    probe.tensors.setdefault(key, []).append(tensor)
    probe.present.setdefault(key, []).append(present)
    _note_outside(probe, label)


def record_recurrence(layer: str, recurrence: Recurrence) -> None:
    """Record one pass of a layer, where the open recording asks for them."""
    probe = _OPEN.get()
    if probe is not None and probe.recurrences is not None:
        probe.recurrences.setdefault(probe.label(layer), []).append(recurrence)


def promise_norms(layer: str, kinds: tuple[str, ...], root: Tensor, like: Tensor) -> Callable[[str, str, Tensor], None]:
    """Announce that norms will come with the backward pass, and return the function that takes them.

    Args:
        layer: label of the layer.
        kinds: its states.
        root: a tensor whose gradient takes the backward pass through the layer.
        like: zeros [R, T, B], the norms where no gradient comes.
    """
    probe = _OPEN.get()
    assert probe is not None
    if probe.closed:
        return lambda _state, _point, _norms: None
    label = probe.label(layer)
    if root.requires_grad:
        probe.roots.append(root)
    _note_outside(probe, label)
    slots = {}
    for state in kinds:
        for point in POINTS:
            series = probe.norms.setdefault((label, state, point), [])
            slots[state, point] = (series, len(series))
            series.append(like if torch.is_grad_enabled() else torch.full_like(like, torch.nan))

    def take(state: str, point: str, norms: Tensor) -> None:
        series, at = slots[state, point]
        series[at] = norms

    return take


def _note_outside(probe: Probe, label: str) -> None:
    if not torch.is_grad_enabled() and label not in probe.outside:
        probe.outside.append(label)
