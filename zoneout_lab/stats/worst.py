"""Runs that diverged, counted as worse than every run that did not: what a verdict would be had nothing been left out.

Leaving out a pair because one of its runs diverged favours the arm that diverges. There is no number for a diverged run, but there is a rank:
it is worse than all finished ones. Pairs are ranked by size, those with one diverged run above all others, and the sign-flip test is made of the signed
ranks (Wilcoxon's, with Pratt's zeros; Lachin, "Worst-rank score analysis with informatively missing observations in clinical trials", 1999).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy

from zoneout_lab.stats.signflip import FloatArray, as_differences, slack_of


def worst_ranks(
    differences: npt.ArrayLike,
    arm_lost: int,
    against_lost: int,
    both_lost: int = 0,
    *,
    worse: float = 1.0,
    sizes: npt.ArrayLike | None = None,
) -> FloatArray:
    """Signed ranks of the pairs: ``differences`` [n] of complete ones, then those in which only one arm diverged, then both.

    ``worse`` is 1 where larger values are worse and −1 where smaller ones are. A pair in which both diverged counts as no difference.
    ``sizes`` as for :func:`~zoneout_lab.stats.signflip.sign_flip`.

    >>> worst_ranks([-0.2, 0.1], arm_lost=1, against_lost=2)
    array([-2.,  1.,  4., -4., -4.])
    """
    values = as_differences(differences)
    sizes = np.where(np.abs(values) <= slack_of(values, sizes), 0.0, np.abs(values))
    beyond = np.full(arm_lost + against_lost, np.inf)
    ranks = scipy.stats.rankdata(np.concatenate([sizes, beyond, np.zeros(both_lost)]))
    signs = np.concatenate(
        [np.sign(values) * (sizes > 0), np.full(arm_lost, worse), np.full(against_lost, -worse), np.zeros(both_lost)]
    )
    out: FloatArray = signs * ranks
    return out
