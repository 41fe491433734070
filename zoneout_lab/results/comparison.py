"""What a comparison of two arms is: the question, and everything its verdict rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass

from zoneout_lab import stats
from zoneout_lab.metrics import Scale

Interval = tuple[float, float]


@dataclass(frozen=True)
class Question:
    """What to compare: ``arm`` against ``against`` on ``metric``, with the direction claimed and a margin.

    The margin is in the metric's units on the ``linear`` scale and a factor on the others; ``scale`` None is the metric's own.
    """

    arm: str
    against: str
    metric: str
    direction: stats.Direction = "lower"
    margin: float = 0.0
    scale: Scale | None = None


@dataclass(frozen=True)
class Comparison:
    """One comparison with everything its verdict rests on.

    **Units.** ``arm_values`` and ``against_values`` are as measured, in ``units``. Everything made of differences arm − against
    (``differences``, ``mean_difference``, ``hodges_lehmann``, the intervals, ``bound``) is on ``scale``: in ``units`` on ``linear``, logs of ratios
    on ``log``, of ratios of odds on ``logit``. ``replaced`` values were zero and count there as half the smallest other. ``margin`` is as declared,
    ``bound`` the same on the scale.

    **What it is.** ``noun`` is what the metric is called in prose where its ``long_name`` would not fit, and ``better`` which way is better, where
    one is. ``declared`` says whether the study declared it before its runs; otherwise it is exploratory,
    and ``declared_as`` is the name of the study's hypothesis about the same arms and metric, if there is one.

    **The verdict.** ``alpha`` is the level used: that of the whole family, ``family_alpha``, as the step-down (``correction``: joint or holm) left it
    among ``family`` hypotheses. ``interval`` (sign-flip) and ``t_interval`` and ``d_z_interval`` (which assume normal differences) are at 1 − ``alpha``,
    ``inner`` (sign-flip; absence is read off it) at 1 − ``inner_alpha``, which is 2 ``alpha``. ``p`` tests "the differences are symmetric about zero", two-sided, by ``method``,
    and has the Monte-Carlo standard error ``p_error`` where flips were sampled; ``p_verdict`` is the smallest level with a verdict, ``p_adjusted``
    that after the correction, ``p_holm`` that after Holm's. ``smallest_p`` is what this many seeds can reach.

    **Power.** Where the verdict is inconclusive, ``chance`` is that of the verdict the difference seen would call for, were it the true one, in another study of as many
    seeds at the same level, and ``seeds_to_decide`` about how many would make it .8 (None: more than 100, or nothing to go by); both by simulation on normal
    differences. The difference seen is itself uncertain, and with it both. Otherwise both are None.

    **Looks.** Where the study declared several ``looks`` (numbers of seeds), ``look`` is the one, from 1, that the verdict was reached at or that was
    last; everything here is made of the seeds it saw, and ``p_adjusted`` counts against ``spent``, the α that could be spent by then.

    **Checks.** ``p_wilcoxon``; ``p_sign`` and ``median_interval`` of the sign test, which needs no symmetry; ``cautions``, what makes symmetry doubtful;
    where runs diverged, ``p_worst`` and ``verdict_worst`` with diverged runs counted as worse than all others, by ranks and without a margin.

    **Seeds.** ``lost`` seeds lack a value in either arm, ``absent`` seeds are the study's and not in these results; ``diverged`` names the runs that
    did. ``unfit`` says why the scale cannot hold the values of a declared hypothesis, which then has no pairs. ``sentence`` says it all, ``short`` what came out: both values, the difference and its interval. NaN: not defined for so few seeds.

    **Results from elsewhere.** ``at_judging`` says that it was declared when these results were judged, which is not to say before the runs. Where pairs are blocks
    of the columns ``by``, ``blocks`` are the labels of ``seeds`` and ``lost_blocks`` those of ``lost``; where some share their first column, of which there are ``groups``,
    ``p_groups`` is p when whole groups are flipped. Where arms are not ``paired``, ``seeds`` and ``differences`` are empty, the values of the arms are two samples, p is
    that of the permutation test, ``t_interval`` is Welch's and ``p_wilcoxon`` Mann and Whitney's; what needs pairs is NaN.
    """

    arm: str
    against: str
    metric: str
    long_name: str
    units: str
    scale: Scale
    direction: stats.Direction
    margin: float
    bound: float
    declared: bool
    alpha: float
    family: int
    family_alpha: float
    correction: stats.Family
    seeds: tuple[int, ...]
    lost: tuple[int, ...]
    absent: tuple[int, ...]
    diverged: tuple[tuple[str, int], ...]
    arm_values: tuple[float, ...]
    against_values: tuple[float, ...]
    replaced: int
    differences: tuple[float, ...]
    mean_difference: float
    constant: bool
    interval: Interval
    inner: Interval
    inner_alpha: float
    t_interval: Interval
    p: float
    p_error: float
    method: str
    p_verdict: float
    p_adjusted: float
    p_holm: float
    p_wilcoxon: float
    wilcoxon_method: str
    p_sign: float
    median_interval: Interval
    smallest_p: float
    d_z: float
    d_z_interval: Interval
    hodges_lehmann: float
    cautions: tuple[stats.Caution, ...]
    p_worst: float
    verdict_worst: stats.Verdict | None
    verdict: stats.Verdict
    chance: float | None = None
    seeds_to_decide: int | None = None
    looks: tuple[int, ...] = ()
    look: int | None = None
    spent: float | None = None
    declared_as: str = ""
    unfit: str = ""
    noun: str = ""
    better: str = ""
    paired: bool = True
    at_judging: bool = False
    by: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    lost_blocks: tuple[str, ...] = ()
    groups: int = 0
    p_groups: float = math.nan
    sentence: str = ""
    short: str = ""

    @property
    def measured(self) -> bool:
        """True where there is something to compare: a pair, or a value of each arm."""
        return bool(self.seeds) if self.paired else bool(self.arm_values and self.against_values)
