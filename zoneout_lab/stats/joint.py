"""Several hypotheses on the same seeds: one flip of a seed flips its difference in every hypothesis (Westfall & Young, 1993).

Arms that share a baseline share its luck, seed by seed, and their p values are small together. Flipping each seed as a whole keeps that
dependence. With p_j(g) the p that hypothesis j would have had, had the flips g been the data, the family S that is still to be decided is tested by min-P
(Ge, Dudoit & Speed, "Resampling-based multiple testing for microarray data analysis", 2003): j is rejected where its p_j is so small that

    #{g : p_j(g) ≤ p_j, or p̃_i(g) ≤ p_j for another i in S} / 2ⁿ ≤ α        or        |S| p_j ≤ α;

what is rejected leaves S, and the rest is tested again. p values and not test statistics are compared, so that hypotheses on different scales weigh the
same. The identity and the flip of everything are the most extreme for all hypotheses at once, and so the smallest adjusted p is 2/2ⁿ for any number of them,
where Holm's is m · 2/2ⁿ.

With few seeds p has few values, and the outermost flips of all hypotheses have the same: at six seeds five hypotheses have ten flips with p = 2/64 between
them, and α = .05 allows three. Equal p values are therefore told apart by how far out their flip lies, r = |Σ sᵢ dᵢ| / √(n Σ dᵢ²), which like t is free of units (and rises with
|t|): where p_i(g) is written above, p_i(g) − r_i(g)/2ⁿ⁺¹ is meant. Less than a step of p, this changes the order of no two p that differ; at six seeds,
five hypotheses and d_z = 1 it takes the power from .06 to .18.

A two-sided null is wrong in either direction, and p̃_i is p_i. At a margin the direction in which a verdict would be wrong is not known: the data choose the
side that is tested, and all sides so chosen point the way in which chance has moved the baseline. p̃_i therefore takes the smaller of the p values of
both sides. Its flips include those of the side that could be wrong, so the level found is no higher than with that side known; and |S| p_j ≤ α, which is
Bonferroni's, is below that level too. One hypothesis alone loses nothing by it, and no family decides less than under Holm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats.signflip import BLOCK, EXACT_UP_TO, RESAMPLES, FloatArray, slack_of

Counts = npt.NDArray[np.int64]


class Sides(NamedTuple):
    """How often each side's flips count in a p: 2 of a two-sided test, 1 of a one-sided one, 0 for a side that is not tested."""

    less: int
    greater: int


TWO_SIDED, LESS, GREATER = Sides(2, 2), Sides(1, 0), Sides(0, 1)


@dataclass(frozen=True, eq=False)
class Tested:
    """One hypothesis as the family's flips test it: differences [n] at ``seeds`` [n], the shift and sides of its null, and its own p.

    ``either`` are the sides on which a verdict at this shift could be wrong.
    """

    differences: FloatArray
    seeds: Sequence[int]
    p: float
    shift: float = 0.0
    sides: Sides = TWO_SIDED
    either: Sides = TWO_SIDED
    sizes: npt.ArrayLike | None = None


def step_down(
    family: Sequence[Tested], alpha: float, rng: np.random.Generator | None = None
) -> tuple[FloatArray, FloatArray]:
    """Adjusted p values [m] and the level [m] at which each hypothesis was tested: ``p ≤ level`` exactly where ``adjusted ≤ alpha``.

    All sign flips of the seeds that occur are listed up to 20 of them, and sampled with ``rng`` beyond.

    Raises InputRefusedError where there are more than 20 seeds and no ``rng``.

    >>> d = np.array([-0.5, -0.4, -0.6, -0.3, -0.7, -0.5])
    >>> family = [Tested(scale * d, range(6), p=2 / 64) for scale in (1.0, 2.0, 1e-9)]
    >>> adjusted, _ = step_down(family, 0.05)
    >>> adjusted * 64  # not 3 · 2/64: one flip is as good as another for all three at once
    array([2., 2., 2.])
    """
    adjusted, levels = np.empty(len(family)), np.empty(len(family))
    if not family:
        return adjusted, levels
    flips = sign_flips(sorted({seed for each in family for seed in each.seeds}), rng)
    under = [p_under(each, flips) for each in family]
    left, before, going = list(range(len(family))), 0.0, True
    while left:
        least = least_of_others([under[j] for j in left])
        tried = []
        for j, each in zip(left, least, strict=True):
            # the flips that are the data have the p of the data, whatever rounding makes of their ranks
            counted = max(float(np.count_nonzero(each <= under[j].own[0])) / each.size, family[j].p)
            tried.append(min(counted, len(left) * family[j].p, 1.0))
        smallest = min(tried)
        before = max(before, smallest)
        out = [j for j, p in zip(left, tried, strict=True) if p <= before]
        if going:
            going = smallest <= alpha
            for j, each, p in zip(left, least, tried, strict=True):
                if j in out or not going:
                    # a p that passes only by how far out its flip lies is the level that it passes at
                    passed = family[j].p if p <= alpha else 0.0
                    levels[j] = max(level_of(whole(each), alpha * each.size, alpha), alpha / len(left), passed)
        adjusted[out] = before
        left = [j for j in left if j not in out]
    return adjusted, levels


