"""Two independent samples: the permutation test of their difference in means, and the interval that is its inverse.

Were the arms exchangeable but for a shift θ, every way of dealing the values x_i − θ and y_j to them would be as likely as any other. Dealing the set A
of the first to the second and a set B of as many of the second to the first lowers the difference in means by

    (1/n + 1/m) (Σ_A (x_i − θ) − Σ_B y_j),    |A| = |B| = k ≥ 1,

so it is reached or exceeded exactly where mean_A(x) − mean_B(y) ≤ θ. The list of these C(n + m, n) − 1 numbers answers every question about p and interval, as that
of the subset means does for sign flips (:mod:`~zoneout_lab.stats.signflip`), and is used by the same code.

What is tested is that the arms differ in a shift alone. Where their spreads differ, and their numbers of runs, the test of means errs more or less often than
it says (Romano 1990); :func:`cautions_apart` says where they seem to.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy
from scipy import special

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.metrics import Scale
from zoneout_lab.stats.cautions import Caution, far
from zoneout_lab.stats.families import holm, holm_levels
from zoneout_lab.stats.scales import are_whole, check_size, scaled
from zoneout_lab.stats.signflip import (
    BLOCK,
    RESAMPLES,
    FloatArray,
    SignFlip,
    as_differences,
    check_alpha,
    ranks_of,
    single_slack_of,
    tied,
)
from zoneout_lab.stats.verdict import Claim, Decision, decision_of, finding_of, one_sided, resamples_for

#: below three runs of an arm nothing can be said of its spread, and no verdict is given
MINIMUM_APART = 3
_MOST_LISTED = 2**20
#: numbers that are drawn for one test, at most; beyond, fewer permutations are sampled
_MOST_DRAWN = 500_000_000
_MOST_SHIFTS = 4_000_000
_LEVEL = 0.05
_LARGEST = 1e150  # the squares of smaller values are finite


def exchange(
    arm: npt.ArrayLike,
    against: npt.ArrayLike,
    *,
    sizes: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    rng: np.random.Generator | None = None,
    resamples: int = RESAMPLES,
) -> SignFlip:
    """The permutation distribution of the difference in means of two samples [n] and [m], ready for p values and intervals at any shift and level.

    All C(n + m, n) permutations are listed up to 2²⁰, and sampled with ``rng`` beyond. ``sizes`` [n] and [m] are what rounding errors go by, by default
    the values themselves.

    Raises InputRefusedError where a value is not finite, or there is no ``rng`` where one is needed.

    >>> exchange([5.0, 6.0, 7.0], [1.0, 2.0, 3.0]).p()  # scipy.stats.permutation_test(...).pvalue
    0.1
    >>> exchange([5.0, 6.0, 7.0, 8.0], [1.0, 2.0, 3.0, 4.0]).interval(0.05)
    (1.0, 7.0)
    """
    x, y = as_differences(arm), as_differences(against)
    n, m = len(x), len(y)
    slack = _slack_of((x, y), sizes or (np.abs(x), np.abs(y)))
    count = math.comb(n + m, n)
    if count <= _MOST_LISTED:
        means, extra = _listed((x, y), slack)
        return SignFlip(n + m, means, extra, count - len(means), count, "permutation", listed=True)
    if rng is None:
        raise InputRefusedError(f"{n} and {m} runs have too many permutations to list: pass rng, a numpy Generator.")
    resamples = max(999, min(resamples, _MOST_DRAWN // (n + m)))
    means, extra = _drawn((x, y), slack, rng, resamples)
    return SignFlip(n + m, means, extra, resamples + 1 - len(means), resamples + 1, "permutation", listed=False)


Two = tuple[FloatArray, FloatArray]


def _slack_of(values: Two, sizes: tuple[npt.ArrayLike, npt.ArrayLike]) -> Two:
    """What rounding may have changed of each value; the largest difference is that of any two of them."""
    x, y = values
    both = np.concatenate(values) / 2  # halves of enormous values stay finite
    largest = 2.0 * float(np.ptp(both)) if both.size else 0.0
    return single_slack_of(x, sizes[0], largest), single_slack_of(y, sizes[1], largest)


def _listed(values: Two, slack: Two) -> Two:
    """mean_A(x) − mean_B(y) of all sets of one size, and what rounding may have changed of each."""
    means, extra = [np.empty(0)], [np.empty(0)]
    for k in range(1, min(map(len, values)) + 1):
        (a, of_a), (b, of_b) = (_of_sets(v, s, k) for v, s in zip(values, slack, strict=True))
        means.append((a[:, None] - b[None, :]).ravel())
        extra.append((of_a[:, None] + of_b[None, :]).ravel())
    return np.concatenate(means), np.concatenate(extra)


def _of_sets(values: FloatArray, slack: FloatArray, k: int) -> Two:
    flat = itertools.chain.from_iterable(itertools.combinations(range(len(values)), k))
    sets = np.fromiter(flat, dtype=np.intp).reshape(-1, k)
    return values[sets].mean(1), slack[sets].mean(1)


def _drawn(values: Two, slack: Two, rng: np.random.Generator, resamples: int) -> Two:
    n, both = len(values[0]), np.concatenate(values)
    size, sign = len(both), np.r_[np.ones(n), -np.ones(len(both) - n)]
    columns = np.stack([sign * both, np.concatenate(slack)])
    parts = []
    rows = max(1, BLOCK // size)
    for start in range(0, resamples, rows):
        keys = rng.random((min(rows, resamples - start), size))
        mine = np.zeros(keys.shape, dtype=bool)
        np.put_along_axis(mine, np.argpartition(keys, n - 1, axis=1)[:, :n], True, axis=1)
        moved = mine.copy()
        moved[:, :n] = ~mine[:, :n]  # of the arm what it gives away, of the other what is dealt to the arm
        k = moved[:, n:].sum(1)
        sums = columns @ moved.T.astype(np.float64)
        parts.append(sums[:, k > 0] / k[k > 0])
    means, extra = np.concatenate(parts, 1)
    return means, extra


class Apart(NamedTuple):
    """Values of two arms on a scale, [n] and [m], with what rounding goes by; ``replaced`` of them were zero (or one)."""

    arm: FloatArray
    against: FloatArray
    sizes: Two
    replaced: int


def scaled_apart(arm: npt.ArrayLike, against: npt.ArrayLike, scale: Scale = "linear") -> Apart:
    """The values of two arms [n] and [m] on ``scale``, by the rule that pairs go by (:func:`~zoneout_lab.stats.scales.scaled`). Raises as it does.

    >>> scaled_apart([0.5, 0.0], [1.0, 0.25, 0.5], "log").arm / np.log(2)  # the zero counts as 0.125
    array([-1., -3.])
    """
    x, y = np.asarray(arm, np.float64), np.asarray(against, np.float64)
    heap = np.concatenate([x, y])
    if scale == "linear":
        check_size(heap, _LARGEST)
        if len(heap) and are_whole(heap):  # without what they share, the differences of counts are exact
            heap = heap - heap.min()
    on = scaled(heap, heap, scale)
    n = len(x)
    return Apart(on.arm[:n], on.arm[n:], (on.sizes[:n], on.sizes[n:]), on.replaced // 2)


def decide_apart(
    samples: Sequence[Apart], claims: Sequence[Claim], alpha: float = 0.05, *, rng: np.random.Generator | None = None
) -> tuple[Decision, ...]:
    """Verdicts on a family of claims about the difference in means of two independent samples each, jointly at ``alpha`` by Holm.

    ``n`` of a decision is the number of runs of both arms. With fewer than three runs of an arm, or where no permutation could reach the level, it is underpowered.

    >>> one = scaled_apart([5.0, 6.0, 7.0, 8.0], [1.0, 2.0, 3.0, 4.0])
    >>> decide_apart([one], [Claim("higher")])[0].verdict
    'supported'
    """
    check_alpha(alpha)
    start = None if rng is None else int(rng.integers(2**63))
    flips = [
        exchange(
            each.arm,
            each.against,
            sizes=each.sizes,
            rng=None if start is None else np.random.default_rng(start),
            resamples=resamples_for(alpha / max(1, len(claims))),
        )
        for each in samples
    ]
    enough = [min(len(each.arm), len(each.against)) >= MINIMUM_APART for each in samples]
    found = [finding_of(flip, claim, "one-sided") for flip, claim in zip(flips, claims, strict=True)]
    found = [each if may else each._replace(p=1.0) for each, may in zip(found, enough, strict=True)]
    ps = [each.p for each in found]
    adjusted, levels = holm(ps), holm_levels(ps, alpha)
    possible = [
        may and flip.smallest_p <= (2 * level if one_sided(claim) else level)
        for may, flip, claim, level in zip(enough, flips, claims, levels, strict=True)
    ]
    return tuple(
        decision_of(flip, claim, each, may, float(level), float(p), float(p), "one-sided")
        for flip, claim, each, may, level, p in zip(flips, claims, found, possible, levels, adjusted, strict=True)
    )


class ApartEffect(NamedTuple):
    """What two samples look like: the difference in means, Welch's t interval (which assumes normal values), the Hodges–Lehmann shift, and the p of
    the permutation test of ranks (Mann and Whitney's)."""

    mean: float
    constant: bool
    t_interval: tuple[float, float]
    hodges_lehmann: float
    p_ranks: float
    ranks_method: str


def apart_effect(each: Apart, alpha: float = 0.05, *, rng: np.random.Generator | None = None) -> ApartEffect:
    """Every description of two samples at once; ``rng`` is needed where the permutations are sampled.

    >>> effect = apart_effect(scaled_apart([5.0, 6.0, 7.0], [1.0, 2.0, 3.0]))
    >>> effect.mean, effect.hodges_lehmann, effect.p_ranks
    (4.0, 4.0, 0.1)
    """
    x, y = each.arm, each.against
    n, m = len(x), len(y)
    if not n or not m:
        return ApartEffect(math.nan, False, (-math.inf, math.inf), math.nan, 1.0, "")
    mean = float(x.mean() - y.mean())
    low, high = -math.inf, math.inf
    if n > 1 and m > 1:
        parts = float(x.var(ddof=1)) / n, float(y.var(ddof=1)) / m
        half = 0.0
        if sum(parts):
            df = sum(parts) ** 2 / (parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (m - 1))
            half = -float(special.stdtrit(df, alpha / 2)) * math.sqrt(sum(parts))
        low, high = mean - half, mean + half
    slack = np.concatenate(_slack_of((x, y), each.sizes))
    ranks = ranks_of(np.concatenate([x, y]), slack)
    test = exchange(ranks[:n], ranks[n:], rng=rng)
    shift = float(np.median((x[:, None] - y[None, :]).ravel())) if n * m <= _MOST_SHIFTS else math.nan
    constant = float(np.ptp(x)) == float(np.ptp(y)) == 0
    rounding = float(slack[:n].mean() + slack[n:].mean())
    mean, shift = (0.0 if tied(value, 0.0, rounding) else value for value in (mean, shift))
    return ApartEffect(mean, constant, (low, high), shift, test.p(), f"{test.method} of ranks")


def cautions_apart(arm: FloatArray, against: FloatArray) -> tuple[Caution, ...]:
    """What makes a shift alone doubtful: an outlier of an arm, or spreads that differ (Brown and Forsythe's test at .05). Fewer than 4 runs of an arm have none.

    >>> cautions_apart(np.array([1.0, 2.0, 3.0, 4.0, 90.0]), np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    ('outlier',)
    """
    if min(len(arm), len(against)) < 4:
        return ()
    largest = max(1.0, float(np.abs(np.concatenate([arm, against])).max()))
    x, y = arm / largest, against / largest
    found: list[Caution] = ["outlier"] if far(x) or far(y) else []
    if np.ptp(x) + np.ptp(y) > 0 and scipy.stats.levene(x, y, center="median").pvalue < _LEVEL:
        found.append("spread")
    return tuple(found)
