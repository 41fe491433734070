"""Every run as a dot on one axis, arm by arm, with the arm's mean and its interval below the dots."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from zoneout_lab.report.arms import Arm
from zoneout_lab.report.figures.canvas import HUGE, INK, PAPER, SOFT, Drawing, Panel, arm_colour
from zoneout_lab.report.text import power, wrap

_ROW, _FRAME = 30.0, 62.0


def strip(
    name: str,
    rows: Sequence[tuple[Arm, Sequence[float], float, tuple[float, float]]],
    *,
    xlabel: str,
    title: str,
    description: str,
) -> Panel:
    """``rows`` are arms with their runs' values, the mean and its interval, from top to bottom.

    The axis is logarithmic where the values are positive and span more than a factor of 20.
    """
    known = [v for _, values, *_ in rows for v in values if math.isfinite(v) and abs(v) < HUGE]
    log = bool(known) and min(known) > 0 and max(known) > 20 * min(known)
    with Drawing(name, height=_FRAME + _ROW * len(rows)) as drawing:
        axes = drawing.axes
        if log:
            axes.set_xscale("log")
        low, high = _limits(known, [end for *_, interval in rows for end in interval], log=log)
        axes.set_xlim(low, high)
        for place, (arm, values, mean, interval) in enumerate(rows):
            shown = np.array([v for v in values if low <= v <= high])
            axes.plot(
                shown, place - 0.14 + _apart(shown.size), linestyle="none", marker=arm.style.marker, color=arm_colour(arm), alpha=0.8,
                markersize=5.5, markeredgecolor=PAPER, markeredgewidth=0.5, zorder=3,
            )  # fmt: skip
            if all(math.isfinite(end) for end in interval):
                axes.plot(np.clip(interval, low, high), [place + 0.27] * 2, color=INK, linewidth=1.6, zorder=4)
                for beyond, at, head in ((interval[0] < low, low, "<"), (interval[1] > high, high, ">")):
                    if beyond:
                        axes.plot(at, place + 0.27, head, color=INK, markersize=6, clip_on=False, zorder=5)
            if low <= mean <= high:
                axes.plot(mean, place + 0.27, "o", color=INK, markersize=5, zorder=5)
        for place in range(1, len(rows)):
            axes.axhline(place - 0.5, color=SOFT, linewidth=0.3, alpha=0.4)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_yticks(range(len(rows)), [wrap(arm.label, 20, 2) for arm, *_ in rows], color=INK)
        axes.grid(False, axis="y")
        if not known:
            axes.set_xticks([])
            axes.text(0.5, 0.5, "no run has a value", color=SOFT, ha="center", va="center", transform=axes.transAxes)
        elif log:
            axes.xaxis.set_major_locator(LogLocator(10, numticks=6))
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: power(value)))
        else:
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
        axes.set_xlabel(wrap(xlabel, 44))
    return drawing.panel(title, description)


def _limits(known: Sequence[float], ends: Sequence[float], *, log: bool) -> tuple[float, float]:
    """Every value, and the ends of the intervals as far as they leave the values half of the axis."""
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    least, most = (
        (low * (low / high) ** 0.5, high * (high / low) ** 0.5)
        if log
        else (low - (high - low) / 2, high + (high - low) / 2)
    )
    near = [float(np.clip(end, least, most)) for end in ends if math.isfinite(end)]
    low, high = min([low, *near]), max([high, *near])
    if log:
        room = (high / low) ** 0.04
        return low / room, high * room
    room = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    return low - room, high + room


def _apart(count: int) -> np.ndarray:
    """Heights that keep runs of one arm from hiding one another, the same every time."""
    return 0.26 * (np.arange(count) * 0.6180339887 % 1 - 0.5)
