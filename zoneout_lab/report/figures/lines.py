"""Curves of several arms and seeds on one axis: learning curves and gradient profiles alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from zoneout_lab.report.arms import Arm
from zoneout_lab.report.figures.canvas import HUGE, INK, SOFT, Drawing, Panel, arm_colour
from zoneout_lab.report.text import power
from zoneout_lab.stats.scales import UNDERFLOW

Array = npt.NDArray[np.float64]

# more seeds of an arm, or more curves in one panel, hide one another: their distribution is drawn instead
MOST_SEEDS, MOST_CURVES = 30, 80
MOST_TAILS = 4  # arms whose outer ribbons can be told apart; of more, only the middle half is drawn
MOST_RIBBONS = 16  # and of more than these nothing but the means, the baseline's in bold
_MOST_NUMBERS = 4800  # of the means in one panel: with very many arms the page would be nothing but these
POINTS = 200  # more steps than these are finer than a panel can show


def points(arms: int) -> int:
    """Steps that a panel of so many arms shows.

    >>> points(3), points(100)
    (200, 48)
    """
    return min(POINTS, max(40, _MOST_NUMBERS // max(1, arms)))


def as_lines(arms: int, seeds: int) -> bool:
    """True where every run is a line of its own."""
    return seeds <= MOST_SEEDS and arms * seeds <= MOST_CURVES


def what_is_drawn(arms: int, seeds: int, steps: int, *, noun: str = "timesteps") -> str:
    """What stands for single runs in a panel of :func:`lines`, and how it was thinned, in sentences for its caption.

    >>> what_is_drawn(3, 10, 28), what_is_drawn(2, 100, 400)[-38:]
    ('Thin lines are seeds.', 'Each point averages up to 2 timesteps.')
    """
    if as_lines(arms, seeds):
        said = "Thin lines are seeds."
    elif arms <= MOST_TAILS:
        said = "Shading holds the middle half of the seeds and, fainter, the middle 90%: their distribution, not a confidence band."
    elif arms <= MOST_RIBBONS:
        said = "Shading holds the middle half of the seeds: their distribution, not a confidence band."
    else:
        said = "The baseline is drawn in bold; the seeds are not drawn."
    block = -(-steps // points(arms))
    return said + (f" Each point averages up to {block} {noun}." if block > 1 else "")


def centre(values: Array, *, geometric: bool = False, share: float = 0.5) -> Array:
    """Mean over seeds [seed, x] → [x], where at least that share of the seeds with any value has one.

    >>> centre(np.array([[1.0, 2.0, 4.0], [3.0, np.nan, np.nan], [5.0, 4.0, np.nan]]))
    array([ 3.,  3., nan])
    >>> centre(np.array([[1.0], [100.0]]), geometric=True)
    array([10.])
    """
    known = np.isfinite(values) & ((values > 0) | (not geometric))
    scaled = np.log(np.where(known, values, 1.0)) if geometric else np.where(known, values, 0.0)
    count = known.sum(0)
    need = max(1, int(np.ceil(share * known.any(-1).sum())))
    mean = np.divide(scaled.sum(0), count, out=np.full(values.shape[-1], np.nan), where=count >= need)
    return np.asarray(np.exp(mean)) if geometric else mean


def thin(x: Array, values: Array, *, geometric: bool = False, points: int = POINTS) -> tuple[Array, Array, int]:
    """Averages over blocks of neighbouring steps, so that at most ``points`` remain, and how many steps a block holds.

    >>> thin(np.arange(4.0), np.array([1.0, 3.0, 5.0, 7.0]), points=2)
    (array([0.5, 2.5]), array([2., 6.]), 2)
    """
    block = -(-x.size // points) if x.size else 1
    if block == 1:
        return x, values, 1
    pad = -x.size % block
    wide = np.concatenate([values, np.full((*values.shape[:-1], pad), np.nan)], -1).reshape(
        *values.shape[:-1], -1, block
    )
    steps = np.concatenate([x, np.full(pad, np.nan)]).reshape(-1, block)
    return (
        centre(steps.T, share=0),
        centre(np.moveaxis(wide, -1, 0).reshape(block, -1), geometric=geometric, share=0).reshape(wide.shape[:-1]),
        block,
    )


def lines(
    name: str,
    x: Array,
    values: Array,
    arms: Sequence[Arm],
    *,
    title: str,
    description: str,
    xlabel: str,
    ylabel: str,
    log: bool | None = None,
    ended: npt.NDArray[np.bool_] | None = None,
    names: Sequence[str] | None = None,
    height: float = 230,
) -> Panel:
    """A panel of curves ``values`` [arm, seed, x]: seeds thin, the mean over seeds bold, with the arm's dash and marker.

    Where there are too many for that, ribbons show how the seeds are distributed: :func:`what_is_drawn` says which.

    ``log`` None decides from the data. Runs marked in ``ended`` [arm, seed] get a cross at their last value; they are in no
    mean and do not set the scale of the axis. ``names`` are those of the steps, where they are not numbers: x then counts them from 0.
    """
    ended = np.zeros(values.shape[:2], bool) if ended is None else ended
    values = np.where(np.abs(np.nan_to_num(values, nan=np.inf, posinf=np.inf, neginf=-np.inf)) < HUGE, values, np.nan)
    low, high, log = _limits(values[~ended] if np.isfinite(values[~ended]).any() else values.reshape(-1, x.size), log)
    if log:
        values = np.where(values > UNDERFLOW, values, np.nan)
    x, values, _ = thin(x, values, geometric=log, points=points(len(arms)))
    with Drawing(name, height=height) as drawing:
        axes = drawing.axes
        if log:
            axes.set_yscale("log")
        axes.set_ylim(low, high)
        span = (low / 1e3, high * 1e3) if log else (low - 9 * (high - low), high + 9 * (high - low))
        for row, arm in enumerate(arms):
            drawn = np.clip(values[row], *span)
            if as_lines(*values.shape[:2]):
                # one path for all seeds, with gaps between them: half the size of the page
                apart = np.full((drawn.shape[0], 1), np.nan)
                steps = np.tile(np.append(x, np.nan), drawn.shape[0])
                dots = "." if x.size == 1 else None  # there is no line through one step
                axes.plot(
                    steps,
                    np.hstack([drawn, apart]).ravel(),
                    color=arm_colour(arm),
                    linewidth=0.7,
                    alpha=0.38,
                    marker=dots,
                )
            elif len(arms) <= MOST_RIBBONS:
                tails = (0.05, 0.25) if len(arms) <= MOST_TAILS else (0.25,)
                for tail in tails:
                    bottom, top = _middle(drawn[~ended[row]] if not ended[row].all() else drawn, tail)
                    shade = min(0.17, 0.9 / len(arms))
                    axes.fill_between(x, bottom, top, color=arm_colour(arm), alpha=shade, linewidth=0)
        for row, arm in enumerate(arms):
            _mean(drawing, x, np.clip(centre(values[row][~ended[row]], geometric=log), *span), arm, row, len(arms))
            for seed in np.flatnonzero(ended[row]):
                known = np.flatnonzero(np.isfinite(values[row, seed]))
                if known.size:
                    last = np.clip(values[row, seed, known[-1]], low, high)
                    axes.plot(
                        x[known[-1]], last, "x", color=INK, markersize=6, markeredgewidth=1.6, clip_on=False, zorder=9
                    )
        if not np.isfinite(values).any():
            axes.text(0.5, 0.5, "nothing was measured", color=SOFT, ha="center", va="center", transform=axes.transAxes)
        drawing.name_axes(title=title, xlabel=xlabel, ylabel=ylabel)
        if log:
            _decades(drawing, low, high)
        if x.size and x[-1] > x[0]:
            axes.set_xlim(x[0] - 0.02 * (x[-1] - x[0]), x[-1] + 0.02 * (x[-1] - x[0]))
        if x.size == 1 and names is None:
            axes.set_xticks(x, [f"{x[0]:g}"])
        elif names is None:
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        else:
            axes.set_xticks(range(len(names)), names)
    return drawing.panel(title, description)


def _mean(drawing: Drawing, x: Array, mean: Array, arm: Arm, row: int, rows: int) -> None:
    if rows > MOST_RIBBONS and not arm.baseline:
        drawing.axes.plot(x, mean, color=arm_colour(arm), linewidth=0.8, alpha=0.6)
        return
    step = max(1, x.size // 5)
    style = (0, arm.style.dash) if arm.style.dash else "-"
    drawing.axes.plot(
        x,
        mean,
        color=arm_colour(arm),
        linewidth=2.2,
        linestyle=style,
        marker=arm.style.marker,
        markersize=5.5,
        markevery=(row * step // max(1, rows), step),
        markeredgewidth=0,
        zorder=5,
    )


def _decades(drawing: Drawing, low: float, high: float) -> None:
    """Tick labels in plain text: matplotlib's own for a logarithmic axis are mathtext, which the report turns off."""
    axis = drawing.axes.yaxis
    span = np.log10(high / low)
    axis.set_major_locator(LogLocator(10, subs=(1.0,) if span > 2.5 else (1.0, 2.0, 5.0), numticks=7))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: power(value)))


