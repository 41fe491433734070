"""Verdicts so near an edge that rounding, or one seed more or less, could turn them."""

from __future__ import annotations

import math

from zoneout_lab.results.comparison import Comparison
from zoneout_lab.results.numbers import p_value
from zoneout_lab.results.shown import held_against

#: an interval that ends within this part of its length of zero or the margin could as well end on the other side
_NEAR = 0.02


def near_edge(c: Comparison, noise: float = 0.0) -> str:
    """Why the verdict is a close call, in a sentence; empty where it is none.

    ``noise`` is what another build would move the mean difference by, on the comparison's scale, where that was measured: an interval that ends within it of
    such a mark is a close call too.

    It is one where the adjusted p lies within one flip of a seed of the α that it counts against (2 of the 2ⁿ flips, m times that after Holm), or where an
    interval ends within 2% of its length of zero, or of a margin, and the verdict depends on which side it ends. An underpowered verdict is none, nor is
    one before the first look: nothing could turn them. Where blocks share a group and the p of whole groups would not do, that is said.

    Differences of six seeds that all have one sign have p = .031, and one seed of the other sign makes it .06:

    >>> from zoneout_lab.results.edge import one_flip
    >>> one_flip(p=2 / 64, smallest=2 / 64, alpha=0.05), one_flip(p=2 / 1024, smallest=2 / 1024, alpha=0.05)
    (True, False)
    """
    if c.verdict == "underpowered" or (c.looks and c.look is None):
        return ""
    one = "run" if not c.paired else "block" if c.by else "seed"
    if c.groups and c.verdict in ("supported", "contradicted") and c.p_groups > c.alpha:
        return (
            f"The verdict takes the blocks of one {c.by[0]} for independent: with each of the {c.groups} flipped whole, p = {p_value(c.p_groups, [c.alpha])}, "
            "which decides nothing."
        )
    step = c.smallest_p * (c.family if c.correction == "holm" else 1)
    if not c.p_error and one_flip(c.p_adjusted, step, held_against(c)):
        return f"Close call: the p value is within one {'sign flip' if c.paired else 'permutation'} of the level it is held against, so one {one} could turn the verdict."
    if c.p_error and abs(c.p_adjusted - held_against(c)) <= 2 * c.p_error * (c.family if c.correction == "holm" else 1):
        return "Close call: the p value is sampled, and its sampling error reaches the level it is held against."
    if mark := _touched(c, noise):
        return f"Close call: the interval ends nearer to {mark} than rounding moves it from one build to another, so another build could turn the verdict."
    if mark := _touched(c, _NEAR * (c.interval[1] - c.interval[0])):
        return f"Close call: the interval ends almost at {mark}, so rounding or one {one} could turn the verdict."
    return ""


def one_flip(p: float, smallest: float, alpha: float) -> bool:
    """True where one flip more or less, worth ``smallest``, takes ``p`` to the other side of ``alpha``."""
    return abs(p - alpha) <= smallest


def _touched(c: Comparison, near: float) -> str:
    """Which of zero and the margins an interval ends within ``near`` of, where being on its other side makes another verdict; empty where none."""
    if not math.isfinite(near) or near <= 0:
        return ""
    (low, high), (inner_low, inner_high), bound = c.interval, c.inner, c.bound
    if c.direction == "not lower":
        ends = [(inner_low, -bound), (inner_high, -bound)]
    elif c.direction == "not higher":
        ends = [(inner_high, bound), (inner_low, bound)]
    else:
        ends = [(low, bound), (high, -bound)]
        # one end at its margin matters where the other lies within its own, or at it
        if bound and inner_low > -bound - near and inner_high < bound + near:
            ends += [(inner_low, -bound), (inner_high, bound)]
    if any(abs(end - mark) <= near for end, mark in ends):
        return "the margin" if bound else "zero" if c.scale == "linear" else "× 1"
    return ""
