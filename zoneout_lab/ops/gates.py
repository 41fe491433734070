"""How the gates of a cell are recorded for a measurement, timestep by timestep. Without a measurement this costs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from torch import Tensor


@dataclass
class Gates:
    """The gates of one cell, one tensor [R, B, H] for each timestep.

    Attributes:
        values: gate → its activations, in [0, 1].
        kept: state → the factor on what it was before, in the candidate: f of an LSTM's memory cell.
    """

    values: dict[str, list[Tensor]] = field(default_factory=dict)
    kept: dict[str, list[Tensor]] = field(default_factory=dict)


_OPEN: ContextVar[Gates | None] = ContextVar("zoneout_lab_gates", default=None)


@contextmanager
def gates_recorded() -> Iterator[Gates]:
    """Collect what the step of one cell records inside the ``with`` block."""
    gates = Gates()
    token = _OPEN.set(gates)
    try:
        yield gates
    finally:
        _OPEN.reset(token)


def record_gates(kept: Mapping[str, Tensor], **gates: Tensor) -> None:
    """Record the gates of one timestep; called by the step of a cell that has gates.

    Args:
        kept: state → the factor on s_{t−1} in its candidate s̃_t, masks at other sites than the state's own included.
        **gates: name → activations in [0, 1], [R, B, H]. Leave out a gate without an upper bound.

    >>> import torch
    >>> with gates_recorded() as gates:
    ...     record_gates({"hidden": torch.ones(1, 2, 3)}, keep=torch.ones(1, 2, 3))
    >>> list(gates.values), list(gates.kept)
    (['keep'], ['hidden'])
    """
    open_gates = _OPEN.get()
    if open_gates is None:
        return
    for into, given in ((open_gates.values, gates), (open_gates.kept, kept)):
        for name, value in given.items():
            into.setdefault(name, []).append(value.detach())
