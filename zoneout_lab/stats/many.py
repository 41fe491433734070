"""The verdicts that :func:`~zoneout_lab.stats.decide` would give on many samples at once: what power and error rates are counted from.

The same signs serve all samples, so their sums are one matrix product, and their order along the flips gives every p. Up to ten seeds all 2ⁿ flips are
listed; beyond, a random subgroup of 1,024 of them is drawn once. A test with fewer flips finds slightly less, so power is
then slightly understated. Values are taken to be continuous: no two sums tie.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats.design import MINIMUM_SEEDS
from zoneout_lab.stats.families import Family
from zoneout_lab.stats.joint import GREATER, LESS, TWO_SIDED, Sides, part_of_step
from zoneout_lab.stats.signflip import FloatArray, check_alpha
from zoneout_lab.stats.verdict import MEANING, VERDICTS, Absence, Claim, Finding, can_reach, wrong_sides

LISTED_UP_TO = 10
_BLOCK = 2**21  # sums that are in memory at once, in each of a handful of arrays

Codes = npt.NDArray[np.int8]
Counts = npt.NDArray[np.int32]

_FINDINGS: tuple[Finding, ...] = ("below", "above", "within")


def signs_for(n: int, rng: np.random.Generator | None = None) -> FloatArray:
    """Signs [flips, n], the first of them all 1: every one up to 10 seeds, otherwise a random subgroup of 1,024 from ``rng``.

    A subgroup keeps the test exact, whichever it is (Hemerik & Goeman 2018); it holds the exchange of all signs.

    >>> signs_for(2)
    array([[ 1.,  1.],
           [-1.,  1.],
           [ 1., -1.],
           [-1., -1.]])
    """
    basis = np.eye(n, dtype=np.int64)
    if n > LISTED_UP_TO:
        if rng is None:
            raise InputRefusedError(f"The sign flips of {n} seeds are sampled here: pass rng, a numpy Generator.")
        basis = rng.integers(0, 2, (LISTED_UP_TO, n))
        basis[0] = 1
    # every sum of the rows that generate them
    bits = (np.arange(2 ** len(basis))[:, None] >> np.arange(len(basis)) & 1) @ basis % 2
    return np.asarray(1.0 - 2 * bits)


class Found(NamedTuple):
    """What each of S samples says of a claim, as :class:`zoneout_lab.stats.verdict.Found` does for one: ``own`` is p times the number of flips.

    ``finding``, ``own`` and ``shift`` are [S], ``sides`` and ``either`` [S, 2].
    """

    finding: Codes
    own: Counts
    shift: FloatArray
    sides: Codes
    either: Codes


def find(sums: FloatArray, drift: FloatArray, claim: Claim, absence: Absence = "one-sided") -> Found:
    """The finding with the smallest p, for flips' sums [S, flips] of differences whose signs add up to ``drift`` [flips].

    A shift by θ takes θ times the drift off each sum.

    >>> signs = signs_for(6)
    >>> sums = np.array([[-3.0, -2.0, -4.0, -1.0, -5.0, -2.5]]) @ signs.T
    >>> find(sums, signs.sum(1), Claim("lower")).own  # 2 of 64 flips
    array([2], dtype=int32)
    """

    def reached(shift: float, sides: Sides) -> Counts:
        moved = sums - shift * drift if shift else sums
        own = moved[:, :1]
        counts: Counts = (moved <= own if sides == LESS else moved >= own).sum(1, dtype=np.int32)
        return counts

    margin, (low, high) = claim.margin, wrong_sides(claim, absence)
    one = claim.direction.startswith("not ")
    below, above = (LESS, GREATER) if one else (TWO_SIDED, TWO_SIDED)
    at_below = margin if claim.direction == "not higher" else -margin
    at_above = -margin if claim.direction == "not lower" else margin
    times = 1 if one else 2
    options: list[tuple[Finding, Counts, float, Sides, Sides]] = [
        ("below", times * reached(at_below, LESS), at_below, below, low),
        ("above", times * reached(at_above, GREATER), at_above, above, high),
    ]
    if not one and margin > 0:
        # within: the nearer of the two margins, as in finding_of
        more, less = reached(-margin, GREATER), reached(margin, LESS)
        at_low = (more > less) | ((more == less) & (reached(0.0, LESS) <= reached(0.0, GREATER)))
        times, greater, lower = (1, GREATER, LESS) if absence == "one-sided" else (2, TWO_SIDED, TWO_SIDED)
        most = np.iinfo(np.int32).max
        options += [
            ("within", np.where(at_low, times * more, most), -margin, greater, low),
            ("within", np.where(~at_low, times * less, most), margin, lower, high),
        ]
    counts = np.stack([option[1] for option in options])
    best = counts.argmin(0)
    codes = np.array([_FINDINGS.index(option[0]) for option in options], np.int8)
    shifts = np.array([option[2] for option in options])
    sides, either = (np.array([option[k] for option in options], np.int8) for k in (3, 4))
    own = np.minimum(counts[best, np.arange(len(sums))], sums.shape[1]).astype(np.int32)
    return Found(codes[best], own, shifts[best], sides[best], either[best])


def decide_many(
    samples: npt.ArrayLike,
    claims: Sequence[Claim],
    alpha: float = 0.05,
    *,
    family: Family = "joint",
    absence: Absence = "one-sided",
    rng: np.random.Generator | None = None,
) -> Codes:
    """Verdicts [S, m] on S samples of a family's paired differences [S, m, n], as indices of ``VERDICTS``.

    Each claim has all n seeds. ``rng`` draws the flips beyond 10 seeds. Raises InputRefusedError where samples and claims do not match.

    >>> samples = np.random.default_rng(0).normal(-1, 1, (1000, 2, 8))
    >>> verdicts = decide_many(samples, [Claim("lower"), Claim("higher")])
    >>> [VERDICTS[k] for k in verdicts[0]]
    ['supported', 'contradicted']
    """
    check_alpha(alpha)
    values = np.asarray(samples, np.float64)
    if values.ndim != 3 or values.shape[1] != len(claims):
        raise InputRefusedError(
            f"Samples of {len(claims)} claims are [samples, {len(claims)}, seeds]; these are {list(values.shape)}."
        )
    n, m = values.shape[2], len(claims)
    verdicts = np.full(values.shape[:2], VERDICTS.index("underpowered"), np.int8)
    # joint flips leave out what can reach no verdict; under Holm it counts
    at = [
        j for j, c in enumerate(claims) if can_reach(n, alpha, c, absence) or (family == "holm" and n >= MINIMUM_SEEDS)
    ]
    if not at:
        return verdicts
    signs = signs_for(n, rng)
    rows = max(1, _BLOCK // (m * len(signs)))
    for k in range(0, len(values), rows):
        sums = [values[k : k + rows, j] @ signs.T for j in at]
        verdicts[k : k + rows, at] = decided(sums, signs.sum(1), n, [claims[j] for j in at], alpha, family, absence)
    return verdicts


def decided(
    sums: Sequence[FloatArray],
    drift: FloatArray,
    n: int,
    claims: Sequence[Claim],
    alpha: float,
    family: Family = "joint",
    absence: Absence = "one-sided",
) -> Codes:
    """Verdicts [S, m] from the flips' sums [S, flips] of each claim's ``n`` differences, the signs of which add up to ``drift`` [flips]."""
    m = len(claims)
    found = [find(sums[j], drift, claim, absence) for j, claim in enumerate(claims)]
    own = np.stack([each.own for each in found], 1)
    inconclusive = np.full(own.shape, VERDICTS.index("inconclusive"), np.int8)
    if family == "holm" or m == 1:
        passed, stopped = _holm(own / len(drift), alpha)
        reach = np.array([[can_reach(n, alpha / (m - k), claim, absence) for claim in claims] for k in range(m)])
        retained = np.where(reach[stopped], inconclusive, VERDICTS.index("underpowered"))
    else:
        passed, retained = _joint(sums, drift, found, own, n, alpha), inconclusive
    meaning = np.stack([meanings(claim)[each.finding] for claim, each in zip(claims, found, strict=True)], 1)
    return np.where(passed, meaning, retained).astype(np.int8)


def _holm(p: FloatArray, alpha: float) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.intp]]:
    """Which [S, m] of p values [S, m] the step-down rejects, and after how many [S] it stopped, at most m − 1."""
    m = p.shape[1]
    order = np.argsort(p, 1, kind="stable")
    stepped = np.take_along_axis(p, order, 1) <= alpha / np.arange(m, 0, -1)
    passed = np.empty_like(stepped)
    np.put_along_axis(passed, order, np.logical_and.accumulate(stepped, 1), 1)
    return passed, np.minimum(passed.sum(1), m - 1)


def _joint(
    sums: Sequence[FloatArray], drift: FloatArray, found: Sequence[Found], own: Counts, n: int, alpha: float
) -> npt.NDArray[np.bool_]:
    """Which claims [S, m] the step-down min-P of :mod:`~zoneout_lab.stats.joint` rejects.

    A flip has a p of at most c flips in a claim where its sum lies among the c outermost, so sorted sums give thresholds and no ranks are needed.
    """
    size, m = len(drift), len(found)
    passed = np.zeros(own.shape, bool)
    rows = np.flatnonzero(own.min(1) / size <= alpha)
    moved = [sums[j][rows] - found[j].shift[rows, None] * drift for j in range(m)]
    ordered = [np.sort(each, 1) for each in moved]
    # over all flips the mean square of a sum is the sum of the squares
    finer = [part_of_step(each, (each**2).mean(1), n) for each in moved]
    going = np.ones(len(rows), bool)
    while going.any():
        left = ~passed[rows]
        rejected = np.zeros(left.shape, bool)
        for j in range(m):
            at = np.flatnonzero(going & left[:, j] & (own[rows, j] / size <= alpha))
            value, far = own[rows[at], j], finer[j][at, 0]
            reached = np.zeros((len(at), size), bool)
            for i in range(m):
                some = np.flatnonzero(left[at, i])
                row = at[some]
                sides = (found[j].sides if i == j else found[i].either)[rows[row]]
                for count, least in ((value[some] - 1, None), (value[some], far[some, None])):
                    low, high = _outermost(ordered[i][row], sides, count)
                    out = (moved[i][row] <= low[:, None]) | (moved[i][row] >= high[:, None])
                    # with the same p, what lies as far out
                    reached[some] |= out if least is None else out & (finer[i][row] >= least)
            counted = np.maximum(reached.sum(1), value) / size
            rejected[at, j] = (counted <= alpha) | (left[at].sum(1) * value / size <= alpha)
        passed[rows] |= rejected
        going = np.asarray(rejected.any(1) & ~passed[rows].all(1))
    return passed


def _outermost(ordered: FloatArray, sides: Codes, count: Counts) -> tuple[FloatArray, FloatArray]:
    """The thresholds [S] below and above which lie those of ``ordered`` sums [S, flips] that have a p of at most ``count`` [S] flips on ``sides`` [S, 2]."""
    size, at = ordered.shape[1], np.arange(len(ordered))
    less, greater = (np.where(times > 0, count // np.maximum(times, 1), 0) for times in sides.T)
    low = np.where(less > 0, ordered[at, np.maximum(less, 1) - 1], -np.inf)
    high = np.where(greater > 0, ordered[at, size - np.maximum(greater, 1)], np.inf)
    return low, high


def meanings(claim: Claim) -> Codes:
    """The verdict that each finding (below, above, within) means for a claim, as an index of ``VERDICTS``; −1 where it is none.

    >>> meanings(Claim("not lower", 1.0))
    array([ 1,  0, -1], dtype=int8)
    """
    means = MEANING[claim.direction]
    return np.array([VERDICTS.index(means[f]) if f in means else -1 for f in _FINDINGS], np.int8)
