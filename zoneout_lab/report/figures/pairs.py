"""Two arms compared seed by seed: the paired values, and their differences with the interval and the margin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from zoneout_lab.plot.differences import Shift, difference_axis, view
from zoneout_lab.report.arms import Arm
from zoneout_lab.report.figures.canvas import INK, LINE, PAPER, SOFT, Drawing, Panel, arm_colour
from zoneout_lab.report.figures.intervals import draw, marks
from zoneout_lab.report.figures.lines import MOST_SEEDS
from zoneout_lab.report.text import power, wrap
from zoneout_lab.results.numbers import number

_ROW, _FRAME, _LEAST = 15, 92, 230
_SPREAD = 20
_NAME = 24


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
    means: tuple[float, float],
    ylabel: str,
    log: bool = False,
    pair: str = "seed",
) -> Panel:
    """Each seed as a line from its value under ``against`` to its value under ``arm``; ``means`` (of ``against``, of ``arm``) as bars beside them.

    Above 30 seeds the lines would hide one another: a bar holds the middle half of them, and a thinner one the middle 90%. On a logarithmic axis equal
    ratios are equally steep; values that are not positive, or are all the same, turn it off. ``pair`` is what a pair is called.
    """
    left, right = np.asarray(against_values, float), np.asarray(arm_values, float)
    known = np.isfinite(left) & np.isfinite(right)
    left, right = left[known], right[known]
    with Drawing(name, height=_height(len(seeds))) as drawing:
        axes = drawing.axes
        if log and left.size and 0 < min(left.min(), right.min()) < max(left.max(), right.max()):
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0), numticks=6))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: power(value)))
        many = left.size > MOST_SEEDS
        for low, high in () if many else zip(left, right, strict=True):
            axes.plot([0, 1], [low, high], color=SOFT, linewidth=1, alpha=0.65, zorder=2)
        for place, (who, values, mean) in enumerate(((against, left, means[0]), (arm, right, means[1]))):
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
                axes.plot(aside, [mean] * 2, color=arm_colour(who), linewidth=3, solid_capstyle="butt", zorder=3)
                words = f"mean {number(mean)}"
                anchor = (sum(aside) / 2, mean)
                axes.annotate(words, anchor, (0, 5), textcoords="offset points", ha="center", fontsize=9.5)
        axes.set_xlim(-0.7, 1.7)
        axes.set_xticks([0, 1], [wrap(who.label, 20) for who in (against, arm)], color=INK)
        axes.grid(False, axis="x")
        axes.set_ylabel(wrap(ylabel, 30))
        if not known.any():
            axes.set_yticks([])
            axes.text(0.5, 0.5, "no pair was measured", color=SOFT, ha="center", va="center", transform=axes.transAxes)
        axes.set_title(f"Middle half and middle 90% of the {pair}s" if many else f"Values by {pair}")
    return drawing.panel(
        f"{ylabel} by {pair}, {against.label} and {arm.label}", _pairs_in_words(arm, against, left, right, means, pair)
    )


def _pairs_in_words(
    arm: Arm, against: Arm, left: np.ndarray, right: np.ndarray, means: tuple[float, float], pair: str
) -> str:
    if not left.size:
        return f"No {pair} has a value under both arms."
    return (
        f"{left.size} paired {pair}s. {against.label}: {number(left.min())} to {number(left.max())}, mean {number(means[0])}. "
        f"{arm.label}: {number(right.min())} to {number(right.max())}, mean {number(means[1])}. "
        f"{arm.label} is lower in {int((right < left).sum())} of them."
    )


def differences(
    name: str,
    seeds: Sequence[int],
    values: Sequence[float],
    arm: Arm,
    *,
    shift: Shift,
    levels: Sequence[str],
    xlabel: str,
    description: str,
    names: Sequence[str] = (),
    pair: str = "seed",
) -> Panel:
    """One row per seed with its difference ``values`` (as ``shift`` has them), then the mean in its intervals, which are called ``levels``.

    Pairs that are no seeds have ``names``, and are called by ``pair``.

    Above 30 seeds the differences are sorted, which shows their distribution, and the seeds are not named.
    """
    shown = np.asarray(values, float)
    many = len(seeds) > MOST_SEEDS
    rows = _rows(len(seeds))
    places = np.linspace(0, rows - 1, len(seeds)) if many else np.arange(rows)
    with Drawing(name, height=_height(len(seeds))) as drawing:
        axes = drawing.axes
        difference_axis(axes, view([shift], [*shown]), ratio=shift.ratio)
        marks(axes, shift.bound)
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
        draw(axes, rows + 0.4, shift)
        axes.set_ylim(rows + 1.2, -0.7)
        said = [_short(name) for name in names] or [f"seed {seed}" for seed in seeds]
        named: dict[float, str] = dict(enumerate(said))
        if many:
            named = {0: "lowest", (rows - 1) / 2: "median", rows - 1: "highest"}
        named[rows + 0.4] = "\n".join(levels)
        axes.set_yticks(list(named), list(named.values()))
        axes.grid(False, axis="y")
        axes.set_xlabel(wrap(xlabel, 44))
        axes.set_title(f"{'Ratios' if shift.ratio else 'Differences'}{', sorted' if many else f' by {pair}'}")
    return drawing.panel(
        f"Differences by {pair}, with intervals and margin",
        description if shown.size else "No difference was measured.",
    )


def _short(name: str) -> str:
    """The name of a block, as far as it fits beside an axis: its end tells it from its neighbours."""
    return name if len(name) <= _NAME else f"…{name[1 - _NAME :]}"
