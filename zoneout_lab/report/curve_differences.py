"""Curves compared with the baseline's: paired by seed, on one grid for all arms, by three methods that claim three different things."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zoneout_lab.report.arms import Arm
from zoneout_lab.report.figures.bands import Strand
from zoneout_lab.report.figures.canvas import HUGE
from zoneout_lab.report.figures.lines import Array, thin
from zoneout_lab.report.text import count, listing
from zoneout_lab.results.numbers import ABSENT, number, p_value, percent
from zoneout_lab.stats import (
    MINIMUM_BAND_SEEDS,
    cluster_test,
    common_grid,
    curves_look_skewed,
    max_t,
    simultaneous_band,
    smallest_p,
)

STEPS = 100  # of a curve that are compared: neighbours beyond are averaged, in what is tested as in what is drawn
_FLIPS = 2017  # seeds the generator of sampled flips: every comparison has its own, so that none depends on another


@dataclass(frozen=True, eq=False)
class CurveDifference:
    """One arm's difference from the baseline: what is drawn, from how many pairs, and what the tests claim in words.

    ``where`` names steps (max-T); ``somewhere`` is the cluster test's p, NaN with fewer than two pairs; ``skewed`` where the differences
    look it.
    """

    strand: Strand
    pairs: int
    where: str
    somewhere: float
    skewed: bool = False

    @property
    def arm(self) -> Arm:
        return self.strand.arm


@dataclass(frozen=True, eq=False)
class Compared:
    """Every arm's difference over ``x``; ``left_out`` of ``steps`` steps were not compared, ``block`` steps make a point."""

    x: Array
    differences: tuple[CurveDifference, ...]
    left_out: int
    steps: int
    block: int
    ratio: bool


def compare_curves(
    x: Array,
    values: Array,
    arms: Sequence[Arm],
    *,
    noun: str,
    ratio: bool = False,
    norms: Array | None = None,
    ended: npt.NDArray[np.bool_] | None = None,
    alpha: float = 0.05,
) -> Compared | None:
    """Each arm's curves ``values`` [arm, seed, x] minus the baseline's at the same seed, or their logarithms with ``ratio``.

    A step at which any compared run has no finite value (with ``ratio``: none above 2⁻¹²⁶) is left out for all arms; so is one at which
    ``norms`` [arm, seed, x], of which the curves were made, have none. Runs marked in ``ended`` [arm, seed], and those without any value,
    are compared nowhere. ``noun`` names a step. None where there is no baseline, or nothing beside it.
    """
    base = next((row for row, arm in enumerate(arms) if arm.baseline), None)
    if base is None or len(arms) < 2:
        return None
    values = np.where(np.abs(np.nan_to_num(values, nan=HUGE, posinf=HUGE, neginf=HUGE)) < HUGE, values, np.nan)
    known = np.isfinite(values).any(-1) & ~(np.zeros(values.shape[:2], bool) if ended is None else ended)
    paired = known & known[base]
    compared = paired.copy()
    compared[base] = paired[[row for row in range(len(arms)) if row != base]].any(0)
    kept = np.ones(x.size, bool)
    for each in (values, values if norms is None else norms):
        kept &= common_grid(each[compared], positive=ratio) if compared.any() else False
    usable = np.where(kept, values, np.nan)
    logs = np.log(np.where(np.isfinite(usable), usable, 1.0)) if ratio else usable
    steps, thinned, block = thin(x, np.where(kept, logs, np.nan), points=STEPS)
    edges = [(x[k], x[min(k + block, x.size) - 1]) for k in range(0, x.size, block)]
    found = [
        _difference(arm, thinned[row, paired[row]] - thinned[base, paired[row]], edges, noun, alpha)
        for row, arm in enumerate(arms)
        if row != base
    ]
    return Compared(steps, tuple(found), int((~kept).sum()), int(x.size), block, ratio)


