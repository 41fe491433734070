"""What several tasks of few seeds can be expected to show together, by simulating the test of :mod:`~zoneout_lab.stats.strata`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats.families import Family
from zoneout_lab.stats.many import Codes, decided, signs_for
from zoneout_lab.stats.signflip import check_alpha
from zoneout_lab.stats.verdict import VERDICTS, Claim

_ROWS = 2**21


def decide_many_over_tasks(
    samples: Sequence[npt.ArrayLike],
    claims: Sequence[Claim],
    alpha: float = 0.05,
    *,
    family: Family = "joint",
    rng: np.random.Generator | None = None,
) -> Codes:
    """Verdicts [S, m] on S samples of claims without a margin, over tasks that have paired differences [S, m, n_t] each, as indices of ``VERDICTS``.

    What error rates and power are counted from: up to ten pairs over all tasks the flips are listed, beyond that 1,024 of them are drawn with ``rng``.
    Values are taken to be continuous. Raises InputRefusedError where samples and claims do not match, or a claim has a margin.

    >>> rng = np.random.default_rng(0)
    >>> samples = [rng.normal(-1, 1, (1000, 1, 3)), rng.normal(-100, 100, (1000, 1, 5))]
    >>> float((decide_many_over_tasks(samples, [Claim("lower")]) == VERDICTS.index("supported")).mean())
    0.618
    """
    check_alpha(alpha)
    if any(claim.margin for claim in claims):
        raise InputRefusedError("Verdicts over tasks are counted for claims without a margin.")
    values = [np.asarray(sample, np.float64) for sample in samples]
    if not values or any(v.ndim != 3 or v.shape[:2] != (len(values[0]), len(claims)) for v in values):
        raise InputRefusedError(f"Samples of {len(claims)} claims are [samples, {len(claims)}, seeds] for each task.")
    scaled = [v / (v.shape[2] * np.sqrt(np.mean(v**2, -1, keepdims=True))) for v in values]
    z = np.concatenate(scaled, -1)
    n, m = z.shape[2], len(claims)
    signs = signs_for(n, rng)
    verdicts = np.empty(z.shape[:2], np.int8)
    rows = max(1, _ROWS // (m * len(signs)))
    for k in range(0, len(z), rows):
        sums = [z[k : k + rows, j] @ signs.T for j in range(m)]
        verdicts[k : k + rows] = decided(sums, signs.sum(1), n, claims, alpha, family)
    return verdicts


@cache
def chance_over_tasks(seeds: tuple[int, ...], effect: float, alpha: float = 0.05, samples: int = 2000) -> float:
    """The chance that a difference of ``effect`` sd of the paired differences in each task is found over all tasks, one hypothesis, normal differences.

    ``seeds`` are the pairs of each task. The same arguments give the same number.

    >>> chance_over_tasks((3, 3), 2.0) > chance_over_tasks((3, 3), 1.0)
    True
    """
    rng = np.random.default_rng(11)
    drawn = [rng.normal(effect, 1, (samples, 1, n)) for n in seeds]
    found = decide_many_over_tasks(drawn, [Claim("higher")], alpha, rng=rng) == VERDICTS.index("supported")
    return float(found.mean())


def smallest_over_tasks(seeds: tuple[int, ...], alpha: float = 0.05, chance: float = 0.8) -> float:
    """The effect, in sd of the paired differences of each task, that is found over all tasks with probability ``chance``; infinity where none up to 8 sd is.

    >>> 0.9 < smallest_over_tasks((8, 8)) < smallest_over_tasks((5, 5)) < 1.2
    False
    """
    low, high = 0.0, 8.0
    if chance_over_tasks(seeds, high, alpha) < chance:
        return float("inf")
    while high - low > 0.02:
        middle = (low + high) / 2
        low, high = (low, middle) if chance_over_tasks(seeds, middle, alpha) >= chance else (middle, high)
    return high
