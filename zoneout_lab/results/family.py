"""Two arms of a study compared, alone or in a family: paired by seed, with interval, p, effect sizes, verdict and a sentence saying so."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import xarray as xr

from zoneout_lab import schema, stats
from zoneout_lab.metrics import Scale, Values
from zoneout_lab.results.apart import compare_apart
from zoneout_lab.results.blocks import Blocks, blocks_of
from zoneout_lab.results.comparison import Comparison, Question, with_directions
from zoneout_lab.results.labels import declared_names, labels_of
from zoneout_lab.results.legible import legible
from zoneout_lab.results.pairing import Pairs, pairs
from zoneout_lab.results.scalars import scalar
from zoneout_lab.results.sentence import said
from zoneout_lab.results.tabular import Table

#: beyond 20 seeds sign flips are sampled; a fixed seed gives the same report from the same files
_SAMPLING_SEED = 20
#: with more seeds than these, nobody asks how many more would decide
_MOST_SIMULATED = 1000


def compare(
    tree: xr.DataTree,
    arm: str,
    against: str,
    *,
    metric: str,
    direction: stats.Direction | None = None,
    margin: float = 0.0,
    scale: Scale | None = None,
    alpha: float = 0.05,
) -> Comparison:
    """Compare two arms of a study on one metric, as a family of one.

    It is exploratory, and its sentence says so: what a study declared before its runs is judged by :func:`~zoneout_lab.judge`, as one family.

    Args:
        tree: results, as :func:`~zoneout_lab.open_results` gives them.
        arm, against: the two arms, by the names that the study has for them.
        metric: what they are compared on.
        direction: what is claimed: the arm's metric is ``lower`` or ``higher`` than the other's by more than ``margin``, the ``same`` within it,
            or ``not lower`` or ``not higher`` by as much; by default that it is better.
        margin: the smallest difference that matters, in the metric's units; on the other scales a factor.
        scale: what is subtracted: values (``linear``), their logs (``log``) or their log odds (``logit``); by default the metric's own, which is
            ``log`` for norms, shares of gradients and perplexities.
        alpha: the chance of a wrong verdict.

    Returns:
        A :class:`~zoneout_lab.Comparison`, with everything its verdict rests on.

    Raises:
        UsageError: unknown names.
        InputRefusedError: a claim that cannot be tested.

    >>> def run(arm, seed, error):
    ...     return schema.run_tree(
    ...         run_id=f"{arm}-{seed}",
    ...         arm=arm,
    ...         seed=seed,
    ...         status="finished",
    ...         by_epoch={"valid_error": [error]},
    ...         at_best={},
    ...         best_epoch=1,
    ...         seconds=1.0,
    ...         provenance={},
    ...     )
    >>> runs = [run("lstm", s, 0.10 + 0.001 * s) for s in range(6)] + [
    ...     run("zoneout", s, 0.08 + 0.001 * (s * 5 % 6)) for s in range(6)
    ... ]
    >>> tree = schema.study_tree([(r, "") for r in runs], arms=["lstm", "zoneout"], seeds=range(6), provenance={})
    >>> print(compare(tree, "zoneout", "lstm", metric="valid_error").sentence)
    Over 6 paired seeds, the validation error of zoneout is 2.00 percentage points lower than that of lstm (difference −2.00, 95% interval −2.40 to −1.60; p = 0.0312): supported (exploratory: not declared before the runs).
    """
    return compare_family(tree, [Question(arm, against, metric, direction, margin, scale)], alpha)[0]


def compare_family(
    tree: xr.DataTree,
    questions: Sequence[Question],
    alpha: float = 0.05,
    *,
    declared: bool = False,
    correction: stats.Family = "joint",
    absence: stats.Absence = "one-sided",
    looks: Sequence[int] = (),
    refuse: bool | None = None,
) -> Table[Comparison]:
    """Compare as a family: the chance of any wrong verdict among all ``questions`` is held at ``alpha`` together. The tuple that is returned is also
    a table (:class:`~zoneout_lab.results.tabular.Tabular`).

    Arms that are not paired, of results from elsewhere, are compared as independent samples, corrected by Holm.

    Args:
        tree: results, as :func:`~zoneout_lab.open_results` gives them.
        questions: what to compare, a :class:`~zoneout_lab.Question` each.
        alpha: the chance of any wrong verdict among them.
        declared: whether the study declared just these before its runs.
        correction, absence: as for :func:`zoneout_lab.stats.decide`.
        looks: declared looks, as for :func:`zoneout_lab.stats.decide_at_looks`; each comparison is then of the seeds that its look saw.
        refuse: whether what cannot be compared on its scale is refused; by default that depends on ``declared``. Where it is not, it has no
            pairs.

    Raises:
        UsageError: unknown names.
        InputRefusedError: a claim that cannot be tested.
    """
    tree = schema.by_arm_and_seed(tree)
    blocks = blocks_of(tree)
    refuse = not declared if refuse is None else refuse
    values = {name: scalar(tree, name) for name in dict.fromkeys(question.metric for question in questions)}
    questions = with_directions(questions, values)
    if not blocks.paired:
        return Table(compare_apart(tree, questions, alpha, declared=declared, refuse=refuse))
    # what was declared gets its verdicts, even if one of the hypotheses turns out not to be comparable
    paired = [
        pairs(tree, q.arm, q.against, q.metric, q.scale, q.margin, values[q.metric], refuse=refuse) for q in questions
    ]
    claims = [q.claim(pair.scale) for q, pair in zip(questions, paired, strict=True)]
    samples = [pair.differences for pair in paired]
    seeds, sizes = [pair.seeds for pair in paired], [pair.on.sizes for pair in paired]
    rng = np.random.default_rng(_SAMPLING_SEED)
    if looks:

        def anew(some: Sequence[int]) -> tuple[list[Values], list[Values]]:
            those = [pair.of_seeds(some) for pair in paired]
            return [pair.differences for pair in those], [pair.on.sizes for pair in those]

        planned = sorted({seed for pair in paired for seed in (*pair.seeds, *pair.lost)})
        decisions = stats.decide_at_looks(
            samples, claims, alpha, looks=looks, seeds=seeds, planned=planned, sizes=sizes, anew=anew, family=correction, absence=absence, rng=rng
        )  # fmt: skip
        seen = [planned[: looks[decision.look - 1]] if decision.look else planned for decision in decisions]
        paired = [pair.of_seeds(those) for pair, those in zip(paired, seen, strict=True)]
    else:
        decisions = stats.decide(
            samples, claims, alpha, seeds=seeds, sizes=sizes, family=correction, absence=absence, rng=rng
        )
    study = schema.study_of(tree) or {}
    labels, names_of = labels_of(study), declared_names(study)
    comparisons = []
    for pair, question, claim, decision in zip(paired, questions, claims, decisions, strict=True):
        comparison = dataclasses.replace(
            _comparison(pair, claim, decision),
            **_of_blocks(pair, blocks),
            at_judging=declared and study.get("standing") == "judging",
            margin=question.margin if claim.margin else 0.0,
            declared=declared,
            family=len(questions),
            family_alpha=alpha,
            correction=correction,
            looks=tuple(looks),
            look=decision.look,
            spent=decision.spent,
            declared_as="" if declared else names_of.get((question.arm, question.against, question.metric), ""),
        )
        comparisons.append(said(comparison, labels))
    return Table(comparisons)


class _Blocks(TypedDict):
    by: tuple[str, ...]
    blocks: tuple[str, ...]
    lost_blocks: tuple[str, ...]
    groups: int
    p_groups: float


def _of_blocks(pair: Pairs, blocks: Blocks) -> _Blocks:
    """What pairs are called, and where some share their dataset, p with the signs of whole datasets flipped: those of one may agree."""
    groups = [blocks.groups[seed] for seed in pair.seeds] if blocks.groups else []
    names, place = np.unique(groups, return_inverse=True)
    p = math.nan
    if 1 < len(names) < len(groups):  # flipped whole, one group alone says nothing
        sums, sizes = (
            np.bincount(place, weights=each, minlength=len(names)) for each in (pair.differences, pair.on.sizes)
        )
        p = stats.sign_flip(sums, sizes=sizes, rng=np.random.default_rng(_SAMPLING_SEED)).p()
    return {
        "by": blocks.columns,
        "blocks": blocks.named(pair.seeds),
        "lost_blocks": blocks.named(pair.lost),
        "groups": len(names) if math.isfinite(p) else 0,
        "p_groups": p,
    }


def _comparison(pair: Pairs, claim: stats.Claim, decision: stats.Decision) -> Comparison:
    """What two arms and a decision say; the family and how it was declared are the caller's to add."""
    # a generator of its own: what is sampled for one comparison must not depend on those before it
    rng = np.random.default_rng(_SAMPLING_SEED)
    marks = (-claim.margin, 0.0, claim.margin)
    effect = stats.paired_effect(pair.differences, decision.level, sizes=pair.on.sizes, marks=marks, rng=rng)
    p_worst, verdict_worst = _worst(pair, claim, decision)
    return Comparison(
        arm=pair.arm,
        against=pair.against,
        metric=pair.metric,
        long_name=legible(pair.long_name),
        units=legible(pair.units),
        scale=pair.scale,
        noun=legible(pair.noun),
        better=pair.better,
        direction=claim.direction,
        margin=claim.margin,
        bound=claim.margin,
        declared=False,
        alpha=decision.level,
        family=1,
        family_alpha=decision.level,
        correction="joint",
        seeds=pair.seeds,
        lost=pair.lost,
        absent=pair.absent,
        diverged=pair.diverged,
        arm_values=pair.arm_values,
        against_values=pair.against_values,
        replaced=pair.on.replaced,
        unfit=pair.unfit,
        differences=tuple(float(d) for d in pair.differences),
        mean_difference=effect.mean,
        constant=effect.sd == 0,
        interval=decision.interval,
        inner=decision.inner,
        inner_alpha=decision.inner_level,
        t_interval=effect.t_interval,
        p=decision.p,
        p_error=decision.p_error,
        method=decision.method,
        p_verdict=decision.p_verdict,
        p_adjusted=decision.p_adjusted,
        p_holm=decision.p_holm,
        p_wilcoxon=effect.p_wilcoxon,
        wilcoxon_method=effect.wilcoxon_method,
        p_sign=stats.sign_test(pair.differences, sizes=pair.on.sizes),
        median_interval=stats.median_interval(pair.differences, decision.level),
        smallest_p=decision.smallest_p,
        d_z=effect.d_z,
        d_z_interval=effect.d_z_interval,
        hodges_lehmann=effect.hodges_lehmann,
        cautions=() if effect.sd == 0 else stats.cautions(pair.on.arm, pair.on.against),
        p_worst=p_worst,
        verdict_worst=verdict_worst,
        verdict=decision.verdict,
        **_power(effect, claim, decision),
    )


