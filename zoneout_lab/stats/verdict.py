"""From paired differences to verdicts: one interval per hypothesis, one step-down for the family.

The verdict of a claim is read off its sign-flip interval at the level the family left for it:

| interval | claim "lower" | "higher" | "same" |
|---|---|---|---|
| wholly below −margin | supported | contradicted | contradicted |
| wholly above +margin | contradicted | supported | contradicted |
| wholly within ±margin | equivalent | equivalent | supported |
| none of these | inconclusive | inconclusive | inconclusive |
| not reachable with n seeds | underpowered | underpowered | underpowered |

``p_verdict`` is the smallest level at which the interval would have given a verdict, so Holm's step-down over it, the levels
and the intervals agree by construction. The README of this folder has the argument and its limits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats.design import MINIMUM_SEEDS
from zoneout_lab.stats.families import holm, holm_levels
from zoneout_lab.stats.signflip import MOST_RESAMPLES, RESAMPLES, SignFlip, check_alpha, sign_flip

Direction = Literal["lower", "higher", "same"]
Verdict = Literal["supported", "contradicted", "equivalent", "inconclusive", "underpowered"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

_Finding = Literal["below", "above", "within"]
_MEANING: dict[Direction, dict[_Finding, Verdict]] = {
    "lower": {"below": "supported", "above": "contradicted", "within": "equivalent"},
    "higher": {"below": "contradicted", "above": "supported", "within": "equivalent"},
    "same": {"below": "contradicted", "above": "contradicted", "within": "supported"},
}


@dataclass(frozen=True)
class Claim:
    """What a hypothesis says of the differences arm − baseline: their direction, beyond a ``margin`` ≥ 0 in their units.

    "lower" and "higher" claim a difference larger than the margin; "same" claims one smaller than it, and so needs a margin
    above zero. Raises InputRefusedError otherwise.

    >>> Claim("lower", margin=0.002)
    Claim(direction='lower', margin=0.002)
    """

    direction: Direction = "lower"
    margin: float = 0.0

    def __post_init__(self) -> None:
        if self.direction not in _MEANING:
            raise InputRefusedError(f"A claim's direction is one of {', '.join(_MEANING)}; got {self.direction!r}.")
        if not (np.isfinite(self.margin) and self.margin >= 0):
            raise InputRefusedError(
                f"A margin is a finite number of at least 0, in the metric's units; got {self.margin}."
            )
        if self.direction == "same" and self.margin == 0:
            raise InputRefusedError(
                'A claim of "same" needs a margin above zero: no data can show a difference of nothing.'
            )


@dataclass(frozen=True)
class Decision:
    """The verdict on one claim of a family, with what it was read off.

    ``level`` is the α left for it by the step-down and ``interval`` the sign-flip interval at 1 − level. ``p`` tests "no
    difference", two-sided; ``p_verdict`` is the smallest level at which there would be a verdict (equal to ``p`` for a margin
    of zero) and ``p_adjusted`` that after Holm. ``smallest_p`` is what n seeds can reach at best. ``method`` names the test, and
    ``p_error`` is the Monte-Carlo standard error of ``p`` where flips were sampled, otherwise 0. Where the verdict is "underpowered" the
    interval is (−∞, ∞).
    """

    verdict: Verdict
    n: int
    level: float
    interval: tuple[float, float]
    p: float
    p_verdict: float
    p_adjusted: float
    smallest_p: float
    method: str
    p_error: float


def decide(
    samples: Sequence[npt.ArrayLike],
    claims: Sequence[Claim],
    alpha: float = 0.05,
    *,
    sizes: Sequence[npt.ArrayLike | None] | None = None,
    rng: np.random.Generator | None = None,
) -> tuple[Decision, ...]:
    """Verdicts on a family of claims about paired differences, one vector [n_i] per claim, jointly at ``alpha``.

    The claims may have different numbers of seeds and any dependence; those with too few to be decided still count in
    the family. ``sizes`` has the larger of |a| and |b| of the values that each vector's differences were made from, as for
    :func:`~zoneout_lab.stats.signflip.sign_flip`. ``rng`` is needed beyond 20 seeds; every claim's flips then come from a generator of its
    own, all with one seed drawn from ``rng``, so that a claim's p does not depend on its place. Raises InputRefusedError where samples,
    sizes and claims do not match.

    >>> better = [-0.5, -0.4, -0.6, -0.3, -0.7, -0.5, -0.2]
    >>> [d.verdict for d in decide([better, better[:5]], [Claim("lower"), Claim("lower")])]
    ['supported', 'underpowered']
    >>> decide([better], [Claim("higher", margin=0.1)])[0].verdict
    'contradicted'
    """
    check_alpha(alpha)
    sizes = [None] * len(samples) if sizes is None else sizes
    if not len(samples) == len(claims) == len(sizes):
        raise InputRefusedError(f"{len(samples)} samples and {len(sizes)} sizes do not match {len(claims)} claims.")
    seed = None if rng is None else int(rng.integers(2**63))
    resamples = _resamples(alpha / max(1, len(claims)))
    flips = [
        sign_flip(sample, sizes=size, rng=None if seed is None else np.random.default_rng(seed), resamples=resamples)
        for sample, size in zip(samples, sizes, strict=True)
    ]
    found = [_finding(flip, claim.margin) for flip, claim in zip(flips, claims, strict=True)]
    levels = holm_levels([p for _, p in found], alpha)
    adjusted = holm([p for _, p in found])
    return tuple(
        _decision(flip, claim, *finding, float(level), float(p_adjusted))
        for flip, claim, finding, level, p_adjusted in zip(flips, claims, found, levels, adjusted, strict=True)
    )


def _resamples(level: float) -> int:
    """Flips to sample: enough that at the strictest level of the family about a hundred lie beyond either end of an interval."""
    return max(RESAMPLES, min(MOST_RESAMPLES, round(2 * 100 / level)))


def _decision(
    flip: SignFlip, claim: Claim, finding: _Finding, p_verdict: float, level: float, p_adjusted: float
) -> Decision:
    possible = flip.n >= MINIMUM_SEEDS and flip.smallest_p <= level
    p, margin = flip.p(), claim.margin
    if not possible:
        verdict: Verdict = "underpowered"
    else:
        verdict = _MEANING[claim.direction][finding] if p_verdict <= level else "inconclusive"
    return Decision(
        verdict=verdict,
        n=flip.n,
        level=level,
        interval=flip.interval(level, marks=(-margin, 0.0, margin)) if possible else (-math.inf, math.inf),
        p=p,
        p_verdict=p_verdict,
        p_adjusted=p_adjusted,
        smallest_p=flip.smallest_p,
        method=flip.method,
        p_error=flip.standard_error(p),
    )


def _finding(flip: SignFlip, margin: float) -> tuple[_Finding, float]:
    """Where the differences lie, and the smallest level at which the interval says so.

    Each p is two-sided: the interval at 1 − α leaves α/2 on either side, whichever side is looked at. "within" is two
    one-sided tests, both of which must reject.
    """
    ps: dict[_Finding, float] = {"below": 2 * flip.p(-margin, "less"), "above": 2 * flip.p(margin, "greater")}
    if margin > 0:
        ps["within"] = 2 * max(flip.p(-margin, "greater"), flip.p(margin, "less"))
    finding = min(ps, key=lambda name: ps[name])
    # too few seeds for any verdict: nothing may be rejected, and so no level passed on to the others
    return finding, 1.0 if flip.n < MINIMUM_SEEDS else min(1.0, ps[finding])
