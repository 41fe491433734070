"""What is stored of a comparison, as a reader is given it: percentage points, units or ratios, with the digits that show where an interval lies."""

from __future__ import annotations

import math
import re

import numpy as np
import numpy.typing as npt

from zoneout_lab import stats
from zoneout_lab.metrics import METRICS
from zoneout_lab.results.compared import Compared, Interval
from zoneout_lab.results.numbers import decimals, full, number


def unit_of(metric: str, units: str) -> tuple[float, str]:
    """What takes a stored difference to the one shown, and the unit that it is then in.

    >>> unit_of("valid_error", "1"), unit_of("best_epoch", "1"), unit_of("test_ppl", "perplexity")
    ((100.0, 'percentage points'), (1.0, 'epochs'), (1.0, ''))
    >>> unit_of("test_accuracy", "%")
    (1.0, 'percentage points')
    """
    if metric in METRICS and METRICS[metric].counts:
        return 1.0, METRICS[metric].counts
    if units in _NO_UNITS:
        return 1.0, ""
    return (100.0 if units == "1" else 1.0, "percentage points") if units in ("1", "%") else (1.0, units)


#: what is measured itself, which goes without saying
_NO_UNITS = ("perplexity", "count", "counts")
#: what a head noun stands before
_AFTER_HEAD = re.compile(r" (?:of|per|in|on|for|at|by|with|from|after|until|to|over) ")


def agreeing(noun: str) -> tuple[str, str]:
    """The verb and the pronoun that agree with what a metric is called, as far as its letters say.

    >>> (
    ...     agreeing("validation error"),
    ...     agreeing("spelling errors per page"),
    ...     agreeing("loss"),
    ...     agreeing("number of steps"),
    ... )
    (('is', 'that'), ('are', 'those'), ('is', 'that'), ('is', 'that'))
    """
    head = _AFTER_HEAD.split(noun, maxsplit=1)[0]
    plural = head.endswith("s") and not head.endswith(("ss", "us", "is", "bias", "series"))
    return ("are", "those") if plural else ("is", "that")


#: what is called by more letters does not fit on an axis or in a table
_LONG = 40


def on_axis(metric: str, units: str, noun: str = "", long_name: str = "") -> str:
    """A metric and its unit, short enough for an axis or a table.

    >>> on_axis("valid_error", "1", "validation error"), on_axis("seconds", "s", "", "time of the run")
    ('validation error (%)', 'time of the run (s)')
    >>> (
    ...     on_axis("best_epoch", "1", "best epoch"),
    ...     on_axis("my_score", "", "", "a name that goes on and on, as some names do"),
    ... )
    ('best epoch', 'my score')
    """
    shift = unit_of(metric, units)[1]
    counts = METRICS[metric].counts if metric in METRICS else ""
    unit = "" if counts else "%" if shift == "percentage points" else shift
    called = noun or (long_name if len(long_name) <= _LONG else "") or metric.replace("_", " ")
    return f"{called} ({unit})" if unit else called


def with_unit(text: str, unit: str) -> str:
    """A number and its unit, which is singular after just 1.

    >>> with_unit("1", "percentage points"), with_unit("1.00", "percentage points"), with_unit("3", "")
    ('1 percentage point', '1.00 percentage points', '3')
    """
    one = text.lstrip("−") == "1" and unit in _PLURALS
    return f"{text} {unit.removesuffix('s') if one else unit}".rstrip()


_PLURALS = {"percentage points", *(about.counts for about in METRICS.values() if about.counts)}


def is_ratio(c: Compared) -> bool:
    """True where the arms are compared by a ratio, of their values or of their odds."""
    return c.scale != "linear"


def seen(c: Compared, value: float) -> float:
    """A difference on the comparison's scale as a reader sees it: in the unit shown, or as a ratio."""
    if is_ratio(c):
        return math.exp(value) if value < 700 else math.inf
    return unit_of(c.metric, c.units)[0] * value


def marks(c: Compared) -> tuple[float, float, float]:
    """No difference and the margin on either side of it, as seen: no rounding may hide on which side of them something lies."""
    return seen(c, -c.bound), seen(c, 0.0), seen(c, c.bound)


def difference(c: Compared, value: float, digits: int | None = None) -> str:
    """A difference on the scale in digits: ``−2.25``, or ``× 0.93``."""
    return f"× {ratio(c, value, digits)}" if is_ratio(c) else number(seen(c, value), digits, marks(c))


def ratio(c: Compared, value: float, digits: int | None = None) -> str:
    """A ratio in so many decimal places, or as many as show two significant digits: beside × 35, one of 0.07 is neither 0 nor 0.1."""
    shown = seen(c, value)
    return number(shown, None if digits is None else max(digits, decimals([shown], 2)), marks(c))


def read_off(c: Compared) -> tuple[Interval, float]:
    """The interval that the verdict is read off, and its α: the inner one for what is claimed, or found, to be absent."""
    absent = c.direction.startswith("not ") or c.verdict == "equivalent"
    if absent or (c.direction == "same" and c.verdict != "contradicted"):
        return c.inner, c.inner_alpha
    return c.interval, c.alpha


def shown_interval(c: Compared) -> tuple[Interval, float, bool]:
    """The interval to show with its α, and whether it is the t interval, where there are too few seeds for the other."""
    interval, alpha = read_off(c)
    return (interval, alpha, False) if math.isfinite(interval[0]) else (c.t_interval, c.alpha, True)


def typical(c: Compared, values: tuple[float, ...]) -> float:
    """An arm's mean: on a ratio's scale that of the logs, put back, so that two of them have the ratio that is shown.

    An arm whose values are all zero has the mean zero, whatever they count as.
    """
    if not any(values):
        return 0.0
    if not is_ratio(c):
        return math.fsum(value / len(values) for value in values)
    return float(stats.back(c.scale, float(on_scale(c, values).mean())))


def on_scale(c: Compared, values: tuple[float, ...]) -> npt.NDArray[np.float64]:
    """An arm's values, ``c.arm_values`` or ``c.against_values``, on the scale that they are compared on."""
    both: stats.Scaled | stats.Apart
    if c.paired:
        both = stats.scaled(c.arm_values, c.against_values, c.scale)
    else:
        both = stats.scaled_apart(c.arm_values, c.against_values, c.scale)
    return both.arm if values is c.arm_values else both.against


def held_against(c: Compared) -> float:
    """The α that the adjusted p counts against: the family's, or where looks were declared what could be spent by this one."""
    return c.family_alpha if c.spent is None else c.spent


def places(c: Compared) -> int:
    """Digits after the point that tell the mean difference and the ends of its interval apart."""
    return decimals([seen(c, value) for value in (c.mean_difference, *shown_interval(c)[0])])


def margin_in_words(c: Compared) -> str:
    """The margin as a reader is given it: ``0.500``, or ``× 1.05``; nothing where there is none."""
    if not c.bound:
        return ""
    return f"× {full(c.margin)}" if is_ratio(c) else full(unit_of(c.metric, c.units)[0] * c.margin)


def disagree(c: Compared) -> bool:
    """True where the mean difference and the Hodges–Lehmann shift lie apart by more than a quarter of the differences' spread."""
    spread = abs(c.mean_difference / c.d_z) if c.d_z else math.nan  # of samples that are not paired, too
    return abs(c.mean_difference - c.hodges_lehmann) > spread / 4
