"""The timesteps at which curves can be compared: one grid for all arms, and the one rule for norms that have underflowed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from zoneout_lab.stats.scales import UNDERFLOW

BoolArray = npt.NDArray[np.bool_]


def common_grid(curves: npt.ArrayLike, *, positive: bool = False) -> BoolArray:
    """True [time] where every curve [..., time] was measured; with ``positive``, where every one also exceeds 2⁻¹²⁶.

    A curve without a single finite value was not measured at all and is not asked. Every other curve decides for all: had each arm
    a grid of its own, the arm whose gradient vanishes would be compared only where it does not.

    >>> common_grid([[1.0, 2.0, 3.0], [np.nan, 1.0, 1e-39]])
    array([False,  True,  True])
    >>> common_grid([[1.0, 2.0, 3.0], [np.nan, 1.0, 1e-39]], positive=True)
    array([False,  True, False])
    """
    values = np.asarray(curves, dtype=np.float64)
    values = values.reshape(-1, values.shape[-1])
    values = values[np.isfinite(values).any(-1)]
    usable = np.isfinite(values) & ((values > UNDERFLOW) | (not positive))
    return np.asarray(usable.all(0)) if len(values) else np.zeros(values.shape[-1], dtype=np.bool_)


def stretches(mask: npt.ArrayLike) -> list[tuple[int, int]]:
    """Where ``mask`` [time] is true, as half-open ranges (first, one past the last).

    >>> stretches([True, True, False, True])
    [(0, 2), (3, 4)]
    """
    steps = np.diff(np.concatenate([[0], np.asarray(mask, dtype=np.bool_).astype(np.int8), [0]]))
    return [(int(a), int(b)) for a, b in zip(np.flatnonzero(steps > 0), np.flatnonzero(steps < 0), strict=True)]
