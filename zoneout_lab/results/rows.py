"""One comparison as a row: the numbers for a data frame, and what a reader is shown of them in a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from zoneout_lab import stats
from zoneout_lab.results.compared import Compared
from zoneout_lab.results.legible import label, legible
from zoneout_lab.results.numbers import ABSENT, decimals, number, p_value
from zoneout_lab.results.shown import (
    difference,
    held_against,
    is_ratio,
    margin_in_words,
    on_axis,
    on_scale,
    places,
    ratio,
    seen,
    shown_interval,
    typical,
    unit_of,
)

LEVEL = 0.05  # α of the intervals about each arm's own mean

#: marks beside a row's cells → what the note below the table says of them
MARKS = {
    "*": "exploratory: not declared before the runs",
    "†": "the differences look skewed, an arm has an outlier, or the arms differ in spread: the interval may cover less than it says",
    "‡": "a t interval, which assumes normal differences: too few seeds for a sign-flip interval, or too few runs for a permutation interval",
    "§": "over all tasks, the mean of each task's mean difference divided by the root mean square of its differences: −1 to 1",
}
#: the columns of a data frame, in their order
NUMBERS = (
    "hypothesis", "statement", "arm", "against", "metric", "units", "seeds", "lost", "arm_runs", "against_runs", "arm_mean", "arm_low", "arm_high", "against_mean",
    "against_low", "against_high", "scale", "difference", "low", "high", "interval", "level", "d_z", "direction", "margin", "p", "p_groups", "p_adjusted",
    "family", "verdict", "declared", "sentence",
)  # fmt: skip
#: those of hypotheses over several tasks
OVER_TASKS = ("task", "standardised")
ALL_TASKS = "all tasks"


@dataclass(frozen=True)
class OverAllTasks:
    """What stands in the row of all tasks, beside what its hypothesis says of each of them."""

    noun: str
    pairs: int
    standardised: float
    p: float
    p_adjusted: float
    alpha: float
    verdict: str
    sentence: str


@dataclass(frozen=True)
class Entry:
    """A comparison to be shown in a row, and where it is that of a declared hypothesis its ``name`` and ``statement``.

    Of a hypothesis over several tasks it is that on one ``task``, with what is said ``over`` all; without a ``task`` it is the row of all of them, and ``compared`` is on any.
    """

    compared: Compared
    name: str = ""
    statement: str = ""
    task: str = ""
    over: OverAllTasks | None = None


def numbers(entry: Entry) -> dict[str, Any]:
    """The row of a data frame: values, means and linear differences as measured, in ``units``; on the other scales ``difference`` and its ends are ratios."""
    if entry.over is not None:
        return _numbers_over(entry, entry.over)
    return _numbers(entry)


def _numbers_over(entry: Entry, over: OverAllTasks) -> dict[str, Any]:
    row = _numbers(entry)
    if entry.task:
        return row | {"task": entry.task, "standardised": math.nan}
    kept = ("hypothesis", "statement", "arm", "against", "direction", "margin", "scale", "family", "declared")
    texts = ("metric", "units", "interval")
    return {
        **{name: row[name] if name in kept else "" if name in texts else math.nan for name in row},
        "metric": over.noun,
        "seeds": over.pairs,
        "p": over.p,
        "p_adjusted": over.p_adjusted,
        "verdict": over.verdict,
        "sentence": over.sentence,
        "task": ALL_TASKS,
        "standardised": over.standardised,
    }


def _numbers(entry: Entry) -> dict[str, Any]:
    c = entry.compared
    (low, high), alpha, normal = shown_interval(c)
    nothing = not c.measured

    def told(value: float) -> float:
        return math.nan if nothing else (seen(c, value) if is_ratio(c) else value)

    means: dict[str, float] = {}
    for who, values in (("arm", c.arm_values), ("against", c.against_values)):
        ends = _ends(c, values)
        means |= {
            f"{who}_mean": math.nan if nothing else typical(c, values),
            f"{who}_low": ends[0],
            f"{who}_high": ends[1],
        }
    return {
        "hypothesis": entry.name,
        "statement": entry.statement,
        "arm": c.arm,
        "against": c.against,
        "metric": c.metric,
        "units": c.units,
        "seeds": len(c.seeds) if c.paired else math.nan,
        "lost": len(c.lost) + len(c.absent) if c.paired else math.nan,
        "arm_runs": len(c.arm_values),
        "against_runs": len(c.against_values),
        **means,
        "scale": c.scale,
        "difference": told(c.mean_difference),
        "low": told(low),
        "high": told(high),
        "interval": "t" if normal else "sign-flip" if c.paired else "permutation",
        "level": 1 - alpha,
        "d_z": c.d_z,
        "direction": c.direction,
        "margin": c.margin,
        "p": c.p,
        "p_groups": c.p_groups,
        "p_adjusted": c.p_adjusted,
        "family": c.family,
        "verdict": c.verdict,
        "declared": c.declared,
        "sentence": c.sentence,
    }


def texts(entry: Entry) -> dict[str, str]:
    """The cells of a table for readers, by what they are."""
    if entry.over is not None:
        return _texts_over(entry, entry.over)
    return _texts(entry)


def _texts_over(entry: Entry, over: OverAllTasks) -> dict[str, str]:
    row, c = _texts(entry), entry.compared
    if entry.task:
        # the unit stands beside the task: those of two tasks may differ
        unit = row["metric"].removeprefix(on_axis(c.metric, "", c.noun, c.long_name))
        return row | {"metric": over.noun, "task": f"{entry.task}{unit}"}
    return row | {
        "metric": over.noun,
        "task": ALL_TASKS,
        "n": str(over.pairs),
        "arm_mean": ABSENT,
        "against_mean": ABSENT,
        "difference": f"{number(over.standardised)}§" if math.isfinite(over.standardised) else ABSENT,
        "p_groups": "",
        "p": p_value(over.p_adjusted, [over.alpha]),
        "verdict": over.verdict,
    }


def _texts(entry: Entry) -> dict[str, str]:
    c = entry.compared
    (low, high), _, normal = shown_interval(c)
    mean = ABSENT
    if c.measured:
        mean = difference(c, c.mean_difference, places(c))
        if math.isfinite(low):
            ends = [ratio(c, end, places(c)) if is_ratio(c) else difference(c, end, places(c)) for end in (low, high)]
            mean += f" [{ends[0]}, {ends[1]}]{'‡' * normal}"
    ours, theirs = _means(c)
    return {
        "metric": on_axis(c.metric, c.units, c.noun, c.long_name),
        "arm": c.arm_label or label(c.arm),
        "against": c.against_label or label(c.against),
        "n": _how_many(c),
        "arm_mean": ours,
        "against_mean": theirs,
        "difference": mean + "†" * bool(c.cautions and c.measured),
        "claim": _claim(c),
        "p_groups": p_value(c.p_groups, [c.alpha]) if c.groups else "",
        "p": p_value(c.p_adjusted, [held_against(c)]),
        "verdict": c.verdict + "*" * (not c.declared),
        "task": "",
        "hypothesis": legible(entry.name.replace("_", " ")),
    }


def units_of(compared: Sequence[Compared]) -> str:
    """What the values of these comparisons are of: ``seed``, ``block (dataset × fold)`` or ``run``; nothing where they differ in that."""
    found = {
        "run" if not c.paired else f"block ({' × '.join(map(legible, c.by))})" if c.by else "seed" for c in compared
    }
    return found.pop() if len(found) == 1 else ""


def _how_many(c: Compared) -> str:
    if not c.paired:
        return f"{len(c.arm_values)} and {len(c.against_values)}"
    whole = len(c.seeds) + len(c.lost) + len(c.absent)
    return f"{len(c.seeds)} of {whole}" if whole > len(c.seeds) else str(len(c.seeds))


def _claim(c: Compared) -> str:
    margin = margin_in_words(c)
    if not margin:
        return c.direction
    within = f"{margin}" if is_ratio(c) else f"± {margin}"
    return f"{c.direction}, margin {within}"


def _means(c: Compared) -> tuple[str, str]:
    """Both arms' means with their intervals, in as many digits: ``20.3 ± 0.6``, or on a ratio's scale ``0.41 [0.38, 0.45]``."""
    if not c.measured:
        return ABSENT, ABSENT
    factor = unit_of(c.metric, c.units)[0]
    both = [
        (factor * typical(c, values), tuple(factor * end for end in _ends(c, values)))
        for values in (c.arm_values, c.against_values)
    ]
    widths = [(high - low) / 2 for _, (low, high) in both if math.isfinite(high - low) and high > low]
    if not widths:
        digits = None if is_ratio(c) else places(c)
        return tuple(number(mean, digits) for mean, _ in both)  # type: ignore[return-value]
    digits = decimals(widths, 2)
    return tuple(_with_ends(mean, ends, digits, ratio=is_ratio(c)) for mean, ends in both)  # type: ignore[return-value]


def _with_ends(mean: float, ends: tuple[float, ...], digits: int, *, ratio: bool) -> str:
    low, high = ends
    text = number(mean, digits)
    if not math.isfinite(high - low):
        return text
    return (
        f"{text} [{number(low, digits)}, {number(high, digits)}]"
        if ratio
        else f"{text} ± {number((high - low) / 2, digits)}"
    )


def _ends(c: Compared, values: tuple[float, ...]) -> tuple[float, float]:
    """The 95% t interval of an arm's mean, as measured; on a ratio's scale that of the mean of the logs, put back."""
    if len(values) < 2:
        return math.nan, math.nan
    low, high = stats.back(c.scale, stats.t_interval(on_scale(c, values), LEVEL))
    return float(low), float(high)
