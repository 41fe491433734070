"""Where the states of a recurrence can be watched from outside while it runs.

The recurrence announces its tensors; a measurement that wants them opens :func:`recording`. Nobody listening costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from torch import Tensor

POINTS = ("candidate", "state")


@dataclass
class Trace:
    """Tensors announced so far: (layer, state, point) → one tensor [..., B, H] for each timestep.

    ``scope`` goes before the label of every layer: the name of the module that runs, where several have the same labels.
    """

    tensors: dict[tuple[str, str, str], list[Tensor]] = field(default_factory=dict)
    scope: str = ""


_LISTENER: ContextVar[Trace | None] = ContextVar("zoneout_lab_trace", default=None)


@contextmanager
def recording() -> Iterator[Trace]:
    """Collect everything announced inside the ``with`` block."""
    trace = Trace()
    token = _LISTENER.set(trace)
    try:
        yield trace
    finally:
        _LISTENER.reset(token)


def is_recording() -> bool:
    """Whether somebody is."""
    return _LISTENER.get() is not None


def announce(layer: str, state: str, point: str, tensor: Tensor) -> None:
    """Show a state's tensor [..., B, H] of the next timestep to whoever is recording.

    Args:
        layer: label of the layer, torch's suffix: ``l0``, ``l0_reverse``.
        state: ``cell`` or ``hidden``.
        point: ``candidate`` before zoneout, ``state`` after it.
    """
    trace = _LISTENER.get()
    if trace is not None:
        trace.tensors.setdefault((trace.scope + layer, state, point), []).append(tensor)
