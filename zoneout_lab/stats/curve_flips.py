"""Sign flips of whole curves: what the tests and the band of paired differences over time are made of.

A flip changes the sign of a seed's whole curve, so whatever dependence there is between timesteps is kept. Every statistic here is a
paired t. Flipping leaves the sum of squares Q = Σ dᵢ² of a timestep as it is, and so t depends on the flipped sum alone:

    r = |Σ sᵢ dᵢ| / √(n Q) ∈ [0, 1]        |t| = √(n − 1) r / √(1 − r²)

|t| rises with r: flips are compared in r, which one matrix product gives for all timesteps, and each flip is nonetheless studentised
by its own standard deviation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats.common_grid import BoolArray
from zoneout_lab.stats.signflip import FloatArray

#: above this many seeds the flips of curves are sampled: up to here there are at most 2,048 that differ by more than the sign of all
EXACT_CURVES_UP_TO = 12

#: flips that are sampled: p = .05 then has a Monte-Carlo standard error of .002
CURVE_RESAMPLES = 9_999

#: what rounding may have changed of r: flips that differ by less are tied, and a tie counts against the effect
TIE = 2.0**-40

_BLOCK = 2**18  # numbers of a block of flips × timesteps: 2 MiB, which a core's cache holds


@dataclass(frozen=True, eq=False)
class Curves:
    """Paired differences that can be flipped: ``unit`` [seed, time] is d / √Q, and 0 where nothing can be compared.

    ``scaled`` [seed, time] is d / ``scale`` with ``scale`` [time] the largest |d| of a timestep; ``measured`` [time] is true where every
    seed has a finite value.
    """

    scaled: FloatArray
    scale: FloatArray
    measured: BoolArray
    unit: FloatArray

    @property
    def n(self) -> int:
        return len(self.scaled)

    @property
    def exact(self) -> bool:
        """True where all 2ⁿ flips are enumerated."""
        return self.n <= EXACT_CURVES_UP_TO


def as_curves(differences: npt.ArrayLike) -> Curves:
    """Paired differences [seed, time] made ready.

    Raises InputRefusedError where they are not a matrix of at least two seeds, or a seed has no finite value at all.

    >>> as_curves([[1.0, np.nan], [2.0, 1.0]]).measured
    array([ True, False])
    """
    values = np.asarray(differences, dtype=np.float64)
    if values.ndim != 2 or not values.shape[1]:
        raise InputRefusedError(f"Differences of curves are [seed, time]; these have shape {values.shape}.")
    if len(values) < 2:
        raise InputRefusedError(f"Differences of curves need at least two seeds to be compared, got {len(values)}.")
    known = np.isfinite(values)
    if not known.any(1).all():
        empty = int((~known.any(1)).sum())
        raise InputRefusedError(
            f"{empty} of {len(values)} seeds have no finite difference at any time: leave them out."
        )
    measured: BoolArray = np.asarray(known.all(0))
    values = np.where(measured, values, 0.0)
    scale = np.abs(values).max(0)
    scaled = np.divide(values, scale, out=np.zeros_like(values), where=scale > 0)
    return Curves(scaled, scale, measured, unit_columns(scaled))


def unit_columns(values: FloatArray) -> FloatArray:
    """Columns [seed, time] divided by their root sum of squares; a column of zeros stays one."""
    root = np.sqrt((values**2).sum(0))
    return np.asarray(np.divide(values, root, out=np.zeros_like(values), where=root > 0))


def flips_of(curves: Curves, rng: np.random.Generator | None) -> int:
    """How many flips there are, the identity among them; InputRefusedError where they are to be sampled and there is no ``rng``."""
    if curves.exact:
        return 1 << curves.n
    if rng is None:
        raise InputRefusedError(f"{curves.n} seeds have too many sign flips to list: pass rng, a numpy Generator.")
    return CURVE_RESAMPLES + 1


def flipped(unit: FloatArray, rng: np.random.Generator | None) -> Iterator[FloatArray]:
    """Blocks of √n times the signed r [time, flip] of ``unit`` [seed, time], the identity first.

    Only flips that leave the first seed's sign as it is are listed: the others are their mirror images, with the same |t|.
    A block holds 2 MiB whatever the numbers of seeds and timesteps. Flips come last, for running sums and maxima over time then work on
    whole rows of them.
    """
    n, steps = unit.shape
    rows = max(1, _BLOCK // max(n, steps))
    for signs in _enumerated(n, rows) if n <= EXACT_CURVES_UP_TO else _drawn(n, rows, rng):
        yield unit.T @ signs


def _enumerated(n: int, rows: int) -> Iterator[FloatArray]:
    """Blocks of signs [seed, flip]."""
    for start in range(0, 2 ** (n - 1), rows):
        which = np.arange(start, min(start + rows, 2 ** (n - 1)))
        yield np.where((which << 1 >> np.arange(n)[:, None]) & 1, -1.0, 1.0)


def _drawn(n: int, rows: int, rng: np.random.Generator | None) -> Iterator[FloatArray]:
    assert rng is not None, "flips_of has refused"
    yield np.ones((n, 1))
    for start in range(0, CURVE_RESAMPLES, rows):
        count = min(rows, CURVE_RESAMPLES - start)
        width = -(-count // 8)
        drawn = np.frombuffer(rng.bytes(n * width), np.uint8).reshape(n, width)
        bits = np.unpackbits(drawn, axis=1, count=count)
        yield np.where(bits, -1.0, 1.0)


def t_of(r: npt.ArrayLike, n: int) -> FloatArray:
    """t = √(n − 1) r / √(1 − r²) of a signed r, finite: where r is 1 but for rounding, t is that of 1 − r² = 2⁻⁴⁰.

    >>> d = np.array([1.0, 2.0, 4.0])  # scipy.stats.ttest_1samp(d, 0).statistic is 2.6457513110645903
    >>> round(float(t_of(d.sum() / np.sqrt(3 * (d**2).sum()), 3)), 12)
    2.645751311065
    """
    r = np.asarray(r, dtype=np.float64)
    return np.asarray(np.sqrt(n - 1) * r / np.sqrt(np.maximum(1 - r**2, TIE)))
