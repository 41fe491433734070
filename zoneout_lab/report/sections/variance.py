"""Where the variance comes from: what each arm's seeds vary, and how far its score scatters over them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from zoneout_lab.report.data import ReportData
from zoneout_lab.report.quantity import Quantity
from zoneout_lab.report.section import Section
from zoneout_lab.report.text import listing
from zoneout_lab.results.numbers import ABSENT, decimals, number
from zoneout_lab.results.variance import KINDS, Spread, sources_of_variance

_WORDS = {"init": "initial weights", "data": "order of the data", "masks": "masks"}
_PERCENT = 100.0


def build(data: ReportData) -> Section | None:
    if data.score is None:
        return None
    spreads = sources_of_variance(data.tree, data.score)
    if not spreads:
        return None
    about = data.quantity(data.score)
    places = decimals(about.factor * value for spread in spreads for value in (spread.sd, spread.sd_interval[1]))
    values = {
        "rows": [_row(data, spread, about, places) for spread in spreads],
        "score": about.axis,
        "unit": about.shift,
        "relative": any(spread.whole for spread in spreads),
    }
    return Section("variance", "Where the variance comes from", "variance.html", values)


def _row(data: ReportData, spread: Spread, about: Quantity, places: int) -> dict[str, Any]:
    everything = spread.varies == KINDS
    return {
        "arm": data.arm(spread.arm),
        "varies": "everything" if everything else listing([_WORDS[kind] for kind in spread.varies]),
        "n": spread.n,
        "mean": number(about.factor * spread.mean, places),
        "sd": _with_interval([about.factor * value for value in (spread.sd, *spread.sd_interval)], places),
        "relative": _with_interval(
            [_PERCENT * value for value in (spread.relative, *spread.relative_interval)], 0, "%"
        ),
    }


def _with_interval(values: Sequence[float], places: int, unit: str = "") -> str:
    """
    >>> (
    ...     _with_interval([1.0, 0.5, 2.25], 2),
    ...     _with_interval([50.0, math.nan, math.nan], 0, "%"),
    ...     _with_interval([math.nan] * 3, 0),
    ... )
    ('1.00 (0.50 to 2.25)', '50%', '–')
    """
    value, low, high = values
    if not math.isfinite(value):
        return ABSENT
    interval = f" ({number(low, places)} to {number(high, places)}{unit})" if math.isfinite(low) else ""
    return f"{number(value, places)}{unit}{interval}"
