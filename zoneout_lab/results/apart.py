"""Two arms whose runs are not paired, compared as independent samples: the permutation test, for results from elsewhere that asked for it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr

from zoneout_lab import schema, stats
from zoneout_lab.errors import InputRefusedError, unknown
from zoneout_lab.results.comparison import Comparison, Question
from zoneout_lab.results.labels import declared_names, labels_of
from zoneout_lab.results.legible import legible
from zoneout_lab.results.scalars import scalar
from zoneout_lab.results.sentence import said

_SAMPLING_SEED = 20
_NONE = (math.nan, math.nan)


def compare_apart(
    tree: xr.DataTree,
    questions: Sequence[Question],
    alpha: float = 0.05,
    *,
    declared: bool = False,
    refuse: bool = True,
) -> tuple[Comparison, ...]:
    """Compare arms as independent samples, the family corrected by Holm.

    Raises as :func:`~zoneout_lab.results.compare` does; without ``refuse``, what cannot be compared on its scale has no values, and says why.
    """
    values = {q.metric: scalar(tree, q.metric) for q in questions}
    samples, unfit, scales = [], [], []
    for q in questions:
        of = values[q.metric]
        for name in (q.arm, q.against):
            if name not in of["arm"].values:
                raise unknown("arm", name, [str(known) for known in of["arm"].values])
        if q.arm == q.against:
            raise InputRefusedError(f"An arm cannot be compared with itself: {q.arm}.")
        used = stats.named_or_own(q.scale, of.attrs["scale"], q.margin, q.metric)
        ours, theirs = (known[np.isfinite(known)] for known in (of.sel(arm=name).values for name in (q.arm, q.against)))
        why = ""
        try:
            on = stats.scaled_apart(ours, theirs, used)
        except InputRefusedError as error:
            if refuse:
                raise InputRefusedError(
                    f"{q.metric} of {q.arm} and {q.against} cannot be compared on the {used} scale. {error}"
                ) from error
            ours, theirs, why = np.empty(0), np.empty(0), str(error)
            on = stats.scaled_apart(ours, theirs, used)
        samples.append(((ours, theirs), on))
        unfit.append(why)
        scales.append(used)
    claims = [q.claim(used) for q, used in zip(questions, scales, strict=True)]
    decisions = stats.decide_apart([on for _, on in samples], claims, alpha, rng=np.random.default_rng(_SAMPLING_SEED))
    study = schema.study_of(tree) or {}
    labels, names_of = labels_of(study), declared_names(study)
    out = []
    for k, (q, claim, decision) in enumerate(zip(questions, claims, decisions, strict=True)):
        raw, on = samples[k]
        about = values[q.metric].attrs
        effect = stats.apart_effect(on, decision.level, rng=np.random.default_rng(_SAMPLING_SEED))
        comparison = Comparison(
            arm=q.arm,
            against=q.against,
            metric=str(values[q.metric].name),
            long_name=legible(about["long_name"]),
            units=legible(about["units"]),
            scale=scales[k],
            noun=legible(about["noun"]),
            better=str(about["better"]),
            direction=claim.direction,
            margin=q.margin if claim.margin else 0.0,
            bound=claim.margin,
            declared=declared,
            at_judging=declared and study.get("standing") == "judging",
            declared_as="" if declared else names_of.get((q.arm, q.against, q.metric), ""),
            paired=False,
            alpha=decision.level,
            family=len(questions),
            family_alpha=alpha,
            correction="holm",
            seeds=(),
            lost=(),
            absent=(),
            diverged=(),
            arm_values=tuple(map(float, raw[0])),
            against_values=tuple(map(float, raw[1])),
            replaced=on.replaced,
            unfit=unfit[k],
            differences=(),
            mean_difference=effect.mean,
            constant=effect.constant,
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
            p_wilcoxon=effect.p_ranks,
            wilcoxon_method=effect.ranks_method,
            p_sign=math.nan,
            median_interval=_NONE,
            smallest_p=decision.smallest_p,
            d_z=math.nan,
            d_z_interval=_NONE,
            hodges_lehmann=effect.hodges_lehmann,
            cautions=() if effect.constant else stats.cautions_apart(on.arm, on.against),
            p_worst=math.nan,
            verdict_worst=None,
            verdict=decision.verdict,
        )
        out.append(said(comparison, labels))
    return tuple(out)
