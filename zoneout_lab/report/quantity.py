"""How a measured quantity is shown: its name in prose, and fractions as percentages, as the verdicts' sentences have them."""

from __future__ import annotations

from dataclasses import dataclass

from zoneout_lab.report.text import words
from zoneout_lab.results.sentence import COUNTS, NOUNS, unit_of


@dataclass(frozen=True)
class Quantity:
    """``noun`` names it, ``factor`` takes a stored value to the one shown, in ``unit``; differences are in ``shift``."""

    noun: str
    factor: float
    unit: str
    shift: str

    @property
    def axis(self) -> str:
        return f"{self.noun} ({self.unit})" if self.unit else self.noun


def quantity(name: str, units: str) -> Quantity:
    """How the metric ``name`` in ``units`` is shown.

    >>> quantity("test_error", "1").axis, quantity("valid_bpc", "bit/character").axis, quantity("best_epoch", "1").axis
    ('test error (%)', 'validation cross-entropy (bit/character)', 'best epoch')
    """
    noun = NOUNS.get(name, words(name))
    factor, shift = unit_of(name, units)
    unit = "" if name in COUNTS else "%" if shift == "percentage points" else shift
    return Quantity(noun, factor, unit, shift)
