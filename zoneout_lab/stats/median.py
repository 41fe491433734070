"""The sign test: what can be said of the median of the differences without any symmetry.

The sign-flip test asks whether the differences are symmetric about θ. Skewed differences whose mean is zero are not, and it may call
them a difference. The sign test counts sides only, and holds for the median whatever their shape (Arbuthnott 1710; Conover, *Practical
Nonparametric Statistics*, 1999, §3.4). It has less power, so it stands beside the verdict as a check.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import scipy

from zoneout_lab.stats.signflip import as_differences, check_alpha, slack_of


def sign_test(differences: npt.ArrayLike, *, sizes: npt.ArrayLike | None = None, shift: float = 0.0) -> float:
    """Two-sided exact p of "the median of the differences [n] is ``shift``"; those equal to it are left out.

    >>> sign_test([1.0, 2.0, 3.0, 4.0, 5.0, 600.0]), sign_test([1.0, -2.0]), sign_test([])
    (0.03125, 1.0, 1.0)
    """
    values = as_differences(differences)
    apart = np.abs(values - shift) > slack_of(values, sizes)
    n = int(apart.sum())
    above = int((values[apart] > shift).sum())
    return min(1.0, 2 * float(scipy.stats.binom.cdf(min(above, n - above), n, 0.5))) if n else 1.0


def median_interval(differences: npt.ArrayLike, alpha: float = 0.05) -> tuple[float, float]:
    """The interval of the median that inverts the sign test: two order statistics, or (−∞, ∞) where there are too few.

    >>> median_interval([1.0, 2.0, 3.0, 4.0, 5.0, 600.0])
    (1.0, 600.0)
    >>> median_interval([1.0, 2.0])
    (-inf, inf)
    """
    check_alpha(alpha)
    values = np.sort(as_differences(differences))
    n = values.size
    # of the values, so many may be left out at either end: one side of a median that is not rejected has at least as many
    k = int((2 * scipy.stats.binom.cdf(np.arange(n), n, 0.5) <= alpha).sum())
    if k == 0:
        return (-math.inf, math.inf)
    return float(values[k - 1]), float(values[n - k])
