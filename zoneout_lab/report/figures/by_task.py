"""One comparison on several tasks: the difference on each with its interval, and how the runs of both arms are spread over them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from zoneout_lab.report.arms import Arm
from zoneout_lab.report.figures.canvas import BAND, INK, PAPER, SOFT, Drawing, Panel, arm_colour
from zoneout_lab.report.text import wrap
from zoneout_lab.results.numbers import number

_ROW, _FRAME = 40.0, 84.0


@dataclass(frozen=True)
class OnTask:
    """A task's difference and its interval on the axis, and the words at the end of its row."""

    task: str
    mean: float
    interval: tuple[float, float]
    words: str


def by_task(
    name: str,
    rows: Sequence[OnTask],
    *,
    margin: float,
    ratio: bool,
    xlabel: str,
    sides: tuple[str, str],
    title: str,
) -> Panel:
    """A row for each task; zero (of logs, where ``ratio``) as a line, ±``margin`` as a band. An interval that goes on beyond the axis ends in an arrow head."""
    low, high = _view(rows, margin)
    with Drawing(name, height=_FRAME + _ROW * len(rows)) as drawing:
        axes = drawing.axes
        for place, row in enumerate(rows):
            # in short pieces: a line through the words above them could not be told from a letter
            ends = place - 0.02, place + 0.4
            if margin > 0:
                axes.fill_between([-margin, margin], *ends, color=BAND, linewidth=0, zorder=0)
            axes.plot([0, 0], ends, color=SOFT, linewidth=1.2, zorder=1)
            start, end = (min(max(bound, low), high) for bound in row.interval)
            if not any(map(math.isnan, row.interval)):
                axes.plot([start, end], [place + 0.15] * 2, color=INK, linewidth=3, solid_capstyle="butt", zorder=4)
                for beyond, at, head in ((row.interval[0] < low, low, "<"), (row.interval[1] > high, high, ">")):
                    if beyond:
                        axes.plot(at, place + 0.15, head, color=INK, markersize=6, clip_on=False, zorder=5)
            if math.isfinite(row.mean):
                axes.plot(row.mean, place + 0.15, "o", color=INK, markersize=8, markeredgecolor=PAPER, zorder=6)
            for at, text, side in ((0, wrap(row.task, 30, 1), "left"), (1, row.words, "right")):
                axes.annotate(
                    text, (at, place - 0.25), xycoords=("axes fraction", "data"), va="center", ha=side,
                    color=INK if side == "left" else SOFT, fontsize=10.5,
                )  # fmt: skip
        axes.set_xlim(low, high)
        axes.set_ylim(len(rows) - 0.5, -0.55)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(False)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"× {math.exp(value):.3g}" if ratio else f"{value:g}".replace("-", "−"))
        )
        axes.set_xlabel(wrap(xlabel, 54))
        for at, words in ((0, f"← {sides[0]}"), (1, f"{sides[1]} →")):
            axes.annotate(
                words, (at, 1), (0, 4), xycoords="axes fraction", textcoords="offset points",
                ha="left" if at == 0 else "right", va="bottom", color=SOFT, fontsize=10.5,
            )  # fmt: skip

    def said(value: float) -> str:
        return f"× {number(math.exp(value))}" if ratio and math.isfinite(value) else number(value)

    words = "; ".join(
        f"{r.task}: {said(r.mean)}, interval {said(r.interval[0])} to {said(r.interval[1])}" for r in rows
    )
    return drawing.panel(title, f"{words}.")


def _view(rows: Sequence[OnTask], margin: float) -> tuple[float, float]:
    """Ends of an axis with every mean and margin, and of the intervals all but what would dwarf the rest."""
    known = [0.0, margin, -margin, *(row.mean for row in rows if math.isfinite(row.mean))]
    widths = sorted(r.interval[1] - r.interval[0] for r in rows if all(map(math.isfinite, r.interval)))
    reach = max(max(known) - min(known), 3 * widths[len(widths) // 2] if widths else 0.0)
    ends = [end for row in rows for end in row.interval if math.isfinite(end)]
    low = min([*known, *(max(end, min(known) - reach) for end in ends)])
    high = max([*known, *(min(end, max(known) + reach) for end in ends)])
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room


def profile(
    name: str,
    thresholds: npt.NDArray[np.float64],
    parts: Sequence[tuple[Arm, npt.NDArray[np.float64]]],
    *,
    xlabel: str,
    side: str,
) -> Panel:
    """The part of each arm's runs that are better (or higher: ``side``) than a threshold: the curve further right is the better one."""
    with Drawing(name, height=230) as drawing:
        axes = drawing.axes
        for arm, values in parts:
            axes.plot(
                thresholds,
                100 * values,
                color=arm_colour(arm),
                linestyle=(0, arm.style.dash or (1, 0)),
                linewidth=2,
                drawstyle="steps-mid",
            )
        axes.axvline(0, color=SOFT, linewidth=1, zorder=1)
        axes.set_ylim(0, 102)
        axes.set_xlim(float(thresholds[0]), float(thresholds[-1]))
        axes.set_xlabel(wrap(xlabel, 50))
        axes.set_ylabel(f"runs that are {side} (%)")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    middle = int(np.abs(thresholds).argmin())
    words = "; ".join(
        f"{arm.label}: {number(100 * float(values[middle]))}% of the runs beyond 0" for arm, values in parts
    )
    return drawing.panel("Performance profile", f"{words}.")
