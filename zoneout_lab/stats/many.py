"""The verdicts that :func:`~zoneout_lab.stats.decide` would give on many samples at once: what power and error rates are counted from.

The same signs serve all samples, so their sums are one matrix product, and ranks along the flips give every p. Up to ten seeds all 2ⁿ flips are
listed; beyond, 2,048 of them, closed under exchange of all signs, are drawn once. A test with fewer flips finds slightly less, so power is
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

LISTED_UP_TO, SAMPLED = 10, 2048
_BLOCK = 2**21  # ranks that are in memory at once, for each of a handful of arrays

Codes = npt.NDArray[np.int8]
Counts = npt.NDArray[np.int32]

_FINDINGS: tuple[Finding, ...] = ("below", "above", "within")
_TWO_SIDED, _LESS, _GREATER = 0, 1, 2


def signs_for(n: int, rng: np.random.Generator | None = None) -> FloatArray:
    """Signs [flips, n], the first of them all 1: every one up to 10 seeds, otherwise 2,048 from ``rng``.

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
        return np.count_nonzero(moved <= own if side == _LESS else moved >= own, axis=1).astype(np.int32)

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


def under(sums: FloatArray, drift: FloatArray, found: Found) -> Counts:
    """The p that the claim would have at each flip, times the number of flips: [S, flips]."""
    moved = sums - found.shift[:, None] * drift
    size = sums.shape[1]
    less = np.empty(moved.shape, np.int32)
    np.put_along_axis(less, np.argsort(moved, -1), np.arange(1, size + 1, dtype=np.int32)[None], -1)
    greater = size + 1 - less
    side = found.side[:, None]
    two = np.minimum(2 * np.minimum(less, greater), size)
    counts: Counts = np.where(side == _LESS, less, np.where(side == _GREATER, greater, two)).astype(np.int32)
    counts[:, 0] = found.own
    return counts


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
    at = [j for j, c in enumerate(claims) if can_reach(n, alpha, c, absence) or (family == "holm" and n >= MINIMUM_SEEDS)]
    if not at:
        return verdicts
    signs = signs_for(n, rng)
    rows = max(1, _BLOCK // (m * len(signs)))
    for k in range(0, len(values), rows):
        block = values[k : k + rows, at]
        verdicts[k : k + rows, at] = _decided(block, signs, [claims[j] for j in at], alpha, family, absence)
    return verdicts


def _decided(
    values: FloatArray, signs: FloatArray, claims: Sequence[Claim], alpha: float, family: Family, absence: Absence
) -> Codes:
    drift, size = signs.sum(1), len(signs)
    sums = [values[:, j] @ signs.T for j in range(len(claims))]
    found = [find(sums[j], drift, claim, absence) for j, claim in enumerate(claims)]
    own = np.stack([each.own for each in found], 1)
    order = np.argsort(own, 1, kind="stable")
    stepped = np.take_along_axis(own, order, 1)
    if family == "holm":
        level = alpha / np.arange(len(claims), 0, -1)
        passed = np.logical_and.accumulate(stepped / size <= level, 1)
        # what is retained shares the level at which the step-down stopped
        stopped = level[np.minimum(passed.sum(1), len(claims) - 1)]
        reach = [[can_reach(values.shape[2], float(a), claim, absence) for claim in claims] for a in level]
        powerless = ~passed & ~np.take_along_axis(np.array(reach)[np.searchsorted(level, stopped)], order, 1)
    else:
        least = np.stack([under(sums[j], drift, found[j]) for j in range(len(claims))], 1)
        least = np.take_along_axis(least, order[:, :, None], 1)
        least = np.minimum.accumulate(least[:, ::-1], 1)[:, ::-1]
        counted = np.count_nonzero(least <= stepped[:, :, None], axis=2)
        passed = np.maximum.accumulate(np.maximum(counted, stepped), 1) / size <= alpha
        powerless = np.zeros_like(passed)
    decided, nothing = np.empty_like(passed), np.empty_like(passed)
    np.put_along_axis(decided, order, passed, 1)
    np.put_along_axis(nothing, order, powerless, 1)
    meaning = np.stack([meanings(claim)[each.finding] for claim, each in zip(claims, found, strict=True)], 1)
    verdicts = np.where(decided, meaning, VERDICTS.index("inconclusive"))
    return np.where(nothing, VERDICTS.index("underpowered"), verdicts).astype(np.int8)


def meanings(claim: Claim) -> Codes:
    """The verdict that each finding (below, above, within) means for a claim, as an index of ``VERDICTS``; −1 where it is none.

    >>> meanings(Claim("not lower", 1.0))
    array([ 1,  0, -1], dtype=int8)
    """
    means = MEANING[claim.direction]
    return np.array([VERDICTS.index(means[f]) if f in means else -1 for f in _FINDINGS], np.int8)

