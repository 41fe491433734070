"""How far a batch of runs is, and what became of one run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoneout_lab.frozen import AnyRun

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Progress:
    """Where a batch of runs stands: updates done of all, epoch of all, and the median best score of its runs."""

    done: int
    total: int
    epoch: int
    epochs: int
    score: float


@dataclass
class Outcome:
    """What became of one run: metrics by epoch, values of the selected checkpoint, measurements by epoch.

    ``epochs`` names the epochs of ``by_epoch``; None: 1, 2, …. ``best_epoch`` is the epoch of the selected checkpoint, ``improved_epoch`` the last that improved on the best validation score,
    which patience counts from. ``measured`` maps a measure's group to the epochs and what was measured after each, ``unmeasured`` to the
    epochs after which the measure failed, and why. ``origin`` is what another machine that trained the run says of itself.
    """

    run: AnyRun
    status: str = "finished"
    best_epoch: int | None = None
    improved_epoch: int | None = None
    by_epoch: dict[str, list[float]] = field(default_factory=dict)
    epochs: list[int] | None = None
    at_best: dict[str, float] = field(default_factory=dict)
    measured: dict[str, dict[int, xr.Dataset]] = field(default_factory=dict)
    unmeasured: dict[str, dict[int, str]] = field(default_factory=dict)
    seconds: float = 0.0
    origin: dict[str, Any] = field(default_factory=dict)
