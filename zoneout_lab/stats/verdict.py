"""From paired differences to verdicts: two intervals per hypothesis, one step-down for the family.

The verdict of a claim is read off its sign-flip intervals at the level *a* that the family left for it. What lies beyond a margin is read off
the outer one, at 1 − a; what lies on this side of one, which is a claim of absence, off the inner one, at 1 − 2a:

| | claim "lower" | "higher" | "same" | "not lower" | "not higher" |
|---|---|---|---|---|---|
| outer wholly below −margin | supported | contradicted | contradicted | | |
| outer wholly above +margin | contradicted | supported | contradicted | | |
| inner wholly within ±margin | equivalent | equivalent | supported | | |
| inner wholly above −margin | | | | supported | |
| inner wholly below −margin | | | | contradicted | |
| inner wholly below +margin | | | | | supported |
| inner wholly above +margin | | | | | contradicted |
| none of these | inconclusive | inconclusive | inconclusive | inconclusive | inconclusive |
| not reachable with n seeds | underpowered | underpowered | underpowered | underpowered | underpowered |

``p_verdict`` is the smallest level at which the intervals would have given a verdict, so the family's step-down over it, the levels
and the intervals agree by construction. The README of this folder has the argument and its limits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats.design import can_decide
from zoneout_lab.stats.families import Family, holm, holm_levels
from zoneout_lab.stats.joint import GREATER, LESS, TWO_SIDED, Sides, Tested, step_down
from zoneout_lab.stats.signflip import (
    MOST_RESAMPLES,
    RESAMPLES,
    FloatArray,
    SignFlip,
    as_differences,
    check_alpha,
    sign_flip,
)

Direction = Literal["lower", "higher", "same", "not lower", "not higher"]
Verdict = Literal["supported", "contradicted", "equivalent", "inconclusive", "underpowered"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)

#: "one-sided": two one-sided tests, each at the level itself; "two-sided": each at half of it, as before families were joint
Absence = Literal["one-sided", "two-sided"]

Finding = Literal["below", "above", "within"]
MEANING: dict[Direction, dict[Finding, Verdict]] = {
    "lower": {"below": "supported", "above": "contradicted", "within": "equivalent"},
    "higher": {"below": "contradicted", "above": "supported", "within": "equivalent"},
    "same": {"below": "contradicted", "above": "contradicted", "within": "supported"},
    "not lower": {"below": "contradicted", "above": "supported"},
    "not higher": {"below": "supported", "above": "contradicted"},
}


@dataclass(frozen=True)
class Claim:
    """What a hypothesis says of the differences arm − baseline: their direction, beyond a ``margin`` ≥ 0 in their units.

    "lower" and "higher" claim a difference larger than the margin; "same" claims one smaller than it, and "not lower" and "not higher" one that
    is not below −margin, or not above it. These three need a margin above zero. Raises InputRefusedError otherwise.

    >>> Claim("lower", margin=0.002)
    Claim(direction='lower', margin=0.002)
    """

    direction: Direction = "lower"
    margin: float = 0.0

    def __post_init__(self) -> None:
        if self.direction not in MEANING:
            raise InputRefusedError(f"A claim's direction is one of {', '.join(MEANING)}; got {self.direction!r}.")
        if not (np.isfinite(self.margin) and self.margin >= 0):
            raise InputRefusedError(
                f"A margin is a finite number of at least 0, in the metric's units; got {self.margin}."
            )
        if self.of_absence and self.margin == 0:
            raise InputRefusedError(
                f'A claim of "{self.direction}" needs a margin above zero: no data can show a difference of nothing.'
            )

    @property
    def of_absence(self) -> bool:
        """True for a claim that there is no difference that matters."""
        return needs_margin(self.direction)


def needs_margin(direction: str | None) -> bool:
    """True for directions that claim the absence of a difference.

    >>> [d for d in DIRECTIONS if needs_margin(d)]
    ['same', 'not lower', 'not higher']
    """
    return direction is not None and (direction == "same" or direction.startswith("not "))


def can_reach(n: int, level: float, claim: Claim, absence: Absence = "one-sided") -> bool:
    """True where ``n`` paired seeds could reach a verdict on ``claim`` at ``level``: a one-sided test can reach half the p of a two-sided one.

    >>> can_reach(7, 0.01, Claim("lower")), can_reach(7, 0.01, Claim("not lower", 0.5))
    (False, True)
    """
    return can_decide(n, 2 * level if one_sided(claim, absence) else level)


def one_sided(claim: Claim, absence: Absence = "one-sided") -> bool:
    """True where some verdict on the claim rests on a one-sided test.

    >>> one_sided(Claim("lower")), one_sided(Claim("not lower", 0.5))
    (False, True)
    """
    return claim.direction.startswith("not ") or (claim.margin > 0 and absence == "one-sided")


@dataclass(frozen=True)
class Decision:
    """The verdict on one claim of a family, with what it was read off.

    ``level`` is the α left for it by the step-down and ``interval`` the sign-flip interval at 1 − level; absence is read off ``inner``, at
    1 − ``inner_level``, which is 2 level. ``p`` tests "the differences are symmetric about zero", two-sided; ``p_verdict`` is the smallest level at which there would be a
    verdict (equal to ``p`` where "lower" or "higher" is claimed by any margin at all), ``p_adjusted`` that after the family's correction and
    ``p_holm`` that after Holm's. ``smallest_p`` is what n seeds can reach at best. ``method`` names the test, and
    ``p_error`` is the Monte-Carlo standard error of ``p`` where flips were sampled, otherwise 0. Where the verdict is "underpowered" the
    intervals are (−∞, ∞). ``look`` is the look, from 1, at which it was made, where there were several, and ``p_adjusted`` then counts
    against ``spent``, the α that could be spent by that look.
    """

    verdict: Verdict
    n: int
    level: float
    interval: tuple[float, float]
    inner: tuple[float, float]
    inner_level: float
    p: float
    p_verdict: float
    p_adjusted: float
    p_holm: float
    smallest_p: float
    method: str
    p_error: float
    look: int | None = None
    spent: float | None = None


class Found(NamedTuple):
    """Where the differences lie, the p of it, and the null whose rejection says so: its shift, its sides, and those on which a verdict there could be wrong."""

    found: Finding
    p: float
    shift: float
    sides: Sides
    either: Sides


def decide(
    samples: Sequence[npt.ArrayLike],
    claims: Sequence[Claim],
    alpha: float = 0.05,
    *,
    seeds: Sequence[Sequence[int]] | None = None,
    sizes: Sequence[npt.ArrayLike | None] | None = None,
    family: Family = "joint",
    absence: Absence = "one-sided",
    rng: np.random.Generator | None = None,
) -> tuple[Decision, ...]:
    """Verdicts on a family of claims about paired differences, one vector [n_i] per claim, jointly at ``alpha``.

    The claims may have different numbers of seeds and any dependence. Too few seeds for a verdict count under Holm, and not under joint flips, which
    have nothing to give them.

    Args:
        samples: differences [n_i] of each claim.
        claims: one for each.
        seeds: the seed of each difference, [n_i] for each claim; without them the position in the vector is the seed.
        sizes: the larger of |a| and |b| of the values that each vector's differences were made from, as for
            :func:`~zoneout_lab.stats.signflip.sign_flip`.
        family: ``joint``, by flips of whole seeds (:mod:`~zoneout_lab.stats.joint`), or ``holm``.
        absence: at which level each of the two tests of an equivalence is made.
        rng: needed beyond 20 seeds; every claim's flips then come from a generator of its own, all with one seed drawn from it, so that a claim's
            p does not depend on its place.

    Raises InputRefusedError where samples, seeds, sizes and claims do not match.

    >>> better = [-0.5, -0.4, -0.6, -0.3, -0.7, -0.5, -0.2]
    >>> [d.verdict for d in decide([better, better[:5]], [Claim("lower"), Claim("lower")])]
    ['supported', 'underpowered']
    >>> decide([better], [Claim("higher", margin=0.1)])[0].verdict
    'contradicted'
    >>> decide([better], [Claim("not higher", margin=0.1)])[0].verdict
    'supported'
    """
    check_alpha(alpha)
    for what, given, known in (("family", family, get_args(Family)), ("absence", absence, get_args(Absence))):
        if given not in known:
            raise InputRefusedError(f"{what} is one of {', '.join(known)}; got {given!r}.")
    vectors, ids, sizes = checked_samples(samples, claims, seeds, sizes)
    start = None if rng is None else int(rng.integers(2**63))
    return _decided(
        tuple(map(_kept, vectors)),
        tuple(claims),
        alpha,
        tuple(map(tuple, ids)),
        tuple(None if size is None else _kept(np.asarray(size, np.float64)) for size in sizes),
        family,
        absence,
        start,
    )


#: an array's shape and bytes, by which the same numbers are known again
_Kept = tuple[tuple[int, ...], bytes]


def _kept(values: FloatArray) -> _Kept:
    return values.shape, values.tobytes()


def _array(kept: _Kept) -> FloatArray:
    shape, content = kept
    return np.frombuffer(content, np.float64).reshape(shape).copy()


# a study is judged for its looks, its report, its record and on screen: where 2^20 flips are counted, that takes a second each
@lru_cache(64)
def _decided(
    samples: tuple[_Kept, ...],
    claims: tuple[Claim, ...],
    alpha: float,
    ids: tuple[tuple[int, ...], ...],
    of_sizes: tuple[_Kept | None, ...],
    family: Family,
    absence: Absence,
    start: int | None,
) -> tuple[Decision, ...]:
    vectors = list(map(_array, samples))
    sizes = [None if size is None else _array(size) for size in of_sizes]

    def generator() -> np.random.Generator | None:
        return None if start is None else np.random.default_rng(start)

    resamples = resamples_for(alpha / max(1, len(claims)))
    flips = [
        sign_flip(v, sizes=size, rng=generator(), resamples=resamples) for v, size in zip(vectors, sizes, strict=True)
    ]
    findings = [finding_of(flip, claim, absence) for flip, claim in zip(flips, claims, strict=True)]
    ps = [finding.p for finding in findings]
    by_holm = holm(ps)
    if family == "holm":
        adjusted, levels = by_holm, holm_levels(ps, alpha)
    else:
        levels = np.full(len(claims), alpha)
    # too few seeds for any verdict: nothing can be rejected wrongly either
    possible = [
        can_reach(flip.n, float(level), claim, absence)
        for flip, level, claim in zip(flips, levels, claims, strict=True)
    ]
    if family == "joint":
        adjusted, levels = _jointly(vectors, ids, sizes, findings, possible, alpha, generator())
    return tuple(
        decision_of(flip, claim, found, may, float(level), float(p), float(p_holm), absence)
        for flip, claim, found, may, level, p, p_holm in zip(
            flips, claims, findings, possible, levels, adjusted, by_holm, strict=True
        )
    )


def checked_samples(
    samples: Sequence[npt.ArrayLike],
    claims: Sequence[Claim],
    seeds: Sequence[Sequence[int]] | None,
    sizes: Sequence[npt.ArrayLike | None] | None,
) -> tuple[list[FloatArray], Sequence[Sequence[int]], Sequence[npt.ArrayLike | None]]:
    """Differences, seeds and sizes of each claim; InputRefusedError where they do not match."""
    vectors = [as_differences(sample) for sample in samples]
    sizes = [None] * len(samples) if sizes is None else sizes
    ids = [range(len(vector)) for vector in vectors] if seeds is None else seeds
    if not len(samples) == len(claims) == len(sizes) == len(ids):
        raise InputRefusedError(
            f"{len(samples)} samples, {len(ids)} lists of seeds and {len(sizes)} sizes do not match {len(claims)} claims."
        )
    for vector, of_sample in zip(vectors, ids, strict=True):
        if not len(set(of_sample)) == len(of_sample) == len(vector):
            raise InputRefusedError(f"{len(vector)} differences need as many seeds, each once; got {list(of_sample)}.")
    return vectors, ids, sizes


def _jointly(
    vectors: Sequence[FloatArray],
    seeds: Sequence[Sequence[int]],
    sizes: Sequence[npt.ArrayLike | None],
    findings: Sequence[Found],
    possible: Sequence[bool],
    alpha: float,
    rng: np.random.Generator | None,
) -> tuple[FloatArray, FloatArray]:
    """Adjusted p and level of each claim by flips of whole seeds; 1 and α for claims that have too few."""
    adjusted, levels = np.ones(len(vectors)), np.full(len(vectors), alpha)
    at = [k for k, may in enumerate(possible) if may]
    family = [
        Tested(vectors[k], seeds[k], findings[k].p, findings[k].shift, findings[k].sides, findings[k].either, sizes[k])
        for k in at
    ]
    adjusted[at], levels[at] = step_down(family, alpha, rng)
    return adjusted, levels


def resamples_for(level: float) -> int:
    """Flips to sample: enough that at the strictest level of the family about a hundred lie beyond either end of an interval."""
    return max(RESAMPLES, min(MOST_RESAMPLES, round(2 * 100 / level)))


def decision_of(
    flip: SignFlip,
    claim: Claim,
    finding: Found,
    possible: bool,
    level: float,
    p_adjusted: float,
    p_holm: float,
    absence: Absence,
) -> Decision:
    """What a finding and the level that the family left for it come to."""
    # at levels above a third, which nobody asks for, there is no interval at 1 − 2 level
    doubled = absence == "one-sided" or claim.direction.startswith("not ")
    inner_level = min(2 * level, (1 + level) / 2) if doubled else level
    p, marks = flip.p(), (-claim.margin, 0.0, claim.margin)
    if not possible:
        verdict: Verdict = "underpowered"
    else:
        verdict = MEANING[claim.direction][finding.found] if finding.p <= level else "inconclusive"
    everything = (-math.inf, math.inf)
    return Decision(
        verdict=verdict,
        n=flip.n,
        level=level,
        interval=flip.interval(level, marks) if possible else everything,
        inner=flip.interval(inner_level, marks) if possible else everything,
        inner_level=inner_level,
        p=p,
        p_verdict=finding.p,
        p_adjusted=p_adjusted,
        p_holm=p_holm,
        smallest_p=flip.smallest_p,
        method=flip.method,
        p_error=flip.standard_error(p),
    )


def wrong_sides(claim: Claim, absence: Absence) -> tuple[Sides, Sides]:
    """The sides on which a verdict at the lower margin, and at the upper one, could be wrong.

    >>> wrong_sides(Claim("lower"), "one-sided")[0], wrong_sides(Claim("lower", 1.0), "one-sided")[0]
    (Sides(less=2, greater=2), Sides(less=2, greater=1))
    """
    if claim.direction.startswith("not "):
        return Sides(1, 1), Sides(1, 1)
    if claim.margin == 0 or absence == "two-sided":
        return TWO_SIDED, TWO_SIDED
    return Sides(2, 1), Sides(1, 2)


def finding_of(flip: SignFlip, claim: Claim, absence: Absence) -> Found:
    """What the differences say of a claim, and the smallest level at which they say so."""
    margin = claim.margin
    less_low, more_low = flip.p(-margin, "less"), flip.p(-margin, "greater")
    less_high, more_high = flip.p(margin, "less"), flip.p(margin, "greater")
    low, high = wrong_sides(claim, absence)
    if claim.direction == "not lower":
        findings = [Found("above", more_low, -margin, GREATER, low), Found("below", less_low, -margin, LESS, low)]
    elif claim.direction == "not higher":
        findings = [Found("below", less_high, margin, LESS, high), Found("above", more_high, margin, GREATER, high)]
    else:
        findings = [
            Found("below", 2 * less_low, -margin, TWO_SIDED, low),
            Found("above", 2 * more_high, margin, TWO_SIDED, high),
        ]
        if margin > 0:
            # the nearer of the two margins is the one that is harder to leave out; wide margins may both be left out with the smallest p there is,
            # and then it is the one on whose side of zero the differences lie
            below_zero = flip.p(0.0, "less") <= flip.p(0.0, "greater")
            at_low = more_low > less_high or (more_low == less_high and below_zero)
            shift, p, either = (-margin, more_low, low) if at_low else (margin, less_high, high)
            one = absence == "one-sided"
            sides = (GREATER if at_low else LESS) if one else TWO_SIDED
            findings.append(Found("within", p if one else 2 * p, shift, sides, either))
    finding = min(findings, key=lambda each: each.p)
    # too few seeds for any verdict: nothing may be rejected, and so no level passed on to the others
    return finding._replace(p=1.0 if not can_decide(flip.n, 1.0) else min(1.0, finding.p))
