"""Differences with their intervals, ready to be drawn: in the unit shown or as logs of ratios, and the axis that shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from zoneout_lab.results.compared import Compared, Interval
from zoneout_lab.results.numbers import power
from zoneout_lab.results.shown import is_ratio, unit_of

HUGE = 1e100  # numbers as large as this were not measured, whatever the file says


@dataclass(frozen=True)
class Shift:
    """A mean difference as a figure draws it: in the unit shown or, where ``ratio``, the log of a ratio.

    ``outer`` and ``inner`` are sign-flip intervals, unbounded where there are too few seeds; ``t`` then stands in. ``bound`` is the margin, 0 for none.
    """

    mean: float
    outer: Interval
    inner: Interval
    t: Interval
    bound: float
    ratio: bool = False

    @property
    def few(self) -> bool:
        """True where seeds are too few for a sign-flip interval."""
        return not all(math.isfinite(end) for end in self.outer)

    @property
    def ends(self) -> Interval:
        """The widest interval that is drawn."""
        return self.t if self.few else self.outer


def shift(c: Compared) -> Shift:
    """The mean difference and its intervals, in the unit shown or as logs of ratios."""
    factor = 1.0 if is_ratio(c) else unit_of(c.metric, c.units)[0]

    def scaled(interval: tuple[float, float]) -> tuple[float, float]:
        return factor * interval[0], factor * interval[1]

    return Shift(
        factor * c.mean_difference,
        scaled(c.interval),
        scaled(c.inner),
        scaled(c.t_interval),
        factor * c.bound,
        is_ratio(c),
    )


def view(shifts: Sequence[Shift], points: Sequence[float] = ()) -> Interval:
    """Ends of an axis that shows every mean, margin and point, zero, and of the intervals all but what would dwarf the rest.

    >>> low, high = view([Shift(1.0, (0.0, 2.0), (0.5, 1.5), (0.0, 2.0), 0.0)])
    >>> low < 0, high > 2
    (True, True)
    """
    known = [0.0, *(s.mean for s in shifts), *(side * s.bound for s in shifts for side in (-1, 1)), *points]
    known = [value for value in known if math.isfinite(value) and abs(value) < HUGE]
    ends = [s.ends for s in shifts if all(math.isfinite(end) and abs(end) < HUGE for end in s.ends)]
    widths = sorted(high - low for low, high in ends)
    reach = max(max(known) - min(known), 4 * widths[len(widths) // 2] if widths else 0.0)
    low = min([*known, *(max(low, min(known) - reach) for low, _ in ends)])
    high = max([*known, *(min(high, max(known) + reach) for _, high in ends)])
    room = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    return low - room, high + room


def difference_axis(axes: Axes, ends: Interval, *, ratio: bool) -> None:
    """Limits and ticks of a horizontal axis of differences, or of logs of ratios."""
    axes.set_xlim(*ends)
    if not ratio:
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
        return
    axes.xaxis.set_major_locator(FixedLocator([math.log(tick) for tick in ratio_ticks(*ends)]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: ratio_label(math.exp(value))))


def ratio_ticks(low: float, high: float) -> list[float]:
    """Round ratios between exp(``low``) and exp(``high``), 1 among them where it lies there.

    >>> ratio_ticks(math.log(0.4), math.log(3))
    [0.5, 1.0, 2.0]
    >>> ratio_ticks(math.log(0.85), math.log(1.12))
    [0.85, 0.9, 0.95, 1.0, 1.05, 1.1]
    >>> ratio_ticks(math.log(0.48), math.log(1.85))
    [0.5, 1.0, 1.5]
    >>> ratio_ticks(math.log(1e-6), math.log(1e3))
    [1e-06, 0.0001, 0.01, 1.0, 100.0]
    """
    decades = (high - low) / math.log(10)
    if decades < 0.7:
        ticks = MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(math.exp(low), math.exp(high))
        # the locator's first tick lies below the axis, at zero even
        within = (tick for tick in ticks if tick > 0 and low - 1e-9 <= math.log(tick) <= high + 1e-9)
        return [float(f"{tick:.6g}") for tick in within]
    steps = (1, 2, 5) if decades < 2 else (1,)
    every = max(1, math.ceil(decades / 5))
    first, last = math.floor(low / math.log(10)), math.ceil(high / math.log(10))
    ticks = [
        float(f"{step}e{exponent}") for exponent in range(first, last + 1) if exponent % every == 0 for step in steps
    ]
    return [tick for tick in ticks if low <= math.log(tick) <= high]


def ratio_label(ratio: float) -> str:
    """A tick of an axis of ratios.

    >>> ratio_label(0.95), ratio_label(1e-6)
    ('× 0.95', '× 10⁻⁶')
    """
    return f"× {power(float(f'{ratio:.6g}'))}"
