"""What a number of seeds can and cannot show, known before any run: a sign-flip p of n pairs is never below 2/2ⁿ."""

from __future__ import annotations

import math

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats.signflip import EXACT_UP_TO, MOST_RESAMPLES, check_alpha

#: below six seeds the two-sided sign-flip test cannot reach .05, and no verdict is given at any level
MINIMUM_SEEDS = 6


def smallest_p(n: int) -> float:
    """The smallest two-sided sign-flip p that ``n`` paired seeds can give: 2/2ⁿ, at most 1, and at least what sampled flips can.

    >>> [smallest_p(n) for n in (0, 1, 3, 6)]
    [1.0, 1.0, 0.25, 0.03125]
    """
    if n < 0:
        raise InputRefusedError(f"A number of seeds is not negative; {n} is.")
    return min(1.0, max(math.ldexp(1.0, 1 - n), 2 / (MOST_RESAMPLES + 1) if n > EXACT_UP_TO else 0.0))


def smallest_adjusted_p(n: int, m: int = 1) -> float:
    """The smallest Holm-adjusted p in a family of ``m`` hypotheses with ``n`` paired seeds each: m · 2/2ⁿ, at most 1.

    >>> smallest_adjusted_p(8, 5)
    0.0390625
    """
    if m < 1:
        raise InputRefusedError(f"A family has at least one hypothesis; {m} is not.")
    return min(1.0, m * smallest_p(n))


def seeds_needed(alpha: float = 0.05, m: int = 1) -> int:
    """Fewest paired seeds with which the first of ``m`` hypotheses can be decided under Holm at ``alpha``.

    The smallest n with 2/2ⁿ ≤ α/m, and never fewer than six. It says what is possible, not what is likely: for that see
    :mod:`zoneout_lab.stats.power`. Raises InputRefusedError for levels that no number of seeds reaches: beyond 20 the flips are
    sampled, and sampled p values are at least 2/2²⁰.

    >>> [seeds_needed(0.05, m) for m in (1, 2, 3, 10)]
    [6, 7, 7, 9]
    """
    check_alpha(alpha)
    if smallest_adjusted_p(EXACT_UP_TO, m) > alpha:
        raise InputRefusedError(
            f"No number of seeds can decide at α/m = {alpha / m:.3g}: p values are at least {smallest_p(EXACT_UP_TO):.3g}. Take a larger α, or "
            "fewer hypotheses."
        )
    n = MINIMUM_SEEDS
    while smallest_adjusted_p(n, m) > alpha:
        n += 1
    return n


def can_decide(n: int, level: float) -> bool:
    """True where ``n`` paired seeds could reach any verdict at the (corrected) level.

    >>> can_decide(5, 0.05), can_decide(6, 0.05), can_decide(6, 0.05 / 2)
    (False, True, False)
    """
    return n >= MINIMUM_SEEDS and smallest_p(n) <= level
