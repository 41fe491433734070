"""A hypothesis at a glance: the interval of the difference against zero and the margin, in one line of the summary."""

from __future__ import annotations

import math

from markupsafe import Markup

from zoneout_lab.report.figures.canvas import frame
from zoneout_lab.results.numbers import full, number, sides

_WIDTH, _HEIGHT, _MIDDLE = 180.0, 28.0, 14.0


def glance(name: str, *, mean: float, low: float, high: float, margin: float, title: str, unit: str = "") -> Markup:
    """The interval as a bar, its mean as a dot, zero as a line, ±margin as a band; unbounded ends run to the edge, in an arrowhead.

    >>> "var(--band)" in glance("g", mean=-0.2, low=-0.3, high=-0.1, margin=0.05, title="Difference")
    True
    >>> glance("g", mean=0.1, low=-math.inf, high=math.inf, margin=0.0, title="Difference").count("<path")
    4
    """
    reach = max((abs(v) for v in (mean, low, high, margin) if math.isfinite(v)), default=0.0) or 1.0

    def x(value: float) -> float:
        value = value if math.isfinite(value) else math.copysign(2 * reach, value)
        return round(_WIDTH / 2 + max(-1.0, min(1.0, value / (1.12 * reach))) * _WIDTH / 2, 2)

    parts = []
    if math.isfinite(margin) and margin > 0:
        parts.append(
            f'<rect x="{x(-margin)}" y="3" width="{x(margin) - x(-margin):.2f}" height="22" style="fill: var(--band)"/>'
        )
    parts.append(f'<path d="M{_WIDTH / 2} 1v26" style="stroke: var(--soft); stroke-width: 1"/>')
    if not (math.isnan(low) or math.isnan(high)):
        parts.append(
            f'<path d="M{x(low)} {_MIDDLE}H{x(high)}" style="stroke: var(--ink); stroke-width: 3; stroke-linecap: round"/>'
        )
        for end, inwards in ((low, 7), (high, -7)):
            if math.isinf(end):
                tip = 2 if end < 0 else _WIDTH - 2
                arrow = f"M{tip + inwards} {_MIDDLE - 5}L{tip} {_MIDDLE}L{tip + inwards} {_MIDDLE + 5}"
                parts.append(f'<path d="{arrow}" style="fill: none; stroke: var(--ink); stroke-width: 2"/>')
    if math.isfinite(mean):
        parts.append(
            f'<circle cx="{x(mean)}" cy="{_MIDDLE}" r="5" style="fill: var(--ink); stroke: var(--raised); stroke-width: 1.5"/>'
        )
        middle, low_end, high_end = (number(value, beside=sides(margin)) for value in (mean, low, high))
        about = f", margin ±{full(margin)}" if margin > 0 else ""
        words = f"Mean difference {middle}, interval {low_end} to {high_end}{about} {unit}".rstrip() + "."
    else:
        words = "No difference could be measured."
    return frame(name, title, words, "".join(parts), width=_WIDTH, height=_HEIGHT)