class _Power(TypedDict):
    chance: float | None
    seeds_to_decide: int | None


def _power(effect: stats.PairedEffect, claim: stats.Claim, decision: stats.Decision) -> _Power:
    """What an inconclusive comparison can be told of more seeds, from the difference and the spread that it saw."""
    # before the first look nothing is decided, however large the difference
    if decision.verdict != "inconclusive" or decision.spent == 0 or not effect.sd > 0 or effect.n > _MOST_SIMULATED:
        return {"chance": None, "seeds_to_decide": None}
    seen, margin = _two_digits(effect.mean / effect.sd), _two_digits(claim.margin / effect.sd)
    if claim.of_absence and margin == 0:
        return {"chance": 0.0, "seeds_to_decide": None}
    in_sd = stats.Claim(claim.direction, margin)
    level = min(decision.level, _two_digits(decision.level))
    return {
        "chance": stats.chance(effect.n, seen, in_sd, level),
        "seeds_to_decide": stats.seeds_to_decide(effect.n, seen, in_sd, level),
    }


def _two_digits(value: float) -> float:
    return float(f"{value:.1e}")


def _worst(pair: Pairs, claim: stats.Claim, decision: stats.Decision) -> tuple[float, stats.Verdict | None]:
    """p by ranks with diverged runs as worst, and what it makes of a claim of a direction; NaN and None where it says nothing."""
    if not any(pair.only_diverged) or not pair.better:
        return math.nan, None
    ranks = stats.worst_ranks(
        pair.differences,
        *map(len, pair.only_diverged),
        worse=1.0 if pair.better == "lower" else -1.0,
        sizes=pair.on.sizes,
    )
    flip = stats.sign_flip(ranks, rng=np.random.default_rng(_SAMPLING_SEED))
    p = flip.p()
    if stats.needs_margin(claim.direction):
        return p, None
    if not stats.can_decide(flip.n, decision.level):
        return p, "underpowered"
    if p > decision.level:
        return p, "inconclusive"
    return p, "supported" if (ranks.sum() < 0) == (claim.direction == "lower") else "contradicted"
