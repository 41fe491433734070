"""Several hypotheses on the same seeds: one flip of a seed flips its difference in every hypothesis (Westfall & Young, 1993).

Arms that share a baseline share its luck, seed by seed, and their p values are small together. Flipping each seed as a whole keeps that
dependence. With p_j(g) the p that hypothesis j would have had, had the flips g been the data, the family is judged by step-down min-P
(Ge, Dudoit & Speed, "Resampling-based multiple testing for microarray data analysis", 2003, algorithm 4):

    adjusted₍ₖ₎ = max over i ≤ k of  #{g : min over j ≥ i of p₍ⱼ₎(g) ≤ p₍ᵢ₎} / 2ⁿ        where p₍₁₎ ≤ … ≤ p₍ₘ₎

p values and not test statistics are compared, so that hypotheses on different scales weigh the same. The identity and the flip of everything are
the most extreme for all hypotheses at once, and so the smallest adjusted p is 2/2ⁿ for any number of them, where Holm's is m · 2/2ⁿ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats.signflip import BLOCK, EXACT_UP_TO, RESAMPLES, FloatArray, slack_of

Side = Literal["two-sided", "less", "greater"]
Flips = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tested:
    """One hypothesis as the family's flips test it: differences [n] at ``seeds`` [n], the shift and side of its null, and its own p."""

    differences: FloatArray
    seeds: Sequence[int]
    p: float
    shift: float = 0.0
    side: Side = "two-sided"
    sizes: npt.ArrayLike | None = None


def step_down(
    family: Sequence[Tested], alpha: float, rng: np.random.Generator | None = None
) -> tuple[FloatArray, FloatArray]:
    """Adjusted p values [m] and the level [m] at which each hypothesis was tested: ``p ≤ level`` exactly where ``adjusted ≤ alpha``.

    All sign flips of the seeds that occur are listed up to 20 of them, and sampled with ``rng`` beyond. Equal p values share one level.

    Raises InputRefusedError where there are more than 20 seeds and no ``rng``.

    >>> d = np.array([-0.5, -0.4, -0.6, -0.3, -0.7, -0.5])
    >>> family = [Tested(scale * d, range(6), p=2 / 64) for scale in (1.0, 2.0, 1e-9)]
    >>> adjusted, _ = step_down(family, 0.05)
    >>> adjusted * 64  # not 3 · 2/64: one flip is as good as another for all three at once
    array([2., 2., 2.])
    """
    if not family:
        return np.empty(0), np.empty(0)
    flips = sign_flips(sorted({seed for each in family for seed in each.seeds}), rng)
    own = np.array([each.p for each in family])
    under = np.stack([p_under(each, flips) for each in family])
    adjusted, levels = np.empty(len(family)), np.empty(len(family))
    before, going = 0.0, True
    for value in np.unique(own):
        least = under[own >= value].min(0)
        here = own == value
        # the flips that are the data have the p of the data, whatever rounding makes of their ranks
        before = max(before, float(np.count_nonzero(least <= value)) / least.size, value)
        adjusted[here] = min(1.0, before)
        if going:
            level = _level(least, alpha)
            going = before <= alpha
        levels[here] = level
    return adjusted, levels


def _level(least: FloatArray, alpha: float) -> float:
    """The largest level, at most ``alpha``, that no more than this part of the flips reach."""
    first = int(np.floor(alpha * least.size * (1 + 1e-12)))  # so many may
    if first >= least.size:
        return alpha
    return min(alpha, float(np.nextafter(np.partition(least, first)[first], 0)))


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
        """Sums [flips] of ``values`` at ``seeds`` after each flip."""
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


def p_under(tested: Tested, flips: SeedFlips) -> FloatArray:
    """The p [flips] that the hypothesis would have, were each of the flips the data."""
    values = tested.differences - tested.shift
    sums = flips.sums(values, tested.seeds)
    # a sum is off by no more than all its parts are
    slack = float(slack_of(tested.differences, tested.sizes).sum())
    p = ranked(sums, tested.side, slack)
    p[0] = tested.p
    if flips.drawn is None and tested.side == "two-sided":
        p[-1] = tested.p
    return p


def ranked(sums: FloatArray, side: Side, slack: float = 0.0) -> FloatArray:
    """The p [flips] of each flip among all: the part of ``sums`` [flips] that is as small (large), twice that for two sides.

    Sums that differ by no more than ``slack`` from the next are tied.

    >>> ranked(np.array([3.0, 1.0, -1.0, -3.0]), "less")
    array([1.  , 0.75, 0.5 , 0.25])
    >>> ranked(np.array([3.0, 1.0, -1.0, -3.0]), "two-sided")
    array([0.5, 1. , 1. , 0.5])
    """
    order = np.argsort(sums)
    first = np.concatenate([[True], np.diff(sums[order]) > slack])
    group = np.cumsum(first) - 1
    starts = np.append(np.flatnonzero(first), sums.size)
    p = np.empty(sums.size)
    less, greater = starts[group + 1], sums.size - starts[group]
    counted = {"less": less, "greater": greater}.get(side, np.minimum(2 * np.minimum(less, greater), sums.size))
    p[order] = counted / sums.size
    return p
