"""What a comparison of two arms is: the question, and everything its verdict rests on."""

from __future__ import annotations

from dataclasses import dataclass

from zoneout_lab import stats

Interval = tuple[float, float]


@dataclass(frozen=True)
class Question:
    """What to compare: ``arm`` against ``against`` on ``metric``, with the direction claimed and a margin in its units."""

    arm: str
    against: str
    metric: str
    direction: stats.Direction = "lower"
    margin: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """One comparison with everything its verdict rests on. Differences are arm − against, in ``units``.

    ``noun`` is what the metric is called in prose where its ``long_name`` would not fit, and ``better`` which way is better, where one is.

    ``declared`` says whether the study declared it before its runs; otherwise it is exploratory. ``alpha`` is the level used: that of
    the whole family, ``family_alpha``, divided as Holm's step-down left it, among ``family`` hypotheses. ``interval`` (sign-flip; the
    verdict is read off it), ``t_interval`` (assumes normal differences) and ``d_z_interval`` (likewise) are at 1 − ``alpha``. ``p`` tests
    "no difference", two-sided, by ``method``, and has the Monte-Carlo standard error ``p_error`` where flips were sampled;
    ``p_verdict`` is the smallest level with a verdict (the same for a margin of zero), ``p_adjusted`` that after Holm. ``smallest_p`` is
    what this many seeds can reach. ``lost`` seeds lack a value in either arm, ``absent`` seeds are the study's and not in these results;
    ``diverged`` names the runs that did. ``sentence`` says it all, ``short`` both values, the difference and its interval. NaN: not
    defined for so few seeds.
    """

    arm: str
    against: str
    metric: str
    long_name: str
    units: str
    direction: stats.Direction
    margin: float
    declared: bool
    alpha: float
    family: int
    family_alpha: float
    seeds: tuple[int, ...]
    lost: tuple[int, ...]
    absent: tuple[int, ...]
    diverged: tuple[tuple[str, int], ...]
    arm_values: tuple[float, ...]
    against_values: tuple[float, ...]
    differences: tuple[float, ...]
    mean_difference: float
    constant: bool
    interval: Interval
    t_interval: Interval
    p: float
    p_error: float
    method: str
    p_verdict: float
    p_adjusted: float
    p_wilcoxon: float
    wilcoxon_method: str
    smallest_p: float
    d_z: float
    d_z_interval: Interval
    hodges_lehmann: float
    skewed: bool
    verdict: stats.Verdict
    noun: str = ""
    better: str = ""
    sentence: str = ""
    short: str = ""
