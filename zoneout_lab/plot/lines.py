"""Lines over epochs or timesteps: each run thin, the mean over runs bold, with a marker and a dash for those who do not see the colour."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from zoneout_lab.plot.differences import HUGE
from zoneout_lab.plot.looks import Look, legend, name_axes, nothing
from zoneout_lab.stats.scales import UNDERFLOW

Array = npt.NDArray[Any]
MOST_RUNS = 30  # of one line: more hide one another, and bands are drawn instead


@dataclass(frozen=True)
class Line:
    """What one line is called and looks like, its runs' ``values`` [run, x], and which of them ``ended`` early because they diverged."""

    name: str
    look: Look
    values: Array
    ended: npt.NDArray[np.bool_] | None = None


def draw(axes: Axes, x: Array, lines: Sequence[Line], labels: tuple[str, str], *, log: bool | None = None) -> None:
    """Draw them on axes that are called ``labels``, with a legend below where there are several.

    ``log`` None is a logarithmic axis for positive values over more than a factor of 20. A mean is drawn where every run that did not diverge has a value.
    """
    for side in ("right", "top"):
        axes.spines[side].set_visible(False)
    bounded = [np.where(np.abs(np.nan_to_num(line.values, nan=np.inf)) < HUGE, line.values, np.nan) for line in lines]
    known = np.concatenate([values[np.isfinite(values)] for values in bounded]) if bounded else np.empty(0)
    name_axes(axes, *labels)
    if not known.size:
        nothing(axes, "nothing was measured")
        return
    if log is None:
        log = bool(known.min() > UNDERFLOW and known.max() > 20 * known.min())
    if log:
        axes.set_yscale("log")
        bounded = [np.where(values > UNDERFLOW, values, np.nan) for values in bounded]
    handles = []
    for place, (line, values) in enumerate(zip(lines, bounded, strict=True)):
        ended = np.zeros(len(values), bool) if line.ended is None else line.ended
        _runs(axes, x, values, line.look, ended, len(lines))
        middle = _mean(values[~ended], log=log)
        step = max(1, x.size // 5)
        handles += axes.plot(
            x, middle, color=line.look.colour, linewidth=1.8, linestyle=line.look.dash, marker=line.look.marker, markersize=4,
            markevery=(place * step // max(1, len(lines)) % max(1, x.size), step), markeredgewidth=0, zorder=5,
        )  # fmt: skip
    if x.size == 1:
        axes.set_xticks(x)
    elif np.issubdtype(x.dtype, np.number) and (x == np.round(x)).all():
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
    axes.margins(x=0.02)
    name_axes(axes, y=labels[1], lost=legend(axes, handles, [line.name for line in lines]))


def _runs(axes: Axes, x: Array, values: Array, look: Look, ended: npt.NDArray[np.bool_], lines: int) -> None:
    if 1 < len(values) <= MOST_RUNS:
        alpha = 0.35 if lines < 4 else 0.22
        dot: Any = "." if x.size == 1 else None
        for run in values:
            axes.plot(x, run, color=look.colour, linewidth=0.6, alpha=alpha, marker=dot)
    elif len(values) > MOST_RUNS and not ended.all():
        for tail in (0.05, 0.25):
            with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # where no run has a value
                low, high = np.nanquantile(values[~ended], [tail, 1 - tail], axis=0)
            axes.fill_between(x, low, high, color=look.colour, alpha=0.16, linewidth=0)
    for run in values[ended]:
        at = np.flatnonzero(np.isfinite(run))
        if at.size:
            axes.plot(x[at[-1]], run[at[-1]], "x", color=look.colour, markersize=5, markeredgewidth=1.4, zorder=6)


def _mean(values: Array, *, log: bool) -> Array:
    """The mean over runs [x], geometric on a logarithmic axis, where every run that has any value has one."""
    there = values[np.isfinite(values).any(1)]
    if not len(there):
        return np.full(values.shape[1], np.nan)
    return np.asarray(np.exp(np.log(there).mean(0)) if log else there.mean(0))
