"""A forest plot: differences with their intervals, one below the other, each with its verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.plot.differences import HUGE, Shift, difference_axis, shift, view
from zoneout_lab.plot.looks import (
    SOFT,
    VERDICTS,
    axes_of,
    height_of,
    ink,
    name_axes,
    nothing,
    points,
    width_of,
    words,
    wrapped,
)
from zoneout_lab.results.comparison import Comparison
from zoneout_lab.results.judgement import Judgement
from zoneout_lab.results.legible import label, legible
from zoneout_lab.results.shown import is_ratio, on_axis, on_scale, unit_of

_ROW, _FRAME = 0.5, 0.8  # inches of a row, and of everything around them
_LEAST = 4.5  # points of letters that can be read


@dataclass(frozen=True)
class _Row:
    words: str
    shift: Shift
    verdict: str = ""


def forest(comparisons: Any, ax: Axes | None = None) -> Axes:
    """Differences with their intervals and, shaded, their margins, from top to bottom, with the verdict of each.

    The thin bar is the interval that differences are read off, the thick one the inner interval for their absence; a dashed bar is a t interval, where there
    are too few seeds for the others. Comparisons on several metrics, or scales, have no unit in common: each is then drawn in
    standard deviations of its own paired differences or, where runs are not paired, of the runs of an arm, pooled over the two.

    Args:
        comparisons: of :func:`~zoneout_lab.judge`, :func:`~zoneout_lab.compare_family` or :func:`~zoneout_lab.compare`; or tuples (label,
            difference, low, high).
        ax: the axes to draw on; by default those of a new figure.

    Returns:
        The axes.

    Raises:
        InputRefusedError: other things than comparisons.

    >>> from matplotlib.figure import Figure
    >>> axes = forest([("zoneout", -2.0, -3.1, -0.9), ("dropout", -0.5, -2.0, 1.0)], Figure().add_subplot())
    >>> [text.get_text() for text in axes.texts]
    ['zoneout', 'dropout']
    """
    given = [comparisons] if isinstance(comparisons, Comparison | Judgement) else _listed(comparisons)
    compared = [each.comparison if isinstance(each, Judgement) else each for each in given]
    if all(isinstance(each, Comparison) for each in compared):
        rows, x, ratio, better = _of_comparisons(compared)
    else:
        rows, x, ratio, better = [_of_tuple(each) for each in given], "", False, ""
    axes = axes_of(ax, 5.0, _FRAME + _ROW * max(1, len(rows)))
    _draw(axes, rows, ratio=ratio, better=better)
    name_axes(axes, x)
    return axes


def _listed(comparisons: Any) -> list[Any]:
    if not isinstance(comparisons, Iterable) or isinstance(comparisons, str):
        raise InputRefusedError(
            f"A forest plot is of comparisons, or of tuples (label, difference, low, high); got {comparisons!r}."
        )
    return list(comparisons)


def _of_tuple(given: Any) -> _Row:
    try:
        name, mean, low, high = given
        ends = float(low), float(high)
        return _Row(label(name), Shift(float(mean), ends, ends, ends, 0.0))
    except (TypeError, ValueError) as error:
        raise InputRefusedError(
            f"A forest plot is of comparisons, or of tuples (label, difference, low, high), all of one kind; got {given!r:.200}."
        ) from error


def _of_comparisons(compared: Sequence[Comparison]) -> tuple[list[_Row], str, bool, str]:
    """The rows, what the axis is called, whether it is of ratios, and which way is better."""
    arms = [f"{c.arm_label or label(c.arm)} – {c.against_label or label(c.against)}" for c in compared]
    nouns = [on_axis(c.metric, c.units, c.noun, c.long_name) for c in compared]
    better = {c.better for c in compared}
    side = better.pop() if len(better) == 1 else ""
    if len({(c.metric, c.scale) for c in compared}) <= 1:
        rows = [_Row(name, shift(c), c.verdict) for name, c in zip(arms, compared, strict=True)]
        if not compared:
            return rows, "", False, ""
        c = compared[0]
        noun = legible(c.noun) or on_axis(c.metric, "", long_name=c.long_name)  # the unit is that of differences
        unit = "" if is_ratio(c) else unit_of(c.metric, c.units)[1]
        what = {"linear": "difference in", "log": "ratio of", "logit": "odds ratio of"}[c.scale]
        return rows, f"{what} {noun}{f' ({unit})' if unit else ''}", is_ratio(c), side
    rows = [
        _Row(
            f"{noun.partition(' (')[0] if len(set(nouns)) == len({n.partition(' (')[0] for n in nouns}) else noun}: {name}",
            _in_sd(c),
            c.verdict,
        )
        for name, noun, c in zip(arms, nouns, compared, strict=True)
    ]
    of = {True: " of differences", False: " of an arm's runs"}
    paired = {c.paired for c in compared}
    return rows, f"mean difference / standard deviation{of[paired.pop()] if len(paired) == 1 else ''}", False, side


def _in_sd(c: Comparison) -> Shift:
    """A comparison in standard deviations of its differences, or of the runs that are not paired, whatever its unit; NaN where they are all equal."""
    if not c.paired:
        sd = _pooled(c)
    elif c.d_z and math.isfinite(c.d_z):
        sd = abs(c.mean_difference / c.d_z)
    else:
        sd = float(np.std(c.differences, ddof=1)) if len(c.differences) > 1 else math.nan
    scale = 1 / sd if sd else math.nan

    def scaled(interval: tuple[float, float]) -> tuple[float, float]:
        return scale * interval[0], scale * interval[1]

    return Shift(
        scale * c.mean_difference,
        scaled(c.interval),
        scaled(c.inner),
        scaled(c.t_interval),
        scale * c.bound if c.bound else 0.0,
    )


def _pooled(c: Comparison) -> float:
    """The standard deviation of an arm's runs on the scale, as if it were the same in both."""
    samples = on_scale(c, c.arm_values), on_scale(c, c.against_values)
    free = sum(map(len, samples)) - 2
    if not c.measured or free < 1:
        return math.nan
    return math.sqrt(sum(float(((each - each.mean()) ** 2).sum()) for each in samples) / free)