def _difference(
    arm: Arm, differences: Array, edges: Sequence[tuple[float, float]], noun: str, alpha: float
) -> CurveDifference:
    pairs, steps = differences.shape
    nothing = np.full(steps, np.nan)
    usable = np.isfinite(differences).all(0)
    if not pairs or not usable.any():
        return CurveDifference(Strand(arm, nothing, nothing, nothing, np.zeros(steps, bool)), pairs, "", np.nan)
    mean, low, high, named, where = differences.mean(0), nothing, nothing, np.zeros(steps, bool), ""
    somewhere, skewed = np.nan, False
    if pairs >= MINIMUM_BAND_SEEDS:
        band = simultaneous_band(differences, alpha, rng=np.random.default_rng(_FLIPS))
        low, high = band.low, band.high
    if pairs >= 2:
        skewed = curves_look_skewed(differences)
        somewhere = cluster_test(differences, rng=np.random.default_rng(_FLIPS)).p
        result = max_t(differences, rng=np.random.default_rng(_FLIPS))
        ranges = result.differing(alpha)
        for first, end, _ in ranges:
            named[first:end] = True
        where = _where(ranges, edges, noun)
    return CurveDifference(Strand(arm, mean, low, high, named), pairs, where, somewhere, skewed)


def _where(ranges: Sequence[tuple[int, int, int]], edges: Sequence[tuple[float, float]], noun: str) -> str:
    """
    >>> _where([(0, 2, 1), (3, 4, -1)], [(0, 0), (1, 1), (2, 2), (3, 3)], "timestep")
    'higher at timesteps 0–1; lower at timestep 3'
    """
    said = []
    for sign, word in ((1, "higher"), (-1, "lower")):
        spans = [(edges[first][0], edges[end - 1][1]) for first, end, its in ranges if its == sign]
        shown = [f"{a:g}–{b:g}" if b > a else f"{a:g}" for a, b in spans]
        if len(shown) > 6:
            shown = [*shown[:5], count(len(shown) - 5, "more stretch", "more stretches")]
        several = len(spans) > 1 or any(b > a for a, b in spans)
        if spans:
            said.append(f"{word} at {noun}{'s' * several} {listing(shown)}")
    return "; ".join(said)


def claims(difference: CurveDifference, noun: str, alpha: float) -> tuple[str, str]:
    """What max-T and what the cluster test say, each in the words that it can claim.

    >>> import numpy as np
    >>> from zoneout_lab.report.arms import Style
    >>> no = np.zeros(2)
    >>> strand = Strand(Arm("z", "Zoneout", Style(1)), no, no, no, no > 0)
    >>> claims(CurveDifference(strand, 8, "", 0.25), "epoch", 0.05)
    ('no epoch can be named', 'not shown to differ anywhere (p = 0.25)')
    >>> claims(CurveDifference(strand, 8, "lower at epochs 2–5", 0.0078125), "epoch", 0.05)
    ('lower at epochs 2–5', 'differs somewhere (p = 0.00781); this does not say where')
    >>> claims(CurveDifference(strand, 3, "", 0.25), "epoch", 0.05)[0]
    'not with 3 pairs: p cannot be below 0.25'
    """
    if not difference.pairs:
        return "no pair was measured", ABSENT
    if np.isnan(difference.somewhere):
        words = "not with 1 pair" if difference.pairs == 1 else "nothing to compare"
        return words, ABSENT
    p = p_value(difference.somewhere, beside=[alpha])
    if smallest_p(difference.pairs) > alpha:
        few = f"not with {difference.pairs} pairs: p cannot be below {number(smallest_p(difference.pairs), 2)}"
        return few, few
    skewed = " (looks skewed)" if difference.skewed else ""
    return (
        (difference.where or f"no {noun} can be named") + skewed,
        f"differs somewhere (p = {p}); this does not say where"
        if difference.somewhere <= alpha
        else f"not shown to differ anywhere (p = {p})",
    )


def band_in_words(alpha: float) -> str:
    """
    >>> band_in_words(0.05)[:60]
    'Shading is a simultaneous band: the whole curve lies in it w'
    """
    return (
        f"Shading is a simultaneous band: the whole curve lies in it with {percent(alpha)} confidence, for each arm by itself "
        f"(sign-flipped residuals, studentised at every flip; from {MINIMUM_BAND_SEEDS} pairs)."
    )
