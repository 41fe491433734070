"""How likely a paired comparison is to show what is there, before it is run.

All of it is for normal differences and the paired t test, which the sign-flip test follows closely once it has enough seeds
to reach its level at all; d_z is the true mean of the differences in units of their standard deviation.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import optimize, special

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats.design import seeds_needed
from zoneout_lab.stats.noncentral import integrate_sd, noncentral_t_cdf, sd_range
from zoneout_lab.stats.signflip import check_alpha

_MOST_SEEDS = 10_000


def _critical(n: int, alpha: float) -> float:
    check_alpha(alpha)
    if n < 2:
        raise InputRefusedError(f"Power needs at least two paired seeds, got {n}.")
    return -float(special.stdtrit(n - 1, alpha / 2))


def power(n: int, d_z: float, alpha: float = 0.05) -> float:
    """Power of the two-sided paired t test with ``n`` seeds at ``alpha``: P(|T| > t_{1−α/2}), T noncentral t at d_z √n.

    >>> round(power(6, 1.435), 2)
    0.8
    """
    t, nc = _critical(n, alpha), d_z * math.sqrt(n)
    return 1 - noncentral_t_cdf(t, n - 1, nc) + noncentral_t_cdf(-t, n - 1, nc)


def detectable_effect(n: int, alpha: float = 0.05, target: float = 0.8) -> float:
    """The d_z that ``n`` paired seeds show at ``alpha`` with probability ``target``.

    For n below :func:`~zoneout_lab.stats.design.seeds_needed` this is the t test's, and no sign-flip verdict is possible.

    >>> [round(detectable_effect(n), 2) for n in (3, 5, 6, 10, 20)]
    [3.26, 1.68, 1.43, 1.0, 0.66]
    """
    if not alpha < target < 1:
        raise InputRefusedError(f"A power lies between α and 1; {target} does not.")
    high = 1.0
    while power(n, high, alpha) < target:
        high *= 2
    return float(optimize.brentq(lambda d: power(n, d, alpha) - target, 0, high))


def equivalence_power(n: int, margin_z: float, alpha: float = 0.05) -> float:
    """Chance that ``n`` seeds show equivalence where there is no difference: the 1 − α t interval lies within ± the margin.

    ``margin_z`` is the margin in standard deviations of the paired differences. With S the scaled sd and t = t_{1−α/2},

        P(|Z| < margin_z √n − t S) = E[2 Φ(margin_z √n − t S) − 1]₊

    Verdicts read equivalence off the 1 − α interval; two one-sided tests at α each would be ``alpha=2 * alpha`` here.

    >>> [round(equivalence_power(n, 1.0, alpha=0.10), 2) for n in (3, 5, 8, 10, 20)]
    [0.13, 0.29, 0.64, 0.8, 0.99]
    """
    t, df, reach = _critical(n, alpha), n - 1, margin_z * math.sqrt(n)
    low, high = sd_range(df)
    if reach <= t * low:  # even the shortest interval is wider than the margins
        return 0.0
    fits = [low, min(reach / t, high)]
    return integrate_sd(lambda s: np.asarray(2 * special.ndtr(reach - t * s) - 1), df, fits)


def seeds_for(d_z: float, alpha: float = 0.05, m: int = 1, target: float = 0.8) -> int:
    """Fewest seeds that show a true effect ``d_z`` with probability ``target`` as the first of ``m`` hypotheses under Holm.

    Raises InputRefusedError where thousands would be needed.

    >>> seeds_for(1.0), seeds_for(1.0, m=3), seeds_for(5.0)
    (10, 14, 6)
    """
    return _fewest(lambda n: power(n, d_z, alpha / m), alpha, m, target, f"d_z = {d_z:g}")


def seeds_for_equivalence(margin_z: float, alpha: float = 0.05, m: int = 1, target: float = 0.8) -> int:
    """Fewest seeds that show equivalence within ``margin_z`` standard deviations with probability ``target``, as above.

    >>> seeds_for_equivalence(1.0)
    13
    """
    return _fewest(
        lambda n: equivalence_power(n, margin_z, alpha / m), alpha, m, target, f"a margin of {margin_z:g} sd"
    )


def _fewest(power_at: Callable[[int], float], alpha: float, m: int, target: float, what: str) -> int:
    if not 0 < target < 1:
        raise InputRefusedError(f"A power lies between 0 and 1; {target} does not.")
    high = low = seeds_needed(alpha, m)
    while power_at(high) < target:
        low, high = high + 1, 2 * high
        if high > _MOST_SEEDS:
            raise InputRefusedError(f"More than {_MOST_SEEDS // 2:,} seeds would be needed to show {what}.")
    while low < high:  # power rises with the number of seeds
        middle = (low + high) // 2
        low, high = (low, middle) if power_at(middle) >= target else (middle + 1, high)
    return low
