"""How far values scatter, with intervals that do not rest on the normal distribution: standard deviations, and ratios of two variances."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import scipy

Interval = tuple[float, float]
_NOTHING = (math.nan, math.nan)
_FEWEST = 3  # values: one is left out at a time, and a variance needs two


def sd_interval(values: npt.ArrayLike, alpha: float = 0.05) -> Interval:
    """Interval for the standard deviation that ``values`` [n] were drawn with, at 1 − α.

    The jackknife of log s² (Miller 1968): with θ = log s² and θ₍ᵢ₎ the same without value i, the pseudo-values nθ − (n − 1)θ₍ᵢ₎ are
    averaged, and have a t interval with n − 1 degrees of freedom. Nominal 95% intervals cover, at n = 5/6/8/10/20 (20,000 simulations):
    .95/.95/.95/.95/.94 of normal values, .94/.93/.92/.91/.90 of t₅, .91/.90/.88/.86/.86 of lognormal ones with σ = ½. The χ² interval, which rests on
    normal values, covers .91/.89/.88/.87/.84 of t₅.

    NaN for fewer than three values, and where all of them, or all but one, are equal.

    >>> low, high = sd_interval([9.0, 11.0, 10.0, 12.0, 8.0, 10.0])
    >>> round(low, 2), round(high, 2)
    (0.69, 3.5)
    """
    low, high = _t_interval(_pseudo_values(values), alpha)
    return math.exp(low / 2), math.exp(high / 2)


def variance_ratio(part: npt.ArrayLike, whole: npt.ArrayLike, alpha: float = 0.05) -> tuple[float, Interval]:
    """The variance of ``part`` [n] divided by that of ``whole`` [n], and its interval at 1 − α.

    Values in one place are a pair, such as two arms at one seed; the jackknife leaves out both at once, so that their correlation is
    allowed for. Nominal 95% intervals cover, at n = 5/10/20 (20,000 simulations): .95/.94/.94 of independent normal values and
    .94/.94/.94 of those correlated at .7; .94/.93/.92 of t₅; .93/.91/.91 of lognormal ones with σ = ½.

    NaN where :func:`sd_interval` is.

    >>> ratio, (low, high) = variance_ratio([9.0, 11.0, 10.0, 12.0, 8.0, 10.0], [5.0, 15.0, 8.0, 17.0, 7.0, 11.0])
    >>> round(ratio, 3), low < ratio < high
    (0.09, True)
    """
    ours, theirs = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    if ours.shape != theirs.shape:
        raise ValueError(f"part and whole are paired, so they have as many values; got {ours.size} and {theirs.size}")
    low, high = _t_interval(_pseudo_values(ours) - _pseudo_values(theirs), alpha)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = float(np.var(ours, ddof=1) / np.var(theirs, ddof=1)) if ours.size > 1 else math.nan
    return ratio, (math.exp(low), math.exp(high))


def _pseudo_values(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The jackknife's pseudo-values of log s² [n]; all NaN where there are too few values or one of the variances is zero."""
    x = np.asarray(values, dtype=np.float64)
    n = x.size
    if n < _FEWEST:
        return np.full(n, np.nan)
    without = np.array([np.var(np.delete(x, i), ddof=1) for i in range(n)])
    whole = np.var(x, ddof=1)
    if not whole > 0 or not (without > 0).all():
        return np.full(n, np.nan)
    pseudo: npt.NDArray[np.float64] = n * np.log(whole) - (n - 1) * np.log(without)
    return pseudo


def _t_interval(pseudo: npt.NDArray[np.float64], alpha: float) -> Interval:
    n = pseudo.size
    if n < _FEWEST or not np.isfinite(pseudo).all():
        return _NOTHING
    half = float(scipy.stats.t.ppf(1 - alpha / 2, n - 1) * pseudo.std(ddof=1) / math.sqrt(n))
    return float(pseudo.mean()) - half, float(pseudo.mean()) + half
