"""What became of one run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoneout_lab.settings import Run

if TYPE_CHECKING:
    import xarray as xr


@dataclass
class Outcome:
    """What became of one run: metrics by epoch, values of the selected checkpoint, measurements by epoch.

    ``best_epoch`` is the epoch of the selected checkpoint, ``improved_epoch`` the last that improved on the best validation score,
    which patience counts from. ``measured`` maps a measure's group to the epochs and what was measured after each, ``unmeasured`` to the
    epochs after which the measure failed, and why. ``origin`` is what another machine that trained the run says of itself.
    """

    run: Run
    status: str = "finished"
    best_epoch: int | None = None
    improved_epoch: int | None = None
    by_epoch: dict[str, list[float]] = field(default_factory=dict)
    at_best: dict[str, float] = field(default_factory=dict)
    measured: dict[str, dict[int, xr.Dataset]] = field(default_factory=dict)
    unmeasured: dict[str, dict[int, str]] = field(default_factory=dict)
    seconds: float = 0.0
    origin: dict[str, Any] = field(default_factory=dict)

    @property
    def active(self) -> bool:
        patience = self.run.setting.training.patience
        epochs = len(self.by_epoch.get("train_loss", ()))
        waited = patience is not None and self.improved_epoch is not None and epochs - self.improved_epoch >= patience
        return self.status == "finished" and not waited
