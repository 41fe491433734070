"""The noncentral t distribution, and the effect-size interval and power that rest on it.

scipy's ``nct`` returns NaN in far tails that root finding walks through (n = 3 with a large effect), so the probability is
integrated here: with S² ~ χ²_df / df and T = (Z + nc)/S,

    P(T ≤ t) = ∫ Φ(t s − nc) f_S(s) ds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import special

from zoneout_lab.stats.signflip import FloatArray

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_TAIL = 1e-16


def sd_range(df: float) -> tuple[float, float]:
    """Where S = √(χ²_df / df), the sd of normal draws over the true one, has all but a negligible part of its mass."""
    return math.sqrt(2 * special.gammaincinv(df / 2, _TAIL) / df), math.sqrt(
        2 * special.gammainccinv(df / 2, _TAIL) / df
    )


def integrate_sd(function: Callable[[FloatArray], FloatArray], df: float, edges: Sequence[float]) -> float:
    """∫ function(s) f_S(s) ds, panel by panel between ascending ``edges``; the function must be smooth on each panel."""
    cuts = np.array(edges)
    half = np.diff(cuts)[:, None] / 2
    s = cuts[:-1, None] + half * (_NODES + 1)
    log_density = (
        math.log(2) + df / 2 * math.log(df / 2) - special.gammaln(df / 2) + (df - 1) * np.log(s) - df * s**2 / 2
    )
    return float((half * _WEIGHTS * np.exp(log_density) * function(s)).sum())


def noncentral_t_cdf(t: float, df: float, nc: float) -> float:
    """P(T ≤ t) for the noncentral t distribution with ``df`` ≥ 1 degrees of freedom and noncentrality ``nc``.

    >>> round(noncentral_t_cdf(0.0, 5, 0.0), 12)
    0.5
    >>> round(noncentral_t_cdf(2.5, 7, 1.0), 6)  # scipy.stats.nct.cdf(2.5, 7, 1.0)
    0.881942
    """
    low, high = sd_range(df)
    # Φ rises within ±8/|t| of nc/t and is flat elsewhere: one panel for each stretch
    rise = () if t == 0 else (nc / t - 8 / abs(t), nc / t, nc / t + 8 / abs(t))
    edges = [low, *(edge for edge in rise if low < edge < high), high]
    return min(1.0, integrate_sd(lambda s: np.asarray(special.ndtr(t * s - nc)), df, edges))


def noncentrality_bounds(t: float, df: float) -> tuple[float, float]:
    """Noncentralities between which P(T ≤ t) falls from practically 1 to practically 0."""
    low, high = sd_range(df)
    return min(t * low, t * high) - 9, max(t * low, t * high) + 9