def _draw(axes: Axes, rows: Sequence[_Row], *, ratio: bool, better: str) -> None:
    """Everything is laid out in points: from the top of its band a row has its words, and its bar at the bottom."""
    axes.set_yticks([])
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    if not rows:
        nothing(axes, "no comparison")
        return
    difference_axis(axes, view([row.shift for row in rows]), ratio=ratio)
    size, lines, room = _fitted(axes, rows)
    foot = 1.7 * size if rows[0].verdict else 0.5 * size
    band = max(1.0, (height_of(axes) - foot) / len(rows))
    axes.set_ylim(len(rows) + foot / band, 0)
    for place, row in enumerate(rows):
        y, half = place + 1 - 0.85 * size / band, 0.5 * size / band
        _marks(axes, row.shift.bound, y - half, y + half)
        at = y - half - 0.25 * size / band
        look: Any = {"xycoords": ("axes fraction", "data"), "va": "bottom", "fontsize": size}
        axes.annotate(wrapped(row.words, room, size, lines), (0, at), color=ink(), parse_math=False, **look)
        if row.verdict:
            colour = VERDICTS.get(row.verdict, SOFT)
            axes.annotate(words(row.verdict), (1, at), color=colour, ha="right", fontweight="bold", **look)
        if math.isfinite(row.shift.mean):
            _bar(axes, y, row.shift)
        else:
            axes.annotate(words("nothing to draw"), (0.5, y), ha="center", color=SOFT, **look | {"va": "center"})
    if rows[0].verdict:
        sides = {"lower": ("better", "worse"), "higher": ("worse", "better")}.get(better, ("lower", "higher"))
        for end, text in ((0.0, f"← {sides[0]}"), (1.0, f"{sides[1]} →")):
            axes.annotate(
                words(text), (end, 0), (0, 0.3 * size), xycoords="axes fraction", textcoords="offset points", ha="right" if end else "left", color=SOFT,
                fontsize=size,
            )  # fmt: skip


def _fitted(axes: Axes, rows: Sequence[_Row]) -> tuple[float, int, float]:
    """The largest letters with which every row's words fit above its bar: their size, how many lines of them a row has, and how long one may be, in points."""
    verdict, size = max(len(row.verdict) for row in rows), points("small")
    while True:
        room = width_of(axes) - (0.66 * verdict + 1) * size
        lines = max(wrapped(row.words, room, size).count("\n") + 1 for row in rows)
        if size <= _LEAST or len(rows) * (1.25 * lines + 2.0) * size + 1.7 * size <= height_of(axes):
            return size, lines, room
        size = max(_LEAST, 0.93 * size)


def _marks(axes: Axes, bound: float, top: float, bottom: float) -> None:
    """No difference, and the margin on either side of it."""
    if bound > 0 and math.isfinite(bound):
        axes.fill_between([-bound, bound], top, bottom, color=SOFT, alpha=0.25, linewidth=0, zorder=0)
    axes.plot([0, 0], [top, bottom], color=SOFT, linewidth=1, zorder=1, scalex=False, scaley=False)


def _bar(axes: Axes, y: float, row: Shift) -> None:
    """The outer interval thin and the inner one thick about the mean; the t interval dashed where there is neither. Beyond the axis it ends in an arrowhead."""
    ends = axes.get_xlim()
    bars: list[tuple[tuple[float, float], float, Any]] = (
        [(row.t, 1.3, (0, (3, 2)))]
        if row.few
        else [(row.outer, 1.3, "-"), *([(row.inner, 3.6, "-")] if row.inner != row.outer else [])]
    )
    for (low, high), width, dashes in bars:
        if not (math.isfinite(low) and math.isfinite(high)):
            continue
        drawn = np.clip([low, high], *ends)
        axes.plot(drawn, [y, y], color=ink(), linewidth=width, linestyle=dashes, solid_capstyle="butt", zorder=4)
        for beyond, at, head in ((low < ends[0], ends[0], "<"), (high > ends[1], ends[1], ">")):
            if beyond:
                axes.plot(at, y, head, color=ink(), markersize=4, clip_on=False, zorder=5)
    if math.isfinite(row.mean) and abs(row.mean) < HUGE:
        axes.plot(
            row.mean,
            y,
            "o",
            color=ink(),
            markersize=5,
            markeredgecolor=axes.get_facecolor(),
            markeredgewidth=0.8,
            zorder=6,
        )
