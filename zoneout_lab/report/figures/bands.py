"""Differences from the baseline over time: a mean difference for each arm, its simultaneous band, and the steps that max-T names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from zoneout_lab.plot.differences import ratio_label, ratio_ticks
from zoneout_lab.report.arms import Arm
from zoneout_lab.report.figures.canvas import INK, SOFT, Drawing, Panel, arm_colour

Array = npt.NDArray[np.float64]

MOST_BANDS = 3  # in one panel: more hide one another


@dataclass(frozen=True, eq=False)
class Strand:
    """What is drawn of one arm: ``mean``, ``low`` and ``high`` [x], NaN where there is none, and ``named`` [x], true where max-T says so.

    ``low`` and ``high`` are NaN throughout where there are too few seeds for a band.
    """

    arm: Arm
    mean: Array
    low: Array
    high: Array
    named: npt.NDArray[np.bool_]


def bands(
    name: str,
    x: Array,
    strands: Sequence[Strand],
    *,
    title: str,
    description: str,
    xlabel: str,
    ylabel: str,
    ratio: bool = False,
    beside: Sequence[Strand] = (),
    height: float = 200,
) -> Panel:
    """A panel of differences from the baseline over ``x``; with ``ratio`` they are logarithms, shown as factors.

    Bars at the bottom, one row for each arm, mark the steps that max-T names. ``beside`` are the strands of neighbouring panels, which
    share the axis of differences unless these would be flat on it.
    """
    together = (*strands, *beside)
    (low, high), own = _view(together), _view(strands)
    if 3 * (own[1] - own[0]) < high - low:
        low, high = own
    with Drawing(name, height=height) as drawing:
        axes = drawing.axes
        rows = MOST_BANDS if any(strand.named.any() for strand in together) else 0
        foot = 0.055 * (high - low)  # height of a row of bars
        low -= rows * foot
        shown = np.exp if ratio else np.asarray
        if ratio:
            axes.set_yscale("log")
        axes.set_ylim(*shown(np.array([low, high])))
        axes.axhline(float(shown(np.array(0.0))), color=INK, linewidth=1, zorder=3)
        for row, strand in enumerate(strands):
            colour, style = arm_colour(strand.arm), (0, strand.arm.style.dash) if strand.arm.style.dash else "-"
            ends = [shown(np.clip(end, low - (high - low), high + (high - low))) for end in (strand.low, strand.high)]
            axes.fill_between(x, ends[0], ends[1], color=colour, alpha=0.16, linewidth=0, zorder=2)
            for end in ends:
                axes.plot(x, end, color=colour, linewidth=0.7, alpha=0.7, zorder=2)
            axes.plot(
                x,
                shown(strand.mean),
                color=colour,
                linewidth=2.2,
                linestyle=style,
                marker=strand.arm.style.marker,
                markersize=5.5,
                markevery=max(1, x.size // 5),
                markeredgewidth=0,
                zorder=5,
            )
            if strand.named.any():
                marks = np.where(strand.named, shown(np.array(low + (row + 0.5) * foot)), np.nan)
                # square ends that stick out, so that a single step is seen
                axes.plot(x, marks, color=colour, linewidth=3.2, solid_capstyle="projecting", zorder=6)
        if not any(np.isfinite(strand.mean).any() for strand in strands):
            axes.text(0.5, 0.5, "nothing to compare", color=SOFT, ha="center", va="center", transform=axes.transAxes)
        drawing.name_axes(title=title, xlabel=xlabel, ylabel=ylabel)
        if ratio:
            axes.yaxis.set_major_locator(FixedLocator([float(tick) for tick in ratio_ticks(low, high)]))
            axes.yaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: ratio_label(value)))
        if x.size and x[-1] > x[0]:
            axes.set_xlim(x[0] - 0.02 * (x[-1] - x[0]), x[-1] + 0.02 * (x[-1] - x[0]))
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    return drawing.panel(title, description)


def _view(strands: Sequence[Strand]) -> tuple[float, float]:
    """Ends of the axis: every mean, zero, and nine tenths of the bands' ends; the rest of a band may leave the panel."""
    means = np.concatenate([np.zeros(1), *(strand.mean[np.isfinite(strand.mean)] for strand in strands)])
    view = [float(means.min()), float(means.max())]
    for strand in strands:
        for end in (strand.low, strand.high):
            known = end[np.isfinite(end)]
            if known.size:
                far = np.quantile(known, [0.1, 0.9])
                view = [min(view[0], float(far[0])), max(view[1], float(far[1]))]
    room = 0.06 * (view[1] - view[0]) or 0.5
    return view[0] - room, view[1] + room
