"""A comparison in one plain sentence, and in a short line that means the same, made from its numbers and nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence

from zoneout_lab import stats
from zoneout_lab.metrics import METRICS
from zoneout_lab.results.comparison import Comparison
from zoneout_lab.results.numbers import decimals, full, number, p_value, percent, sides


def sentence(c: Comparison, arm: str, against: str) -> str:
    """The comparison of ``arm`` with ``against`` (as prose calls them) in one sentence ending in the verdict.

    Fractions are given in percentage points. Where seeds are too few for a sign-flip interval, the t interval stands in, with
    what it assumes, and the sentence says how many seeds would do.
    """
    noun, n = c.noun or c.long_name, len(c.seeds)
    if n == 0:
        return _end(f"No seed has the {noun} of both {arm} and {against}", _lost(c), c)
    if c.mean_difference == 0:
        head = f"the {noun} of {arm} and of {against} is the same on average"
    else:
        head = f"the {noun} of {arm} is {_shift(c)} than that of {against}"
    notes = [*_difference(c), *_margin(c), _p_values(c), *_equal(c)]
    if c.skewed:
        notes.append("the differences look skewed, so the interval may cover less than it says")
    notes += _lost(c)
    return _end(f"Over {n} paired seed{'s' * (n != 1)}, {head}", notes, c)


def short(c: Comparison, arm: str, against: str) -> str:
    """The metric, both values, which is higher or lower and by how much, and the interval: a line that means what the sentence does."""
    if not c.seeds:
        return "; ".join(["no seed has both values", *_lost(c)])
    places = _scaled(c)[3]
    ours, theirs = (math.fsum(value / len(c.seeds) for value in values) for values in (c.arm_values, c.against_values))
    noun = c.noun or c.long_name
    values = f"{noun} {_value(c, ours, places, theirs)} for {arm}, {_value(c, theirs, places, ours)} for {against}"
    head = "the same on average" if c.mean_difference == 0 else f"{arm} is {_shift(c)}"
    notes = [*_interval(c), *_margin(c), *_equal(c), *(["differences look skewed"] if c.skewed else []), *_lost(c)]
    return f"{values}: {head}" + (f" ({'; '.join(notes)})" if notes else "")


def unit_of(metric: str, units: str) -> tuple[float, str]:
    """What takes a stored difference to the one shown, and the unit that it is then in.

    >>> unit_of("valid_error", "1"), unit_of("best_epoch", "1"), unit_of("test_ppl", "perplexity")
    ((100.0, 'percentage points'), (1.0, 'epochs'), (1.0, ''))
    """
    if metric in METRICS and METRICS[metric].counts:
        return 1.0, METRICS[metric].counts
    if units == "perplexity":  # is what is measured, and its own unit
        return 1.0, ""
    return (100.0, "percentage points") if units == "1" else (1.0, units)


def _shift(c: Comparison) -> str:
    mean, _, _, places = _scaled(c)
    side = "lower" if mean < 0 else "higher"
    return " ".join(part for part in (number(abs(mean), places, [0.0]), unit_of(c.metric, c.units)[1], side) if part)


def _value(c: Comparison, value: float, places: int, other: float) -> str:
    factor, unit = unit_of(c.metric, c.units)
    text = number(factor * value, places, [factor * other])
    return f"{text}%" if unit == "percentage points" else f"{text} {unit}".rstrip()


def _difference(c: Comparison) -> list[str]:
    mean, _, _, places = _scaled(c)
    return [", ".join([f"difference {number(mean, places, _sides(c))}", *_interval(c)])]


def _interval(c: Comparison) -> list[str]:
    """The interval of the difference, in the digits that show where it lies; nothing where there is none."""
    _, low, high, places = _scaled(c)
    normal = not math.isfinite(c.interval[0])
    if not math.isfinite(low):
        return []
    low_end, high_end = (number(end, places, _sides(c)) for end in (low, high))
    text = f"{percent(c.alpha)} {'t ' if normal else ''}interval {low_end} to {high_end}"
    return [text + (", which assumes normal differences" if normal else "")]


def _sides(c: Comparison) -> tuple[float, float, float]:
    return sides(unit_of(c.metric, c.units)[0] * c.margin)


def _margin(c: Comparison) -> list[str]:
    return [f"margin {full(unit_of(c.metric, c.units)[0] * c.margin)}"] if c.margin > 0 else []


def _equal(c: Comparison) -> list[str]:
    return [f"all {len(c.seeds)} differences are equal"] if c.constant else []


def _scaled(c: Comparison) -> tuple[float, float, float, int]:
    """Mean, low and high as a reader is given them, and their decimal places."""
    factor, _ = unit_of(c.metric, c.units)
    interval = c.interval if math.isfinite(c.interval[0]) else c.t_interval
    mean, low, high = (factor * value for value in (c.mean_difference, *interval))
    return mean, low, high, decimals([mean, low, high])


def _p_values(c: Comparison) -> str:
    if c.verdict == "underpowered":
        if c.smallest_p <= c.alpha:
            return f"no verdict is given on fewer than {stats.MINIMUM_SEEDS} seeds"
        best = p_value(c.smallest_p, [c.alpha])
        return f"p can reach {best} at best and {p_value(c.alpha, [c.smallest_p])} is needed"
    text = f"p = {p_value(c.p, [c.alpha])}"
    if c.p_error > 0:
        text += f" ± {number(c.p_error)} by {c.method}"
    if c.family > 1 or c.margin > 0:
        among = f" among {c.family} hypotheses" if c.family > 1 else ""
        text += f", and {p_value(c.p_adjusted, [c.family_alpha])} for the verdict{among}"
    return text


def _lost(c: Comparison) -> list[str]:
    notes = []
    if c.lost:
        text = f"{_seeds(c.lost)} {_are(c.lost)} lost"
        if c.diverged:
            count = len(c.diverged)
            text += f", {count} run{'s' * (count != 1)} diverged"
        notes.append(text)
    if c.absent:
        notes.append(f"{_seeds(c.absent)} of the study {_are(c.absent)} not among these results")
    return notes


def _end(head: str, notes: Sequence[str], c: Comparison) -> str:
    body = f"{head} ({'; '.join(notes)})" if notes else head
    advice = ""
    if c.verdict == "underpowered" and stats.can_decide(stats.EXACT_UP_TO, c.alpha):
        advice = f", where {stats.seeds_needed(c.alpha)} paired seeds would be enough to decide"
    standing = "" if c.declared else " (exploratory: not declared before the runs)"
    return f"{body}: {c.verdict}{advice}{standing}."


def _seeds(seeds: Sequence[int]) -> str:
    *most, last = [str(seed) for seed in seeds]
    return f"seeds {', '.join(most)} and {last}" if most else f"seed {last}"


def _are(seeds: Sequence[int]) -> str:
    return "are" if len(seeds) > 1 else "is"
