"""Where the states of a recurrence can be watched from outside while it runs.

The recurrence announces its tensors, or a fast path the norms of their gradients; a measurement that wants them opens
:func:`recording`. Nobody listening costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from torch import Tensor

from zoneout_lab.errors import InputRefusedError

POINTS = ("candidate", "state")
Key = tuple[str, str, str]


@dataclass
class Trace:
    """What was announced so far, under (layer, state, point).

    Attributes:
        tensors: one tensor [..., B, H] for each timestep.
        norms: for each call of a fast path the norms [R, T, B] of its states' gradients; zeros until a gradient is taken.
        roots: tensors whose gradients, when taken, make every fast path write its norms.
        scope: goes before the label of every layer: the name of the module that runs, where several have the same labels.
        owners: label of a layer → who shows its states.
        norms_suffice: a fast path need not give way to one that announces its tensors.
    """

    tensors: dict[Key, list[Tensor]] = field(default_factory=dict)
    norms: dict[Key, list[Tensor]] = field(default_factory=dict)
    roots: list[Tensor] = field(default_factory=list)
    scope: str = ""
    owners: dict[str, str] = field(default_factory=dict)
    norms_suffice: bool = False


_LISTENER: ContextVar[Trace | None] = ContextVar("zoneout_lab_trace", default=None)


@contextmanager
def recording(*, norms_suffice: bool = False) -> Iterator[Trace]:
    """Collect everything announced inside the ``with`` block."""
    trace = Trace(norms_suffice=norms_suffice)
    token = _LISTENER.set(trace)
    try:
        yield trace
    finally:
        _LISTENER.reset(token)


def is_recording() -> bool:
    """Whether somebody is."""
    return _LISTENER.get() is not None


def wants_states() -> bool:
    """Whether somebody records, and norms are not enough."""
    trace = _LISTENER.get()
    return trace is not None and not trace.norms_suffice


def announce(layer: str, state: str, point: str, tensor: Tensor, *, by: str = "a zoneout_lab layer") -> None:
    """Show a state's tensor [..., B, H] of the next timestep to whoever is recording.

    Args:
        layer: label of the layer, torch's suffix: ``l0``, ``l0_reverse``.
        state: ``cell`` or ``hidden``.
        point: ``candidate`` before zoneout, ``state`` after it.
        by: who shows it, for people.

    Raises:
        InputRefusedError: another shows states under the same label: the two would make one series.
    """
    trace = _LISTENER.get()
    if trace is not None:
        owner = trace.owners.setdefault(trace.scope + layer, by)
        if owner != by:
            raise InputRefusedError(
                f"States labelled {trace.scope + layer!r} are shown by {owner} and by {by}: give zoneout_lab.watch another label."
            )
        trace.tensors.setdefault((trace.scope + layer, state, point), []).append(tensor)


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
    trace.roots.append(root)
    slots = {}
    for state in kinds:
        for point in POINTS:
            series = trace.norms.setdefault((trace.scope + layer, state, point), [])
            slots[state, point] = (series, len(series))
            series.append(like)

    def take(state: str, point: str, norms: Tensor) -> None:
        series, at = slots[state, point]
        series[at] = norms

    return take
