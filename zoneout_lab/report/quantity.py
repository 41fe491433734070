"""How a measured quantity is shown: its name in prose, and fractions as percentages, as the verdicts' sentences have them."""

from __future__ import annotations

from dataclasses import dataclass

from zoneout_lab.metrics import METRICS
from zoneout_lab.report.text import legible, words
from zoneout_lab.results import Comparison
from zoneout_lab.results.shown import unit_of


@dataclass(frozen=True)
class Quantity:
    """``noun`` names it, ``factor`` takes a stored value to the one shown, in ``unit``; differences are in ``shift``."""

    noun: str
    factor: float
    unit: str
    shift: str
    better: str = ""

    @property
    def axis(self) -> str:
        # lower is better of everything that comes built in
        parts = [part for part in (self.unit, "higher is better" if self.better == "higher" else "") if part]
        return f"{self.noun} ({', '.join(parts)})" if parts else self.noun


#: what is called by more letters does not fit on an axis
_LONG = 40


def quantity(name: str, units: str, noun: str = "", better: str = "", long_name: str = "") -> Quantity:
    """How the metric ``name`` in ``units`` is shown: under its ``noun`` where it has one, or its ``long_name`` where that is not long.

    >>> quantity("test_error", "1", "test error").axis, quantity("valid_acc", "1", "validation accuracy", "higher").axis
    ('test error (%)', 'validation accuracy (%, higher is better)')
    >>> quantity("best_epoch", "1").axis
    'best epoch'
    """
    factor, shift = unit_of(name, units)
    counts = METRICS[name].counts if name in METRICS else ""
    unit = "" if counts else "%" if shift == "percentage points" else shift
    called = noun or (long_name if len(long_name) <= _LONG else "") or words(name)
    return Quantity(legible(called), factor, legible(unit), legible(shift), better)


def compared(comparison: Comparison) -> Quantity:
    """How the metric of a comparison is shown."""
    return quantity(comparison.metric, comparison.units, comparison.noun, comparison.better, comparison.long_name)
