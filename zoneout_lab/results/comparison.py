"""What a comparison of two arms is: the question, and everything its verdict rests on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import xarray as xr

from zoneout_lab import stats
from zoneout_lab.metrics import Scale
from zoneout_lab.results.compared import Compared
from zoneout_lab.results.rows import Entry
from zoneout_lab.results.tabular import Tabular


@dataclass(frozen=True)
class Question:
    """What to compare, for :func:`~zoneout_lab.compare_family`: the fields of a :class:`~zoneout_lab.Hypothesis` without its words.

    Args:
        arm, against: the two arms.
        metric: what they are compared on.
        direction: what is claimed of arm − against: ``lower``, ``higher``, ``same``, ``not lower`` or ``not higher``; by default that the arm is
            better.
        margin: in the metric's units on the ``linear`` scale, a factor on the others.
        scale: ``linear``, ``log`` or ``logit``; None: the metric's own.

    >>> Question("zoneout", "lstm", "valid_error", margin=0.002).margin
    0.002
    """

    arm: str
    against: str
    metric: str
    direction: stats.Direction | None = None
    margin: float = 0.0
    scale: Scale | None = None

    def claim(self, scale: Scale) -> stats.Claim:
        """What is claimed, on the scale that it is compared on. Raises InputRefusedError for a margin that is none there."""
        return stats.Claim(self.direction or "lower", stats.margin_on(scale, self.margin))


def with_directions(questions: Iterable[Question], values: Mapping[str, xr.DataArray]) -> list[Question]:
    """Questions that say what is claimed: without a direction that the arm is better, by what ``values`` of its metric say of themselves."""
    return [replace(q, direction=q.direction or values[q.metric].attrs["better"] or "lower") for q in questions]


@dataclass(frozen=True)
class Comparison(Compared, Tabular):
    """One comparison with everything its verdict rests on; printed, it is its ``sentence``, in a notebook a table.

    **Units.** ``arm_values`` and ``against_values`` are as measured, in ``units``. Everything made of differences arm − against
    (``differences``, ``mean_difference``, ``hodges_lehmann``, the intervals, ``bound``) is on ``scale``: in ``units`` on ``linear``, logs of ratios
    on ``log``, of ratios of odds on ``logit``. ``replaced`` values were zero and count there as half the smallest other. ``margin`` is as declared,
    ``bound`` the same on the scale. ``constant`` is True where all differences are equal.

    **What it is.** ``arm`` and ``against`` are compared on ``metric``; ``direction`` is what was claimed. ``noun`` is what the metric is called in prose where its ``long_name`` would not fit, and ``better`` which way is better, where
    one is. ``declared`` says whether the study declared it before its runs; otherwise it is exploratory,
    ``arm_label`` and ``against_label`` are what the study calls the two arms in prose,
    and ``declared_as`` is the name of the study's hypothesis about the same arms and metric, if there is one.

    **The verdict.** ``verdict`` is ``supported``, ``contradicted``, ``equivalent``, ``inconclusive`` or ``underpowered``. ``alpha`` is the level used: that of the whole family, ``family_alpha``, as the step-down (``correction``: joint or holm) left it
    among ``family`` hypotheses. ``interval`` (sign-flip) and ``t_interval`` and ``d_z_interval`` (which assume normal differences) are at 1 − ``alpha``,
    ``inner`` (sign-flip; absence is read off it) at 1 − ``inner_alpha``, which is 2 ``alpha``. ``p`` tests "the differences are symmetric about zero", two-sided, by ``method``,
    and has the Monte-Carlo standard error ``p_error`` where flips were sampled; ``p_verdict`` is the smallest level with a verdict, ``p_adjusted``
    that after the correction, ``p_holm`` that after Holm's. ``smallest_p`` is what this many seeds can reach.

    ``d_z`` is the standardised difference, the mean of the differences divided by their standard deviation.

    **Power.** Where the verdict is inconclusive, ``chance`` is that of the verdict the difference seen would call for, were it the true one, in another study of as many
    seeds at the same level, and ``seeds_to_decide`` about how many would make it .8 (None: more than 100, or nothing to go by); both by simulation on normal
    differences. The difference seen is itself uncertain, and with it both. Otherwise both are None.

    **Looks.** Where the study declared several ``looks`` (numbers of seeds), ``look`` is the one, from 1, that the verdict was reached at or that was
    last; everything here is made of the seeds it saw, and ``p_adjusted`` counts against ``spent``, the α that could be spent by then.

    **Checks.** ``p_wilcoxon``, by ``wilcoxon_method``; ``p_sign`` and ``median_interval`` of the sign test, which needs no symmetry; ``cautions``, what makes symmetry doubtful;
    where runs diverged, ``p_worst`` and ``verdict_worst`` with diverged runs counted as worse than all others, by ranks and without a margin.

    **Seeds.** ``lost`` seeds lack a value in either arm, ``absent`` seeds are the study's and not in these results; ``diverged`` names the runs that
    did. ``unfit`` says why the scale cannot hold the values of a declared hypothesis, which then has no pairs. ``sentence`` says it all, ``short`` what came out: both values, the difference and its interval. NaN: not defined for so few seeds.

    **Results from elsewhere.** ``at_judging`` says that it was declared when these results were judged, which is not to say before the runs. Where pairs are blocks
    of the columns ``by``, ``blocks`` are the labels of ``seeds`` and ``lost_blocks`` those of ``lost``; where some share their first column, of which there are ``groups``,
    ``p_groups`` is p when whole groups are flipped. Where arms are not ``paired``, ``seeds`` and ``differences`` are empty, the values of the arms are two samples, p is
    that of the permutation test, ``t_interval`` is Welch's and ``p_wilcoxon`` Mann and Whitney's; what needs pairs is NaN.
    """

    def __str__(self) -> str:
        return self.sentence

    def _entries(self) -> list[Entry]:
        return [Entry(self)]
