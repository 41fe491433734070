"""The verdicts that :func:`~zoneout_lab.stats.decide` would give on many samples at once: what power and error rates are counted from.

The same signs serve all samples, so their sums are one matrix product, and their order along the flips gives every p. Up to ten seeds all 2ⁿ flips are
listed; beyond, 1,024 of them, closed under exchange of all signs, are drawn once. A test with fewer flips finds slightly less, so power is
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
from zoneout_lab.stats.signflip import FloatArray, check_alpha
from zoneout_lab.stats.verdict import MEANING, VERDICTS, Absence, Claim, Finding, can_reach

LISTED_UP_TO, SAMPLED = 10, 1024
_BLOCK = 2**21  # sums that are in memory at once, in each of a handful of arrays

Codes = npt.NDArray[np.int8]
Counts = npt.NDArray[np.int32]

_FINDINGS: tuple[Finding, ...] = ("below", "above", "within")
_TWO_SIDED, _LESS, _GREATER = 0, 1, 2


def signs_for(n: int, rng: np.random.Generator | None = None) -> FloatArray:
    """Signs [flips, n], the first of them all 1: every one up to 10 seeds, otherwise 1,024 from ``rng``.

    >>> signs_for(2)
    array([[ 1.,  1.],
           [-1.,  1.],
           [ 1., -1.],
           [-1., -1.]])
    """
    if n <= LISTED_UP_TO:
        bits = np.arange(2**n)[:, None] >> np.arange(n) & 1
        return np.asarray(1.0 - 2 * bits)
    if rng is None:
        raise InputRefusedError(f"The sign flips of {n} seeds are sampled here: pass rng, a numpy Generator.")
    half = rng.integers(0, 2, (SAMPLED // 2, n)) * 2.0 - 1
    half[0] = 1
    return np.concatenate([half, -half])


class Found(NamedTuple):
    """What each of S samples says of a claim: ``finding`` [S], its p times the number of flips [S], and the null rejected: ``shift`` and ``side`` [S]."""

    finding: Codes
    own: Counts
    shift: FloatArray
    side: Codes


def find(sums: FloatArray, drift: FloatArray, claim: Claim, absence: Absence = "one-sided") -> Found:
    """The finding with the smallest p, for flips' sums [S, flips] of differences whose signs add up to ``drift`` [flips].

    A shift by θ takes θ times the drift off each sum.

    >>> signs = signs_for(6)
    >>> sums = np.array([[-3.0, -2.0, -4.0, -1.0, -5.0, -2.5]]) @ signs.T
    >>> find(sums, signs.sum(1), Claim("lower")).own  # 2 of 64 flips
    array([2], dtype=int32)
    """

    def reached(shift: float, side: int) -> Counts:
        moved = sums - shift * drift if shift else sums
        own = moved[:, :1]
        counts: Counts = (moved <= own if side == _LESS else moved >= own).sum(1, dtype=np.int32)
        return counts

    margin = claim.margin
    options: list[tuple[Finding, Counts, float | FloatArray, int | Codes]]
    if claim.direction == "not lower":
        options = [
            ("above", reached(-margin, _GREATER), -margin, _GREATER),
            ("below", reached(-margin, _LESS), -margin, _LESS),
        ]
    elif claim.direction == "not higher":
        options = [
            ("below", reached(margin, _LESS), margin, _LESS),
            ("above", reached(margin, _GREATER), margin, _GREATER),
        ]
    else:
        options = [
            ("below", 2 * reached(-margin, _LESS), -margin, _TWO_SIDED),
            ("above", 2 * reached(margin, _GREATER), margin, _TWO_SIDED),
        ]
        if margin > 0:
            more, less = reached(-margin, _GREATER), reached(margin, _LESS)
            low = more >= less
            one = absence == "one-sided"
            side = np.where(low, _GREATER, _LESS) if one else np.full(len(low), _TWO_SIDED)
            shift = np.where(low, -margin, margin)
            options.append(("within", np.maximum(more, less) * (1 if one else 2), shift, side.astype(np.int8)))
    counts = np.stack([option[1] for option in options])
    best = counts.argmin(0)
    size, at = sums.shape[1], np.arange(len(sums))

    def chosen(values: Sequence[npt.ArrayLike]) -> npt.NDArray[np.float64]:
        return np.asarray(np.stack([np.broadcast_to(value, best.shape) for value in values])[best, at])

    codes = np.array([_FINDINGS.index(option[0]) for option in options], np.int8)
    return Found(
        codes[best],
        np.minimum(counts[best, at], size).astype(np.int32),
        chosen([option[2] for option in options]),
        chosen([option[3] for option in options]).astype(np.int8),
    )


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
        passed, retained = _joint(sums, drift, found, own, alpha), inconclusive
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
    sums: Sequence[FloatArray], drift: FloatArray, found: Sequence[Found], own: Counts, alpha: float
) -> npt.NDArray[np.bool_]:
    """Which claims [S, m] the step-down min-P of :mod:`~zoneout_lab.stats.joint` rejects.

    A flip has a p of at most c flips in a claim where its sum lies among the c outermost, so sorted sums give thresholds and no ranks are needed.
    """
    size, m = len(drift), len(found)
    passed = np.zeros(own.shape, bool)
    order = np.argsort(own, 1, kind="stable")
    place = np.argsort(order, 1)  # of each claim among the p values
    rows = np.flatnonzero(own.min(1) / size <= alpha)
    moved = [sums[j][rows] - found[j].shift[rows, None] * drift for j in range(m)]
    ordered = [np.sort(each, 1) for each in moved]
    going = np.ones(len(rows), bool)
    for step in range(m):
        value = own[rows, order[rows, step]]
        going &= value / size <= alpha
        reached = np.zeros((len(rows), size), bool)
        for j in range(m):
            at = np.flatnonzero(going & (place[rows, j] >= step))
            low, high = _outermost(ordered[j][at], found[j].side[rows[at]], value[at])
            reached[at] |= (moved[j][at] <= low[:, None]) | (moved[j][at] >= high[:, None])
        going &= np.maximum(reached.sum(1), value) / size <= alpha
        at = np.flatnonzero(going)
        passed[rows[at], order[rows[at], step]] = True
    return passed


def _outermost(ordered: FloatArray, side: Codes, count: Counts) -> tuple[FloatArray, FloatArray]:
    """Sums of at most the first and at least the second [S] of ``ordered`` ones [S, flips] have a p of at most ``count`` [S] flips."""
    size, at = ordered.shape[1], np.arange(len(ordered))
    half = np.where(side == _TWO_SIDED, count // 2, count)
    low = np.where((half > 0) & (side != _GREATER), ordered[at, np.maximum(half, 1) - 1], -np.inf)
    high = np.where((half > 0) & (side != _LESS), ordered[at, size - np.maximum(half, 1)], np.inf)
    return low, high


def meanings(claim: Claim) -> Codes:
    """The verdict that each finding (below, above, within) means for a claim, as an index of ``VERDICTS``; −1 where it is none.

    >>> meanings(Claim("not lower", 1.0))
    array([ 1,  0, -1], dtype=int8)
    """
    means = MEANING[claim.direction]
    return np.array([VERDICTS.index(means[f]) if f in means else -1 for f in _FINDINGS], np.int8)
