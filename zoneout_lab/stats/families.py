"""Several hypotheses judged together: Holm's step-down, as adjusted p-values and as the level each one was tested at."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats.signflip import FloatArray, check_alpha

#: how a family is corrected: by flips of whole seeds, or by Holm
Family = Literal["joint", "holm"]


def _as_p(p: npt.ArrayLike) -> FloatArray:
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise InputRefusedError("A family is one p-value in [0, 1] per hypothesis.")
    return values


def holm(p: npt.ArrayLike) -> FloatArray:
    """Holm-adjusted p-values [m] of a family's p-values [m]: reject where adjusted ≤ α (Holm, Scand. J. Stat. 6, 1979).

    With p₍₁₎ ≤ … ≤ p₍ₘ₎, adjusted₍ₖ₎ = max over j ≤ k of (m − j + 1) p₍ⱼ₎, at most 1. The chance of any false rejection is
    at most α under any dependence between the hypotheses. Raises InputRefusedError for values outside [0, 1].

    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    values = _as_p(p)
    order = np.argsort(values, kind="stable")
    stepped = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(stepped))
    return adjusted


def holm_levels(p: npt.ArrayLike, alpha: float = 0.05) -> FloatArray:
    """The level [m] at which the step-down tested each hypothesis of a family with p-values [m].

    α / (m − k), where k counts the hypotheses rejected before it; those that are retained share the level at which the
    step-down stopped. Equal p-values share one level, so the order of the family never matters. ``p ≤ level`` is Holm's
    decision exactly, which is what makes an interval at this level agree with it.

    >>> holm_levels([0.01, 0.04, 0.03], alpha=0.06)
    array([0.02, 0.06, 0.03])
    >>> holm_levels([0.2, 0.001, 0.3])
    array([0.025     , 0.01666667, 0.025     ])
    """
    check_alpha(alpha)
    values = _as_p(p)
    m = len(values)
    before = (values[None, :] < values[:, None]).sum(1)
    rejected = 0
    for k, value in enumerate(np.sort(values)):
        if value > alpha / (m - k):
            break
        rejected = k + 1
    levels: FloatArray = alpha / (m - np.minimum(before, rejected))
    return levels
