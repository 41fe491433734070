"""The one number of a run that tuning is to make best, and that Optuna is told."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoneout_lab.engines import Outcome
from zoneout_lab.metrics import Better
from zoneout_lab.netcdf import Variable


@dataclass(frozen=True)
class Objective:
    """A metric of the study's runs.

    Args:
        metric: its name.
        better: which way is better.
        by_epoch: it is a curve, and what counts is its value at ``best_epoch``; else it is a number of the whole run.

    >>> Objective("test_accuracy", "higher").worst
    -inf
    """

    metric: str
    better: Better = "lower"
    by_epoch: bool = False

    @property
    def worst(self) -> float:
        """The worst possible value."""
        return math.inf if self.better == "lower" else -math.inf

    def of(self, outcome: Outcome) -> float | None:
        """A run's value; None where it has none."""
        if not self.by_epoch:
            return finite(outcome.at_best.get(self.metric, math.nan))
        best = outcome.best_epoch
        return None if best is None else outcome.by_epoch[self.metric][best - 1]

    def read(self, metrics: Mapping[str, Variable]) -> float | None:
        """A run's value, read off the group of metrics in its file; None where it has none.

        Raises what a group raises in which it or its epoch is not there.
        """
        if not self.by_epoch:
            return finite(float(metrics[self.metric][1])) if self.metric in metrics else None
        best = float(metrics["best_epoch"][1])
        if not math.isfinite(best):
            return None
        (place,) = np.flatnonzero(np.asarray(metrics["epoch"][1]) == int(best))
        return float(metrics[self.metric][1][place])


def finite(value: Any) -> float | None:
    """A number, or None for one that is not finite."""
    return float(value) if math.isfinite(value) else None
