"""Runs of several tasks in one number, as description: after rliable (Agarwal et al., "Deep reinforcement learning at the edge of the statistical
precipice", NeurIPS 2021).

A score is first made comparable between tasks: how far it lies on the better side of the baseline's mean, in standard deviations of the baseline's
runs (or as a ratio, where that is what the scores are compared by). None of these numbers has an interval here: percentile bootstrap over a handful of
seeds covers too little, and the question of whether there is a difference is the sign-flip test's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.metrics import Better
from zoneout_lab.stats.signflip import FloatArray


def normalised(scores: npt.ArrayLike, baseline: npt.ArrayLike, better: Better = "higher") -> FloatArray:
    """Scores [n] of one task as standard deviations (n − 1) of the baseline's [k] on the better side of the baseline's mean.

    NaN where the baseline's runs are fewer than two or all equal: there is no unit then. Raises InputRefusedError for an unknown side.

    >>> normalised([1.0, 2.0], [2.0, 4.0, 3.0], better="lower")
    array([2., 1.])
    """
    if better not in ("lower", "higher"):
        raise InputRefusedError(f"better is lower or higher; got {better!r}.")
    values, base = np.asarray(scores, np.float64), np.asarray(baseline, np.float64)
    if len(base) < 2 or np.ptp(base) == 0:
        return np.full(len(values), np.nan)
    sign = -1.0 if better == "lower" else 1.0
    return np.asarray(sign * (values - base.mean()) / base.std(ddof=1))


def interquartile_mean(scores: Sequence[npt.ArrayLike]) -> float:
    """The mean of the middle half of all runs of all tasks, [n_t] for each: a quarter of them, rounded down, is left out at either end.

    Tasks with more runs weigh more, as there. NaN where there is no run, or a score is NaN.

    >>> interquartile_mean([[1, 2, 1, 2], [2, 2, 1, 1]]), interquartile_mean([[0, 1], [1, 2], [3, 100]])
    (1.5, 1.75)
    """
    values = np.sort(np.concatenate([np.asarray(of, np.float64) for of in scores])) if len(scores) else np.empty(0)
    cut = len(values) // 4
    middle = values[cut : len(values) - cut]
    return float(middle.mean()) if len(middle) and not np.isnan(values).any() else float("nan")


def probability_of_improvement(
    scores: Sequence[npt.ArrayLike], baseline: Sequence[npt.ArrayLike], better: Better = "higher"
) -> float:
    """The chance that a run drawn from one arm is better than one drawn from the other on the same task, mean over tasks; ties count half.

    Scores are [n_t] and [k_t] for each task, in its own units. It is the Mann–Whitney statistic over n_t k_t. NaN where a task has no run.

    >>> probability_of_improvement([[1, 2, 1, 2], [2, 2, 1, 1]], [[1, 2, 3], [1, 2, 3]])  # rliable's own example, 1/3
    0.3333333333333333
    """
    if not len(scores) == len(baseline) > 0:
        raise InputRefusedError(
            f"Both arms have runs of the same tasks, at least one; got {len(scores)} and {len(baseline)}."
        )
    if better not in ("lower", "higher"):
        raise InputRefusedError(f"better is lower or higher; got {better!r}.")
    chances = []
    for ours, theirs in zip(scores, baseline, strict=True):
        gap = np.asarray(ours, np.float64)[:, None] - np.asarray(theirs, np.float64)[None, :]
        gap = -gap if better == "lower" else gap
        chances.append(float(np.mean((gap > 0) + 0.5 * (gap == 0))) if gap.size else float("nan"))
    return float(np.mean(chances))


def performance_profile(scores: Sequence[npt.ArrayLike], thresholds: npt.ArrayLike) -> FloatArray:
    """The part of the runs [k] whose normalised score exceeds each threshold [k], mean over tasks, [n_t] runs each.

    >>> performance_profile([[0.5, 1.5], [2.5, 2.5]], [0, 1, 2, 3])
    array([1.  , 0.75, 0.5 , 0.  ])
    """
    at = np.asarray(thresholds, np.float64)
    parts = [(np.asarray(of, np.float64)[:, None] > at).mean(0) for of in scores]
    return np.asarray(np.mean(parts, 0))
