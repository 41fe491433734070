"""Two arms compared seed by seed: the paired values, and their differences with the interval and the margin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from zoneout_lab.report.arms import Arm
from zoneout_lab.report.figures.canvas import BAND, INK, LINE, PAPER, SOFT, Drawing, Panel, arm_colour
from zoneout_lab.report.figures.lines import MOST_SEEDS
from zoneout_lab.report.text import wrap
from zoneout_lab.results.numbers import number

_ROW, _FRAME, _LEAST = 15, 92, 230
_SPREAD = 20


def _rows(seeds: int) -> int:
    """Rows of a panel: one for each seed, or as many as sorted differences are spread over."""
    return seeds if seeds <= MOST_SEEDS else _SPREAD


def _height(seeds: int) -> float:
    return max(_LEAST, _FRAME + _ROW * (_rows(seeds) + 2))


def pairs(
    name: str,
    seeds: Sequence[int],
    arm: Arm,
    against: Arm,
    arm_values: Sequence[float],
    against_values: Sequence[float],
    *,
    ylabel: str,
) -> Panel:
    """Each seed as a line from its value under ``against`` to its value under ``arm``; means as bars beside them.

    Above 30 seeds the lines would hide one another: a bar holds the middle half of them, and a thinner one the middle 90%.
    """
    left, right = np.asarray(against_values, float), np.asarray(arm_values, float)
    known = np.isfinite(left) & np.isfinite(right)
    left, right = left[known], right[known]
    with Drawing(name, height=_height(len(seeds))) as drawing:
        axes = drawing.axes
        many = left.size > MOST_SEEDS
        for low, high in () if many else zip(left, right, strict=True):
            axes.plot([0, 1], [low, high], color=SOFT, linewidth=1, alpha=0.65, zorder=2)
        for place, (who, values) in enumerate(((against, left), (arm, right))):
            marks: dict[str, Any] = {"color": arm_colour(who), "marker": who.style.marker, "linestyle": "none"}
            for tail, width in ((0.05, 4), (0.25, 12)) if many else ():
                ends = np.quantile(values, [tail, 1 - tail])
                colour = arm_colour(who)
                axes.plot([place] * 2, ends, color=colour, linewidth=width, alpha=0.55, solid_capstyle="butt", zorder=3)
            dots = [np.median(values)] if many else values
            axes.plot(
                [place] * len(dots),
                dots,
                markersize=6.5,
                markeredgecolor=PAPER,
                markeredgewidth=0.8,
                zorder=4,
                **marks,
            )
            if values.size:
                aside = (-0.64, -0.14) if place == 0 else (1.14, 1.64)
                axes.plot(
                    aside, [values.mean()] * 2, color=arm_colour(who), linewidth=3, solid_capstyle="butt", zorder=3
                )
                words = f"mean {number(float(values.mean()))}"
                anchor = (sum(aside) / 2, values.mean())
                axes.annotate(words, anchor, (0, 5), textcoords="offset points", ha="center", fontsize=9.5)
        axes.set_xlim(-0.7, 1.7)
        axes.set_xticks([0, 1], [wrap(who.label, 20) for who in (against, arm)], color=INK)
        axes.grid(False, axis="x")
        axes.set_ylabel(wrap(ylabel, 30))
        if not known.any():
            axes.set_yticks([])
            axes.text(0.5, 0.5, "no pair was measured", color=SOFT, ha="center", va="center", transform=axes.transAxes)
        axes.set_title("Middle half and middle 90% of the seeds" if many else "Values by seed")
    return drawing.panel(
        f"{ylabel} by seed, {against.label} and {arm.label}", _pairs_in_words(arm, against, left, right)
    )


def _pairs_in_words(arm: Arm, against: Arm, left: np.ndarray, right: np.ndarray) -> str:
    if not left.size:
        return "No seed has a value under both arms."
    return (
        f"{left.size} paired seeds. {against.label}: {number(left.min())} to {number(left.max())}, mean {number(left.mean())}. "
        f"{arm.label}: {number(right.min())} to {number(right.max())}, mean {number(right.mean())}. "
        f"{arm.label} is lower in {int((right < left).sum())} of them."
    )


def differences(
    name: str,
    seeds: Sequence[int],
    values: Sequence[float],
    arm: Arm,
    *,
    mean: float,
    interval: tuple[float, float],
    t_interval: tuple[float, float],
    level: str,
    margin: float,
    xlabel: str,
) -> Panel:
    """One row per seed with its difference, then the mean in both intervals; zero as a line, ±margin as a band.

    Above 30 seeds the differences are sorted, which shows their distribution, and the seeds are not named.
    """
    shown = np.asarray(values, float)
    many = len(seeds) > MOST_SEEDS
    rows = _rows(len(seeds))
    places = np.linspace(0, rows - 1, len(seeds)) if many else np.arange(rows)
    ends = [
        v for v in (*shown, mean, *interval, *t_interval, margin, -margin, 0.0) if math.isfinite(v) and abs(v) < 1e100
    ]
    reach = max(ends) - min(ends) or 1.0
    low, high = min(ends) - 0.08 * reach, max(ends) + 0.08 * reach
    with Drawing(name, height=_height(len(seeds))) as drawing:
        axes = drawing.axes
        if margin > 0 and math.isfinite(margin):
            axes.axvspan(-margin, margin, color=BAND, linewidth=0, zorder=0)
            for edge in (-margin, margin):
                axes.axvline(edge, color=SOFT, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
        axes.axvline(0, color=SOFT, linewidth=1, zorder=1)
        axes.axhline(rows - 0.4, color=LINE, linewidth=1)
        axes.plot(
            np.sort(shown) if many else shown,
            places,
            linestyle="none",
            marker=arm.style.marker,
            color=arm_colour(arm),
            markersize=3.5 if many else 6,
            markeredgewidth=0,
        )
        for place, (ends_of, width) in enumerate(((interval, 4.0), (t_interval, 1.6))):
            _interval(drawing, rows + 0.25 + place, mean, ends_of, width, (low, high))
        axes.set_xlim(low, high)
        axes.set_ylim(rows + 1.9, -0.7)
        if many:
            named = {0: "lowest", (rows - 1) / 2: "median", rows - 1: "highest"}
        else:
            named = {place: f"seed {seed}" for place, seed in enumerate(seeds)}
        named |= {rows + 0.25: f"sign-flip {level}", rows + 1.25: f"paired t {level}"}
        axes.set_yticks(list(named), list(named.values()))
        axes.grid(False, axis="y")
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(wrap(xlabel, 44))
        axes.set_title("Differences, sorted" if many else "Differences by seed")
    words = (
        f"Mean difference {number(mean)}; {level} sign-flip interval {number(interval[0])} to {number(interval[1])}, "
    )
    words += f"paired t interval {number(t_interval[0])} to {number(t_interval[1])}; margin ±{number(margin)}."
    return drawing.panel(
        "Differences by seed, with intervals and margin", words if shown.size else "No difference was measured."
    )


def _interval(
    drawing: Drawing, y: float, mean: float, ends: tuple[float, float], width: float, view: tuple[float, float]
) -> None:
    """A bar from end to end; an unbounded end is an arrow head at the edge of the view."""
    if not math.isnan(ends[0] + ends[1]) or all(math.isinf(end) for end in ends):
        drawn = [min(max(end, view[0]), view[1]) for end in ends]
        drawing.axes.plot(drawn, [y, y], color=INK, linewidth=width, solid_capstyle="butt", zorder=4)
        for end, head in zip(ends, ("<", ">"), strict=True):
            if math.isinf(end):
                drawing.axes.plot(view[head == ">"], y, head, color=INK, markersize=7, clip_on=False, zorder=5)
    if math.isfinite(mean):
        drawing.axes.plot(mean, y, "D", color=INK, markersize=6.5, markeredgecolor=PAPER, markeredgewidth=1, zorder=6)
