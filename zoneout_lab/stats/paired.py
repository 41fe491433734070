"""Effect sizes and sensitivity checks of paired differences, one number per seed: what stands beside the sign-flip test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy  # its packages are loaded when they are used
from scipy import special

from zoneout_lab.stats.noncentral import noncentral_t_cdf, noncentrality_bounds
from zoneout_lab.stats.signflip import (
    FloatArray,
    SignFlip,
    as_differences,
    check_alpha,
    ranks_of,
    sign_flip,
    single_slack_of,
    slack_of,
    tied,
)

Interval = tuple[float, float]
_ALL: Interval = (-math.inf, math.inf)
_UNDEFINED: Interval = (math.nan, math.nan)
_MOST_LISTED = 3000
_ENORMOUS = 1e150  # its square is the largest that is finite


@dataclass(frozen=True)
class PairedEffect:
    """What ``n`` paired differences look like, in their own units unless said otherwise.

    ``mean``, ``sd`` (n − 1 in the denominator) and ``hodges_lehmann``; ``t_interval`` and ``d_z_interval`` at 1 − α;
    ``d_z`` without unit; ``p_wilcoxon`` two-sided, by ``wilcoxon_method``. NaN: not defined at this n.
    """

    n: int
    mean: float
    sd: float
    t_interval: Interval
    p_wilcoxon: float
    wilcoxon_method: str
    d_z: float
    d_z_interval: Interval
    hodges_lehmann: float


def paired_effect(
    differences: npt.ArrayLike,
    alpha: float = 0.05,
    *,
    sizes: npt.ArrayLike | None = None,
    marks: Sequence[float] = (0.0,),
    rng: np.random.Generator | None = None,
) -> PairedEffect:
    """Every description of paired differences [n] at once; ``rng`` is needed beyond 20 of them.

    ``sizes`` [n] are the larger of |a| and |b| of the values that were subtracted: mean, shift and t interval that are tied with one of
    ``marks`` but for their rounding are given as that mark. Raises InputRefusedError for differences that are not finite.

    >>> effect = paired_effect([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    >>> effect.mean, effect.hodges_lehmann, effect.p_wilcoxon
    (3.5, 3.5, 0.03125)
    """
    values = as_differences(differences)
    slack = single_slack_of(values, sizes)
    mean, sd = _mean(values), _sd(values, slack_of(values, sizes))
    d_z, d_z_interval = _effect_size(values, sd, alpha)
    ranks = _signed_ranks(values, slack, rng)
    rounding = float(slack.mean()) if len(values) else 0.0

    def snapped(value: float) -> float:
        return next((mark for mark in marks if tied(value, mark, rounding)), value)

    low, high = _t_interval(values, sd, alpha)
    return PairedEffect(
        n=len(values),
        mean=snapped(mean),
        sd=sd,
        t_interval=(snapped(low), snapped(high)),
        p_wilcoxon=ranks.p(),
        wilcoxon_method=ranks.method.replace("sign-flip", "signed ranks"),
        d_z=d_z,
        d_z_interval=d_z_interval,
        hodges_lehmann=snapped(hodges_lehmann(values)),
    )


def _mean(values: FloatArray) -> float:
    if not len(values):
        return math.nan
    largest = float(np.abs(values).max())
    # the sum of enormous numbers would not be finite
    return largest * float((values / largest).mean()) if largest > _ENORMOUS else float(values.mean())


def _sd(values: FloatArray, slack: FloatArray | None = None) -> float:
    """Standard deviation; exactly zero where the differences are constant up to rounding, NaN for fewer than two."""
    if len(values) < 2:
        return math.nan
    slack = slack_of(values) if slack is None else slack
    low, high = int(values.argmin()), int(values.argmax())
    if values[high] / 2 - values[low] / 2 <= (slack[high] + slack[low]) / 2:  # halves of enormous values stay finite
        return 0.0
    largest = float(np.abs(values).max())
    return largest * float((values / largest).std(ddof=1)) if largest > _ENORMOUS else float(values.std(ddof=1))


def t_interval(differences: npt.ArrayLike, alpha: float = 0.05) -> Interval:
    """The paired t interval at 1 − α: mean ± t_{1−α/2, n−1} sd/√n. Assumes normal differences; (−∞, ∞) for n < 2.

    >>> low, high = t_interval([1.0, 2.0, 3.0])
    >>> round(low, 3), round(high, 3)
    (-0.484, 4.484)
    """
    values = as_differences(differences)
    return _t_interval(values, _sd(values), alpha)


def _t_interval(values: FloatArray, sd: float, alpha: float) -> Interval:
    check_alpha(alpha)
    n = len(values)
    if n < 2:
        return _ALL
    centre = _mean(values)
    half = -float(special.stdtrit(n - 1, alpha / 2)) * sd / math.sqrt(n)
    return centre - half, centre + half


def wilcoxon_p(
    differences: npt.ArrayLike, *, sizes: npt.ArrayLike | None = None, rng: np.random.Generator | None = None
) -> float:
    """Two-sided exact Wilcoxon signed-rank p, with midranks for ties and Pratt's treatment of zeros.

    It is the sign-flip test of the signed ranks, so ties and zeros stay exact (Pratt, JASA 54, 1959: rank with the zeros,
    then leave them out). Beyond 20 differences it is sampled with ``rng``. ``sizes`` as for
    :func:`~zoneout_lab.stats.signflip.sign_flip`.

    >>> wilcoxon_p([1.0, 2.0, -0.5, 4.0, 5.0, 6.0])  # scipy.stats.wilcoxon(...).pvalue
    0.0625
    """
    values = as_differences(differences)
    return _signed_ranks(values, single_slack_of(values, sizes), rng).p()


def _signed_ranks(values: FloatArray, slack: FloatArray, rng: np.random.Generator | None) -> SignFlip:
    sizes = np.where(np.abs(values) <= slack, 0.0, np.abs(values))
    ranks: FloatArray = np.where(sizes > 0, np.sign(values) * ranks_of(sizes, slack), 0.0)
    return sign_flip(ranks, rng=rng)


def hodges_lehmann(differences: npt.ArrayLike) -> float:
    """The Hodges–Lehmann shift: median of the Walsh averages (d_i + d_j)/2, i ≤ j. NaN for no differences.

    >>> hodges_lehmann([1.0, 2.0, 30.0])
    8.75
    """
    values = as_differences(differences)
    if not len(values):
        return math.nan
    if len(values) > _MOST_LISTED:
        return _walsh_median(np.sort(values))
    i, j = np.triu_indices(len(values))
    return float(np.median(values[i] / 2 + values[j] / 2))


def _walsh_median(ordered: FloatArray) -> float:
    """The median of the Walsh averages by halving, since a list of them all would not fit in memory; to the last few bits."""
    n, (low, high) = len(ordered), (float(ordered[0]), float(ordered[-1]))
    wanted, own = (n * (n + 1) // 2 + 1) // 2, np.arange(n)
    for _ in range(80):
        middle = low / 2 + high / 2
        # how many j ≥ i have (d_i + d_j)/2 ≤ middle
        below = np.searchsorted(ordered, 2 * middle - ordered, side="right")
        if int(np.maximum(below - own, 0).sum()) >= wanted:
            high = middle
        else:
            low = middle
        if high - low <= 2.0**-50 * max(abs(low), abs(high)):
            break
    return low / 2 + high / 2


def effect_size(differences: npt.ArrayLike, alpha: float = 0.05) -> tuple[float, Interval]:
    """d_z = mean/sd of the differences, with its noncentral-t interval at 1 − α; NaN where there is no spread to divide by.

    The interval holds the d_z for which the observed t = d_z √n is within the central 1 − α of the noncentral t
    distribution with noncentrality d_z √n (Steiger & Fouladi, 1997). It assumes normal differences.

    >>> d_z, (low, high) = effect_size([1.0, 2.0, 3.0, 4.0, 5.0])
    >>> round(d_z, 3), round(low, 3), round(high, 3)
    (1.897, 0.333, 3.407)
    """
    values = as_differences(differences)
    return _effect_size(values, _sd(values), alpha)


def _effect_size(values: FloatArray, sd: float, alpha: float) -> tuple[float, Interval]:
    check_alpha(alpha)
    n = len(values)
    if n < 2 or sd == 0:
        return math.nan, _UNDEFINED
    d_z = _mean(values) / sd
    t, df = d_z * math.sqrt(n), n - 1
    bounds = noncentrality_bounds(t, df)

    def at(probability: float) -> float:
        root = scipy.optimize.brentq(lambda nc: noncentral_t_cdf(t, df, nc) - probability, *bounds, xtol=1e-10)
        return float(root) / math.sqrt(n)

    return d_z, (at(1 - alpha / 2), at(alpha / 2))
