"""Where the variance comes from: what each arm's seeds vary, and how far its score scatters over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zoneout_lab.report.data import ReportData
from zoneout_lab.report.quantity import Quantity
from zoneout_lab.report.section import Section
from zoneout_lab.report.text import listing
from zoneout_lab.results.numbers import ABSENT, decimals, number
from zoneout_lab.results.variance import Spread, sources_of_variance

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
        "parts": any(spread.whole for spread in spreads),
    }
    return Section("variance", "Where the variance comes from", "variance.html", values)


def _row(data: ReportData, spread: Spread, about: Quantity, places: int) -> dict[str, Any]:
    share = [_PERCENT * part for part in (spread.share, *spread.share_interval)]
    return {
        "arm": data.arm(spread.arm),
        "varies": listing([_WORDS[kind] for kind in spread.varies]),
        "n": spread.n,
        "mean": number(about.factor * spread.mean, places),
        "sd": number(about.factor * spread.sd, places),
        "sd_interval": _interval([about.factor * bound for bound in spread.sd_interval], places),
        "whole": data.arm(spread.whole) if spread.whole else None,
        "share": f"{number(share[0], 0)}%" if share[0] == share[0] else ABSENT,
        "share_interval": _interval(share[1:], 0, "%"),
    }


def _interval(bounds: Sequence[float], places: int, unit: str = "") -> str:
    """
    >>> _interval([0.5, 1.25], 2), _interval([float("nan"), float("nan")], 0)
    ('0.50 to 1.25', '–')
    """
    low, high = bounds
    return f"{number(low, places)} to {number(high, places)}{unit}" if low == low else ABSENT
