"""Signs in the data that the differences may not be symmetric, which the sign-flip test takes for granted.

Nothing is decided by them: a pre-test would change the error rates of what follows. A skewed sample whose tail happened not to be drawn looks
tame, so the differences alone give the worst cases away least; the values of the arms say more.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from zoneout_lab.stats.signflip import FloatArray, as_differences

Caution = Literal["skew", "outlier", "spread"]

#: beyond so many scaled median deviations a value is an outlier: about one sample of eight normal values in 25 has one (Iglewicz & Hoaglin 1993 use 3.5)
_FAR = 5.0
_LEVEL = 0.05


def cautions(arm: npt.ArrayLike, against: npt.ArrayLike) -> tuple[Caution, ...]:
    """What makes symmetry doubtful in the paired values [n] of two arms, on the scale that they are compared on.

    | caution | where |
    |---|---|
    | ``skew`` | the adjusted skewness of the differences exceeds 1.5 of its standard error (Joanes & Gill 1998) |
    | ``outlier`` | a value of an arm lies more than 5 scaled median absolute deviations from its median |
    | ``spread`` | the arms' spreads differ: Pitman–Morgan test at .05 (sums and differences are correlated) |

    How often they are given, and how often with a false verdict: reports/calibration, table "cautions". Fewer than 4 pairs have none.

    >>> cautions([0.1, 0.2, 0.15, 0.12, 0.18, 5.0], [0.1, 0.15, 0.12, 0.2, 0.18, 0.11])
    ('skew', 'outlier', 'spread')
    >>> cautions([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 1.0, 5.0, 4.0, 3.0])
    ()
    """
    a, b = as_differences(arm), as_differences(against)
    if len(a) < 4:
        return ()
    largest = max(1.0, float(np.abs([a, b]).max()))
    a, b = a / largest, b / largest  # squares of enormous values are not finite
    found: list[Caution] = []
    if _skewed(a - b):
        found.append("skew")
    if far(a) or far(b):
        found.append("outlier")
    if _unequal(a, b):
        found.append("spread")
    return tuple(found)


def _skewed(d: FloatArray) -> bool:
    n, sd = len(d), float(d.std(ddof=1))
    if sd <= 1e-12 * float(np.abs(d).max(initial=0.0)):
        return False
    g1 = n / ((n - 1) * (n - 2)) * float((((d - d.mean()) / sd) ** 3).sum())
    return abs(g1) > 1.5 * math.sqrt(6 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3)))


def far(values: FloatArray) -> bool:
    """True where a value lies more than 5 scaled median absolute deviations from the median."""
    apart = np.abs(values - np.median(values))
    typical = float(np.median(apart))
    # 0.6745 scales the deviation to a normal sd; where most values are equal there is nothing to measure by
    return typical > 0 and bool((special.ndtri(0.75) * apart > _FAR * typical).any())


def _unequal(a: FloatArray, b: FloatArray) -> bool:
    s, d = a + b, a - b
    norm = float(np.linalg.norm(s - s.mean()) * np.linalg.norm(d - d.mean()))
    if norm <= 1e-12 * float(np.linalg.norm(a) * np.linalg.norm(b)):
        return False
    r = min(1.0, abs(float((s - s.mean()) @ (d - d.mean())) / norm))
    t = r * math.sqrt((len(a) - 2) / max(1 - r**2, 1e-300))
    return 2 * float(special.stdtr(len(a) - 2, -t)) < _LEVEL