class Under(NamedTuple):
    """The p [flips] that a hypothesis would have, were each of the flips the data: on its ``own`` sides, and on ``either``.

    Listed flips have each p less a part of a step, by which equal ones are told apart.
    """

    own: FloatArray
    either: FloatArray


def least_of_others(under: Sequence[Under]) -> list[FloatArray]:
    """For each hypothesis, the smallest p [flips] of its own sides and of either side of the others.

    >>> one, two = np.array([0.1, 0.9]), np.array([0.8, 0.2])
    >>> least_of_others([Under(one, one), Under(two, np.array([0.05, 0.2]))])
    [array([0.05, 0.2 ]), array([0.1, 0.2])]
    """
    either = [each.either for each in under]
    if all(each.own is each.either for each in under):
        return [np.minimum.reduce(either)] * len(under)
    out = []
    # the smallest of those before and of those after
    after = [np.ones_like(either[0])]
    for each in reversed(either[1:]):
        after.append(np.minimum(after[-1], each))
    before = np.ones_like(either[0])
    for own, other in under:
        out.append(np.minimum(np.minimum(own, before), after.pop()))
        before = np.minimum(before, other)
    return out


def level_of(least: FloatArray, allowed: float, most: float) -> float:
    """The largest level, at most ``most``, that no more than ``allowed`` of the smallest p values [flips] reach."""
    count = max(0, int(np.floor(allowed * (1 + 1e-12) + 1e-9)))
    if count >= least.size:
        return most
    return min(most, float(np.nextafter(np.partition(least, count)[count], 0)))


def whole(p: FloatArray) -> FloatArray:
    """p values [flips] in whole steps again.

    >>> whole(np.array([0.5 - 0.1, 0.25 - 0.125, 0.75, 1.0]))
    array([0.5 , 0.25, 0.75, 1.  ])
    """
    return np.asarray(np.ceil(p * p.size - 1e-6) / p.size)


