"""Two arms of a study compared: paired by seed, with interval, p, effect sizes, verdict and a sentence saying so."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from zoneout_lab import schema, stats
from zoneout_lab.results.pairing import pairs
from zoneout_lab.results.sentence import sentence

#: beyond 20 seeds sign flips are sampled; a fixed seed gives the same report from the same files
_SAMPLING_SEED = 20

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

    ``alpha`` is the level used: that of the whole family divided as Holm's step-down left it, among ``family`` hypotheses.
    ``interval`` (sign-flip; the verdict is read off it), ``t_interval`` (assumes normal differences) and ``d_z_interval``
    (likewise) are at 1 − ``alpha``. ``p`` tests "no difference", two-sided; ``p_verdict`` is the smallest level with a verdict
    (the same for a margin of zero), ``p_adjusted`` that after Holm. ``smallest_p`` is what this many seeds can reach.
    ``lost`` seeds lack a value in either arm; ``diverged`` names the runs that did. NaN: not defined for so few seeds.
    """

    arm: str
    against: str
    metric: str
    long_name: str
    units: str
    direction: stats.Direction
    margin: float
    alpha: float
    family: int
    seeds: tuple[int, ...]
    lost: tuple[int, ...]
    diverged: tuple[tuple[str, int], ...]
    arm_values: tuple[float, ...]
    against_values: tuple[float, ...]
    differences: tuple[float, ...]
    mean_difference: float
    interval: Interval
    t_interval: Interval
    p: float
    p_verdict: float
    p_adjusted: float
    p_wilcoxon: float
    smallest_p: float
    d_z: float
    d_z_interval: Interval
    hodges_lehmann: float
    skewed: bool
    verdict: stats.Verdict
    sentence: str


def compare(
    tree: xr.DataTree,
    arm: str,
    against: str,
    *,
    metric: str,
    direction: stats.Direction = "lower",
    margin: float = 0.0,
    alpha: float = 0.05,
) -> Comparison:
    """Compare two arms of a study on one metric, as a family of one.

    ``direction`` is the claim: the arm's metric is "lower" or "higher" than the other's by more than ``margin``, or the "same"
    within it. A comparison thought of after looking is exploratory: declared hypotheses are judged together by
    :func:`zoneout_lab.results.judgement`. Raises UsageError for unknown names and InputRefusedError for a claim that cannot be
    tested.

    >>> def run(arm, seed, error):
    ...     return schema.run_tree(
    ...         run_id=f"{arm}-{seed}",
    ...         arm=arm,
    ...         seed=seed,
    ...         status="finished",
    ...         by_epoch={"valid_error": [error]},
    ...         at_best={},
    ...         best_epoch=1,
    ...         gradients={},
    ...         seconds=1.0,
    ...         provenance={},
    ...     )
    >>> runs = [run("lstm", s, 0.10 + 0.001 * s) for s in range(6)] + [run("zoneout", s, 0.08) for s in range(6)]
    >>> tree = schema.study_tree([(r, "") for r in runs], arms=["lstm", "zoneout"], seeds=range(6), provenance={})
    >>> print(compare(tree, "zoneout", "lstm", metric="valid_error").sentence)
    Over 6 paired seeds, the validation error of zoneout is 2.25 percentage points lower than that of lstm (difference −2.25, 95% interval −2.50 to −2.00; p = 0.0312): supported.
    """
    return compare_family(tree, [Question(arm, against, metric, direction, margin)], alpha)[0]


def compare_family(tree: xr.DataTree, questions: Sequence[Question], alpha: float = 0.05) -> tuple[Comparison, ...]:
    """Compare as a family: the chance of any wrong verdict among all ``questions`` is held at ``alpha`` together.

    Raises as :func:`compare` does.
    """
    paired = [pairs(tree, q.arm, q.against, q.metric) for q in questions]
    claims = [stats.Claim(q.direction, q.margin) for q in questions]
    rng = np.random.default_rng(_SAMPLING_SEED)
    decisions = stats.decide([pair.differences for pair in paired], claims, alpha, rng=rng)
    labels = _labels(tree)
    comparisons = []
    for pair, claim, decision in zip(paired, claims, decisions, strict=True):
        effect = stats.paired_effect(pair.differences, decision.level, rng=rng)
        comparison = Comparison(
            arm=pair.arm,
            against=pair.against,
            metric=pair.metric,
            long_name=pair.long_name,
            units=pair.units,
            direction=claim.direction,
            margin=claim.margin,
            alpha=decision.level,
            family=len(questions),
            seeds=pair.seeds,
            lost=pair.lost,
            diverged=pair.diverged,
            arm_values=pair.arm_values,
            against_values=pair.against_values,
            differences=tuple(float(d) for d in pair.differences),
            mean_difference=effect.mean,
            interval=decision.interval,
            t_interval=effect.t_interval,
            p=decision.p,
            p_verdict=decision.p_verdict,
            p_adjusted=decision.p_adjusted,
            p_wilcoxon=effect.p_wilcoxon,
            smallest_p=decision.smallest_p,
            d_z=effect.d_z,
            d_z_interval=effect.d_z_interval,
            hodges_lehmann=effect.hodges_lehmann,
            skewed=effect.skewed,
            verdict=decision.verdict,
            sentence="",
        )
        text = sentence(comparison, labels.get(pair.arm, pair.arm), labels.get(pair.against, pair.against))
        comparisons.append(dataclasses.replace(comparison, sentence=text))
    return tuple(comparisons)


def _labels(tree: xr.DataTree) -> dict[str, str]:
    """What the study calls its arms in prose."""
    study = schema.provenance(tree, "study") if "provenance" in tree.children else None
    return {str(arm["name"]): str(arm.get("label") or arm["name"]) for arm in (study or {}).get("arms", [])}
