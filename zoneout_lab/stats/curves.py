"""Paired differences over time: at which timesteps they differ (max-T), and a band that holds the whole curve.

Two claims that are easily confused. Max-T controls the chance of naming *any* timestep at which there is no difference; the band covers
the *whole* mean difference at once. Both are exact sign-flip methods where the differences are symmetric; the band only in approximation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats.common_grid import stretches
from zoneout_lab.stats.curve_flips import TIE, Curves, as_curves, flipped, flips_of, t_of, unit_columns
from zoneout_lab.stats.signflip import FloatArray, check_alpha

MINIMUM_BAND_SEEDS = 5  # the residuals of fewer have too few flips for a 95% quantile

#: differences of a timestep that lie this close together, as a share of the largest, are one number but for rounding
_CONSTANT = 2.0**-43


@dataclass(frozen=True, eq=False)
class CurveTest:
    """Max-T over time of ``n`` curves: ``t`` and the adjusted two-sided ``p`` [time], NaN where not every seed was measured.

    ``flips`` of them were looked at; ``exact`` where that is all 2ⁿ.
    """

    n: int
    t: FloatArray
    p: FloatArray
    flips: int
    exact: bool

    @property
    def left_out(self) -> int:
        """Timesteps that were not compared."""
        return int(np.isnan(self.p).sum())

    def differing(self, alpha: float = 0.05) -> list[tuple[int, int, int]]:
        """Where p ≤ α, as (first timestep, one past the last, sign of the difference).

        >>> rng = np.random.default_rng(0)
        >>> max_t(np.array([2.0, 2.0, 0.0, -2.0]) + 0.1 * rng.normal(size=(8, 4))).differing()
        [(0, 2, 1), (3, 4, -1)]
        """
        check_alpha(alpha)
        found = np.nan_to_num(self.p, nan=1.0) <= alpha
        return sorted((a, b, sign) for sign in (1, -1) for a, b in stretches(found & (np.sign(self.t) == sign)))


def max_t(differences: npt.ArrayLike, *, rng: np.random.Generator | None = None) -> CurveTest:
    """At which timesteps paired differences [seed, time] are not symmetric about zero: step-down max-T over joint sign flips.

    The chance that *any* timestep without an effect gets p ≤ α is at most α, whatever the dependence between timesteps and wherever
    there are effects (strong control): timesteps with p ≤ α may be named. With |t| ordered, |t|₍₁₎ ≥ |t|₍₂₎ ≥ …,

        p₍ₖ₎ = max over j ≤ k of  #{flips : max over i ≥ j of |t*|₍ᵢ₎ ≥ |t|₍ⱼ₎} / flips

    (Westfall & Young, "Resampling-based multiple testing", 1993; sign flips in place of permutations). p is never below 2/2ⁿ.

    Args:
        differences: [seed, time], in any units. A timestep at which a seed is not finite is left out; one at which all differences are
            zero has t = 0 and p = 1; one at which all are the same and not zero has an infinite t.
        rng: needed for more than 12 seeds, where 9,999 flips are drawn and the identity is added.

    Raises InputRefusedError for fewer than two seeds, for a seed without any finite difference, or where ``rng`` is needed.

    >>> max_t([[1.0, 1.0], [2.0, -1.1], [1.5, 0.9], [1.2, -0.5], [0.7, 1.3], [1.1, -0.8]]).p
    array([0.0625, 0.8125])
    """
    curves = as_curves(differences)
    total = flips_of(curves, rng)
    observed = np.abs(curves.unit.sum(0))
    ascending = np.flatnonzero(curves.measured)[np.argsort(observed[curves.measured], kind="stable")]
    counts = np.zeros(len(ascending), dtype=np.int64)
    looked_at = 0
    for block in flipped(curves.unit[:, ascending], rng):
        np.abs(block, out=block)
        largest = np.maximum.accumulate(block, out=block)  # of a timestep and of all below it
        counts += np.count_nonzero(largest >= observed[ascending, None] - TIE, axis=1)
        looked_at += block.shape[1]
    p = np.full(len(curves.measured), np.nan)
    # from the largest down, and no p below that of a larger t
    p[ascending] = np.maximum.accumulate(counts[::-1])[::-1] / looked_at
    return CurveTest(curves.n, _observed_t(curves), p, total, curves.exact)


def _observed_t(curves: Curves) -> FloatArray:
    t = t_of(curves.unit.sum(0) / math.sqrt(curves.n), curves.n)
    t = np.where(_constant(curves) & (curves.scale > 0), np.copysign(np.inf, t), t)
    return np.where(curves.measured, t, np.nan)


def _constant(curves: Curves) -> npt.NDArray[np.bool_]:
    return np.asarray(np.ptp(curves.scaled, axis=0) <= _CONSTANT)


@dataclass(frozen=True, eq=False)
class Band:
    """A simultaneous band at 1 − α around the ``mean`` difference of ``n`` curves: ``low`` and ``high`` [time], in the differences' units.

    NaN where not every seed was measured. ``critical`` standard errors to either side, the same at every timestep.
    """

    n: int
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    critical: float
    flips: int
    exact: bool


def simultaneous_band(
    differences: npt.ArrayLike, alpha: float = 0.05, *, rng: np.random.Generator | None = None
) -> Band:
    """A band that holds the whole mean difference of paired curves [seed, time] with probability about 1 − α.

    mean ± c s/√n at every timestep, with c the 1 − α quantile of the largest |t| over time of sign-flipped residuals dᵢ − mean. **Each
    flip is studentised by its own standard deviation**: divided by the one observed, the flips would be too short-tailed at few seeds.

    The residuals stand in for the errors, so the level is approximate. Whole-curve coverage of nominal 95% for smooth normal curves:
    .94 to .96 for 5 to 20 seeds; lognormal ones .37 to .55 (``analysis/calibration/profiles.py``).

    Args:
        differences: [seed, time]. A timestep at which a seed is not finite is left out; where all differences are the same the band is
            that number. Where more than α of the flips leave residuals without spread at some timestep, the band is infinite.
        alpha: 1 − the level.
        rng: needed for more than 12 seeds, where 9,999 flips are drawn and the identity is added.

    Raises InputRefusedError for fewer than five seeds, for a seed without any finite difference, or where ``rng`` is needed.

    >>> band = simultaneous_band(np.random.default_rng(0).normal(1.0, 0.1, size=(8, 20)))
    >>> bool((band.low < 1).all() and (1 < band.high).all()), band.flips
    (True, 256)
    """
    check_alpha(alpha)
    curves = as_curves(differences)
    if curves.n < MINIMUM_BAND_SEEDS:
        raise InputRefusedError(
            f"A simultaneous band needs at least {MINIMUM_BAND_SEEDS} seeds, got {curves.n}: fewer have too few sign flips."
        )
    total = flips_of(curves, rng)
    mean = curves.scaled.mean(0)
    residuals = np.where(_constant(curves), 0.0, curves.scaled - mean)
    largest = np.concatenate([np.abs(block).max(0) for block in flipped(unit_columns(residuals), rng)])
    place = math.ceil((1 - alpha) * len(largest) - 1e-9) - 1
    r = float(np.partition(largest, place)[place]) / math.sqrt(curves.n)
    critical = float(t_of(r, curves.n)) if 1 - r**2 > TIE else math.inf
    error = np.sqrt((residuals**2).sum(0) / (curves.n * (curves.n - 1)))
    half = np.multiply(critical, error, out=np.zeros_like(error), where=error > 0)
    low, high, mean = (
        np.where(curves.measured, curves.scale * each, np.nan) for each in (mean - half, mean + half, mean)
    )
    return Band(curves.n, mean, low, high, critical, total, curves.exact)


def curves_look_skewed(differences: npt.ArrayLike) -> bool:
    """True where paired differences [seed, time] look skewed enough to warn that max-T, clusters and band err more often than they say.

    True where the adjusted skewness G₁, averaged over timesteps with its sign, exceeds 0.75 of its standard error for one normal sample.
    Chance averages out over time and skewness does not: for 8 curves with about ten independent stretches it warns for 1% of normal and 99% of
    lognormal ones. Of curves that are smooth throughout it warns too often. A caution, not a pre-test; fewer than 4 seeds are never called
    skewed.

    >>> rng = np.random.default_rng(0)
    >>> curves_look_skewed(rng.normal(size=(8, 50))), curves_look_skewed(rng.lognormal(size=(8, 50)))
    (False, True)
    """
    curves = as_curves(differences)
    n, spread = curves.n, curves.measured & ~_constant(curves)
    if n < 4 or not spread.any():
        return False
    values = curves.scaled[:, spread]
    z = (values - values.mean(0)) / values.std(0, ddof=1)
    g1 = n / ((n - 1) * (n - 2)) * (z**3).sum(0)
    return bool(abs(g1.mean()) > 0.75 * math.sqrt(6 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3))))
