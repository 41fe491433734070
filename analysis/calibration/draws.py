"""What the simulations share: differences of several shapes, and a rate with its binomial interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats as scipy_stats

Values = npt.NDArray[np.float64]
Row = dict[str, Any]

SEEDS = (5, 6, 8, 10, 20)
ALPHA = 0.05


def _lognormal(rng: np.random.Generator, size: tuple[int, ...]) -> Values:
    # mean zero, variance one, skewness 6
    return np.asarray((np.exp(rng.standard_normal(size)) - np.exp(0.5)) / np.sqrt(math.e * (math.e - 1)))


#: the shapes of paired differences, all centred on zero: by symmetry, except for the last, whose mean is zero
SHAPES: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Values]] = {
    "normal": lambda rng, size: rng.standard_normal(size),
    "t3": lambda rng, size: rng.standard_t(3, size) / np.sqrt(3),
    "Cauchy": lambda rng, size: rng.standard_cauchy(size),
    "lognormal": _lognormal,
}
SYMMETRIC = ("normal", "t3", "Cauchy")


def family(rng: np.random.Generator, shape: str, simulations: int, m: int, n: int, correlation: float) -> Values:
    """Differences [simulations, m, n] of m arms from a baseline that they share to the extent that they correlate."""
    own = SHAPES[shape](rng, (simulations, m, n))
    shared = SHAPES[shape](rng, (simulations, 1, n))
    return np.asarray(np.sqrt(1 - correlation) * own - np.sqrt(correlation) * shared)


def rate(hits: npt.ArrayLike, nominal: float | None = None) -> Row:
    """The part of the simulations in which something happened, with its 99% Clopper–Pearson interval; ``above`` where the nominal rate lies below it."""
    count, total = int(np.sum(hits)), int(np.size(hits))
    interval = scipy_stats.binomtest(count, total).proportion_ci(0.99)
    row: Row = {
        "rate": round(count / total, 4),
        "low": round(float(interval.low), 4),
        "high": round(float(interval.high), 4),
        "simulations": total,
    }
    if nominal is not None:
        row |= {"nominal": nominal, "above": bool(interval.low > nominal)}
    return row