def _limits(values: Array, log: bool | None) -> tuple[float, float, bool]:
    """Ends of the value axis, and whether it is logarithmic: asked for, or positive data over more than a factor of 20."""
    known = values[np.isfinite(values)]
    positive = known[known > UNDERFLOW]
    if log is None:
        log = bool(known.size and positive.size == known.size and known.max() > 20 * known.min())
    if log:
        if not positive.size:
            return 0.1, 1.0, True
        low, high = float(positive.min()), float(positive.max())
        room = max((high / low) ** 0.05, 1.15)
        return low / room, high * room, True
    if not known.size:
        return 0.0, 1.0, False
    low, high = float(known.min()), float(known.max())
    room = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    return low - room, high + room, False


def _middle(values: Array, tail: float) -> tuple[Array, Array]:
    """The quantiles ``tail`` and 1 − ``tail`` over seeds [seed, x], NaN where there is none.

    >>> _middle(np.array([[1.0], [2.0], [5.0], [np.nan]]), 0.25)  # np.nanquantile, which takes a column at a time
    (array([1.5]), array([3.5]))
    """
    ordered = np.sort(np.where(np.isfinite(values), values, np.nan), 0)  # NaN comes last
    last = np.maximum(np.isfinite(ordered).sum(0) - 1, 0)
    ends = []
    for share in (tail, 1 - tail):
        below = np.floor(share * last).astype(int)
        at, after = (np.take_along_axis(ordered, place[None], 0)[0] for place in (below, np.minimum(below + 1, last)))
        ends.append(at + (share * last - below) * (after - at))
    return ends[0], ends[1]
