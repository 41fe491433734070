"""Two arms seed by seed: a line for each pair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.plot.looks import Look, arms_of, axes_of, name_axes, nothing, points, width_of, words, wrapped
from zoneout_lab.results.blocks import blocks_of
from zoneout_lab.results.numbers import number
from zoneout_lab.results.pairing import pairs as paired
from zoneout_lab.results.scalars import scalar
from zoneout_lab.results.shown import on_axis, unit_of
from zoneout_lab.stats.scales import UNDERFLOW

_MOST_SEEDS = 30  # more lines hide one another


def pairs(results: xr.DataTree, arm: str, against: str, metric: str, ax: Axes | None = None) -> Axes:
    """The values of two arms, each seed a line from ``against`` on the left to ``arm`` on the right, their means as bars beside them.

    A metric whose differences are compared as ratios has a logarithmic axis, on which equal ratios are equally steep, and geometric means. Fractions are in
    percent. Above 30 seeds, bars hold the middle half and the middle 90% of an arm's values.

    Args:
        results: of a study, as :func:`~zoneout_lab.open_results` gives them.
        arm: the arm on the right.
        against: the arm on the left.
        metric: as for :func:`~zoneout_lab.compare`.
        ax: the axes to draw on; by default those of a new figure.

    Returns:
        The axes.

    Raises:
        UsageError: an arm or metric that is not there.
        InputRefusedError: other things than results, results whose runs are not paired, or an arm beside itself.
    """
    looks = arms_of(results)
    if not blocks_of(results).paired:
        raise InputRefusedError(
            "The runs of these results are not paired, so a line from one to another would mean nothing. plot.forest draws the difference of the arms."
        )
    found = paired(results, arm, against, metric, "linear")
    factor = unit_of(found.metric, found.units)[0]
    left, right = (factor * np.asarray(values, float) for values in (found.against_values, found.arm_values))
    log = scalar(results, metric).attrs["scale"] == "log" and left.size > 0 and min(left.min(), right.min()) > UNDERFLOW
    axes = axes_of(ax, 3.5, 3.2)
    _draw(axes, left, right, looks[against][1], looks[arm][1], log=log)
    room = 0.36 * width_of(axes)
    names = [wrapped(looks[name][0], room, points("medium")) for name in (against, arm)]
    axes.set_xticks([0, 1], names, parse_math=False)
    name_axes(axes, y=on_axis(found.metric, found.units, found.noun, found.long_name))
    return axes


def _draw(axes: Axes, left: Any, right: Any, first: Look, second: Look, *, log: bool) -> None:
    axes.set_xlim(-0.75, 1.75)
    for side in ("right", "top"):
        axes.spines[side].set_visible(False)
    if not left.size:
        axes.set_yticks([])
        nothing(axes, "no seed has both values")
        return
    if log and max(left.max(), right.max()) > min(left.min(), right.min()):
        axes.set_yscale("log")
    many = left.size > _MOST_SEEDS
    for low, high in () if many else zip(left, right, strict=True):
        axes.plot([0, 1], [low, high], color="#808080", linewidth=0.8, alpha=0.7, zorder=2)
    for place, (look, values) in enumerate(((first, left), (second, right))):
        for tail, width in ((0.05, 3), (0.25, 9)) if many else ():
            axes.plot(
                [place] * 2,
                np.quantile(values, [tail, 1 - tail]),
                color=look.colour,
                linewidth=width,
                alpha=0.55,
                solid_capstyle="butt",
                zorder=3,
            )
        dots = [np.median(values)] if many else values
        marks: Mapping[str, Any] = {
            "color": look.colour,
            "marker": look.marker,
            "linestyle": "none",
            "markeredgecolor": axes.get_facecolor(),
        }
        axes.plot([place] * len(dots), dots, markersize=5.5, markeredgewidth=0.5, zorder=4, **marks)
        mean = float(np.exp(np.log(values).mean()) if log else values.mean())
        aside = (-0.62, -0.16) if place == 0 else (1.16, 1.62)
        axes.plot(aside, [mean] * 2, color=look.colour, linewidth=2.4, solid_capstyle="butt", zorder=3)
        axes.annotate(
            words(number(mean)),
            (sum(aside) / 2, mean),
            (0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize="small",
        )
