"""A difference with its intervals, drawn: on an axis of differences, or of ratios, with the margin shaded about "no difference"."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from zoneout_lab.plot.differences import HUGE, Shift
from zoneout_lab.report.figures.canvas import BAND, INK, PAPER, SOFT
from zoneout_lab.results.compared import Interval

THIN, THICK = 1.5, 5.0


def marks(axes: Axes, bound: float, rows: Interval = (0.0, 1.0), *, whole: bool = True) -> None:
    """The line of no difference and ±``bound`` as a band: over the ``whole`` height, or between two ``rows`` of the data."""

    def line(at: float, **look: Any) -> None:
        if whole:
            axes.axvline(at, zorder=1, color=SOFT, **look)
        else:
            axes.plot([at, at], rows, zorder=1, color=SOFT, scalex=False, scaley=False, **look)

    if bound > 0 and math.isfinite(bound):
        if whole:
            axes.axvspan(-bound, bound, color=BAND, linewidth=0, zorder=0)
        else:
            axes.fill_between([-bound, bound], *rows, color=BAND, linewidth=0, zorder=0)
        for edge in (-bound, bound):
            line(edge, linewidth=0.8, linestyle=(0, (2, 2)))
    line(0.0, linewidth=1.2)


def draw(axes: Axes, y: float, shift: Shift, *, colour: str = INK) -> None:
    """The outer interval thin and the inner one thick about the mean; the t interval dashed where there is neither. Beyond the axis it ends in an arrowhead."""
    ends = axes.get_xlim()
    bars = [(shift.t, THIN, (0, (3, 2)))] if shift.few else [(shift.outer, THIN, "-"), (shift.inner, THICK, "-")]
    for (low, high), width, dashes in bars:
        if not (math.isfinite(low) and math.isfinite(high)):
            continue
        drawn = np.clip([low, high], *ends)
        axes.plot(drawn, [y, y], color=colour, linewidth=width, linestyle=dashes, solid_capstyle="butt", zorder=4)
        for beyond, at, head in ((low < ends[0], ends[0], "<"), (high > ends[1], ends[1], ">")):
            if beyond:
                axes.plot(at, y, head, color=colour, markersize=6, clip_on=False, zorder=5)
    if math.isfinite(shift.mean) and abs(shift.mean) < HUGE:
        axes.plot(shift.mean, y, "o", color=colour, markersize=8, markeredgecolor=PAPER, markeredgewidth=1.4, zorder=6)
