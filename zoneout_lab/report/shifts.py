"""A comparison as its figures have it: the difference to draw, what the axis is called, and which bar the verdict is read off."""

from __future__ import annotations

import math
from collections.abc import Iterable

from zoneout_lab.plot.differences import shift as shift
from zoneout_lab.report.quantity import compared
from zoneout_lab.results import Comparison
from zoneout_lab.results.numbers import percent
from zoneout_lab.results.shown import difference, is_ratio, margin_in_words, shown_interval

#: a claim in words, between the two arms
CLAIMED = {
    "lower": "lower than",
    "higher": "higher than",
    "same": "the same as",
    "not lower": "not lower than",
    "not higher": "not higher than",
}


def drawn(c: Comparison, values: Iterable[float]) -> tuple[float, ...]:
    """Differences on the comparison's scale as :func:`shift` has them."""
    factor = 1.0 if is_ratio(c) else compared(c).factor
    return tuple(factor * value for value in values)


def axis(c: Comparison) -> str:
    """What the axis of differences shows."""
    about = compared(c)
    if c.scale == "logit":
        return f"odds ratio of {about.noun}"
    if is_ratio(c):
        return f"ratio of {about.noun}"
    return f"difference in {about.noun}" + (f" ({about.shift})" if about.shift else "")


def sides(better: str) -> tuple[str, str]:
    """What lies left and right of "no difference".

    >>> sides("lower"), sides("")
    (('better', 'worse'), ('lower', 'higher'))
    """
    return {"lower": ("better", "worse"), "higher": ("worse", "better")}.get(better, ("lower", "higher"))


def levels(c: Comparison) -> tuple[str, ...]:
    """What the bars are called beside them."""
    if shift(c).few:
        return (f"{percent(c.alpha)} t interval", "(dashed)")
    if c.inner == c.interval:
        return (f"{percent(c.alpha)} interval",)
    return (f"{percent(c.alpha)} thin", f"{percent(c.inner_alpha)} thick")


def in_words(c: Comparison) -> str:
    """The difference, its interval and the margin, for readers who cannot see the figure."""
    (low, high), alpha, normal = shown_interval(c)
    text = f"{'Ratio' if is_ratio(c) else 'Mean difference'} {difference(c, c.mean_difference)}"
    if math.isfinite(low):
        text += f", {percent(alpha)} {'t ' * normal}interval {difference(c, low)} to {difference(c, high)}"
    unit = "" if is_ratio(c) else compared(c).shift
    text += f" {unit}".rstrip()
    return text + (f"; margin {'' if is_ratio(c) else '±'}{margin_in_words(c)}" if c.bound else "") + "."


def _called(c: Comparison) -> str:
    return "runs" if not c.paired else "blocks" if c.by else "seeds"


def count_of(c: Comparison) -> str:
    """How many pairs, or runs, a comparison rests on, in words."""
    n = len(c.seeds) if c.paired else len(c.arm_values) + len(c.against_values)
    return f"{n} {_called(c)}"


def reading(c: Comparison) -> str:
    """Which bar has to lie where for which verdict."""
    if shift(c).few and c.verdict != "underpowered":
        return (
            f"{count_of(c)} give no interval at {percent(c.alpha)}, the level left for this hypothesis: the dashed bar is the t interval, which assumes "
            "normal differences, and no verdict is read off it."
        )
    if shift(c).few:
        return (
            f"Too few {_called(c)} for a verdict: the dashed bar is the t interval, which assumes normal differences, and no verdict is read off it."
            if c.measured
            else f"No {'block' if c.by else 'seed'} has both values, so there is nothing to draw."
        )
    thick = "the bar" if c.inner == c.interval else "the thick bar"
    whole = "the whole bar"
    if c.direction == "same":
        return f"Supported if {thick} lies within the shaded margin; contradicted if {whole} lies outside it."
    if c.direction == "not higher":
        return f"Supported if {thick} ends left of the margin's right edge; contradicted if {thick} begins right of it."
    if c.direction == "not lower":
        return f"Supported if {thick} begins right of the margin's left edge; contradicted if {thick} ends left of it."
    claimed, other = ("left", "right") if c.direction == "lower" else ("right", "left")
    if c.bound:
        return f"Supported if {whole} lies {claimed} of the shaded margin, contradicted if it lies {other} of it, equivalent if {thick} lies within it."
    none = "× 1" if is_ratio(c) else "zero"
    return (
        f"Supported if {whole} lies {claimed} of {none}, contradicted if it lies {other} of it; no margin was declared."
    )