@dataclass(frozen=True, eq=False)
class SeedFlips:
    """Flips of ``seeds``: all 2ⁿ in the order of counting, the first seed fastest, or ``drawn`` [flips, ⌈n/8⌉] ones as bits, of which the first is none."""

    seeds: tuple[int, ...]
    drawn: npt.NDArray[np.uint8] | None = None

    @property
    def count(self) -> int:
        """How many flips there are."""
        return 2 ** len(self.seeds) if self.drawn is None else len(self.drawn)

    def sums(self, values: FloatArray, seeds: Sequence[int]) -> FloatArray:
        """Sums [flips] of ``values`` at ``seeds`` with these signs."""
        by_seed = dict(zip(seeds, values, strict=True))
        column = np.array([by_seed.get(seed, 0.0) for seed in self.seeds])
        if self.drawn is None:
            sums = np.zeros(1)
            for value in column:
                sums = np.concatenate([sums + value, sums - value])
            return sums
        rows = max(1, BLOCK // len(column))
        parts = [flipped(self.drawn[k : k + rows], len(column)) @ column for k in range(0, len(self.drawn), rows)]
        return np.asarray(column.sum() - 2 * np.concatenate(parts))


def sign_flips(seeds: Sequence[int], rng: np.random.Generator | None = None, resamples: int = RESAMPLES) -> SeedFlips:
    """Every flip of up to 20 seeds, or ``resamples`` random ones and the identity.

    >>> sign_flips([3, 5]).sums(np.array([1.0, 10.0]), [3, 5])
    array([ 11.,   9.,  -9., -11.])
    """
    if len(seeds) <= EXACT_UP_TO:
        return SeedFlips(tuple(seeds))
    if rng is None:
        raise InputRefusedError(f"{len(seeds)} seeds have too many sign flips to list: pass rng, a numpy Generator.")
    width = -(-len(seeds) // 8)
    drawn = np.frombuffer(bytes(width) + rng.bytes(resamples * width), np.uint8)
    return SeedFlips(tuple(seeds), drawn.reshape(resamples + 1, width))


def flipped(drawn: npt.NDArray[np.uint8], n: int) -> FloatArray:
    """1 where a flip that was drawn changes a seed's sign, otherwise 0: [flips, n].

    >>> flipped(np.array([[0b0000_0000], [0b1010_0000]], np.uint8), 3)
    array([[0., 0., 0.],
           [1., 0., 1.]])
    """
    return np.unpackbits(drawn, axis=1, count=n).astype(np.float64)


def p_under(tested: Tested, flips: SeedFlips) -> Under:
    """The p that the hypothesis would have under each of the flips."""
    # a power of two, so that the sum of enormous numbers stays finite and no digit changes
    largest = max(abs(tested.shift), float(np.abs(tested.differences).max(initial=0.0)))
    unit = 2.0 ** max(0, math.frexp(largest)[1] - 900)
    values = tested.differences / unit - tested.shift / unit
    sums = flips.sums(values, tested.seeds)
    # a sum is off by no more than all its parts are
    less, greater = ranks(sums, float((slack_of(tested.differences, tested.sizes) / unit).sum()))
    finer = np.zeros(sums.size)
    if flips.drawn is None:
        largest = float(np.abs(values).max(initial=0.0)) or 1.0  # squares of enormous values are not finite
        finer = part_of_step(sums / largest, float(((values / largest) ** 2).sum()), len(values))
    p = _combined(less, greater, tested.sides) - finer
    p[0] = tested.p - finer[0]
    if flips.drawn is None and tested.sides == TWO_SIDED:
        p[-1] = p[0]
    if tested.either == tested.sides:
        return Under(p, p)
    return Under(p, np.minimum(p, _combined(less, greater, tested.either) - finer))


def part_of_step(sums: FloatArray, squares: FloatArray | float, n: int) -> FloatArray:
    """r/2 in steps of p, for ``sums`` [..., flips] under every flip of ``n`` differences whose ``squares`` [...] add up to this.

    r has 20 binary places, so that p and what is taken off it add up without rounding.

    >>> part_of_step(np.array([2.0, 0.0, 0.0, -2.0]), 2.0, 2)  # r is 1, 0, 0, 1, and a step 1/4
    array([0.125, 0.   , 0.   , 0.125])
    """
    norm = np.sqrt(n * np.asarray(squares))[..., None]
    r = np.divide(np.abs(sums), norm, out=np.zeros_like(sums), where=norm > 0)
    return np.asarray(np.minimum(np.round(r * 2**20), 2**20) / (2**21 * sums.shape[-1]))


def _combined(less: Counts, greater: Counts, sides: Sides) -> FloatArray:
    size = less.size
    counted = np.full(size, size)
    for times, count in zip(sides, (less, greater), strict=True):
        if times:
            counted = np.minimum(counted, times * count)
    return np.asarray(counted / size)


def ranks(sums: FloatArray, slack: float = 0.0) -> tuple[Counts, Counts]:
    """How many of the ``sums`` [flips] are as small as each, and how many as large.

    Sums that differ by no more than ``slack`` from the next are tied.

    >>> ranks(np.array([3.0, 1.0, -1.0, 1.0]))
    (array([4, 3, 1, 3]), array([1, 3, 4, 3]))
    """
    order = np.argsort(sums)
    first = np.concatenate([[True], np.diff(sums[order]) > slack])
    group = np.cumsum(first) - 1
    starts = np.append(np.flatnonzero(first), sums.size)
    less, greater = np.empty(sums.size, np.int64), np.empty(sums.size, np.int64)
    less[order], greater[order] = starts[group + 1], sums.size - starts[group]
    return less, greater
