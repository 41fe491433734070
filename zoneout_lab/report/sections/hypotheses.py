"""One part for each hypothesis: what was claimed, the verdict, the numbers behind it and every paired point."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup

from zoneout_lab.paper import CLAIMS
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.figures import Figure, differences, pairs
from zoneout_lab.report.quantity import Quantity, compared
from zoneout_lab.report.section import Section
from zoneout_lab.report.text import count, legible, listing, numbered
from zoneout_lab.results import Comparison, Judgement
from zoneout_lab.results.numbers import decimals, full, number, p_value, percent, sides


def build(data: ReportData) -> Section | None:
    if not data.judgements:
        return None
    parts = [_part(data, place, judgement) for place, judgement in enumerate(data.judgements, start=1)]
    entries = tuple((part["anchor"], part["statement"]) for part in parts)
    return Section("hypotheses", "Hypotheses", "hypotheses.html", {"parts": parts}, entries)


def _part(data: ReportData, place: int, judgement: Judgement) -> dict[str, Any]:
    comparison = judgement.comparison
    arm, against = data.arm(comparison.arm), data.arm(comparison.against)
    factor = compared(comparison).factor
    places = decimals(factor * value for value in (*comparison.arm_values, *comparison.against_values))
    triples = zip(
        comparison.seeds, comparison.against_values, comparison.arm_values, comparison.differences, strict=True
    )
    return {
        "anchor": f"hypothesis-{place}",
        "place": place,
        "statement": legible(judgement.statement),
        "claims": [(claim, CLAIMS.get(claim, "")) for claim in judgement.claims],
        "verdict": comparison.verdict,
        "sentence": comparison.sentence,
        "arm": arm,
        "against": against,
        "rows": _numbers(data, comparison, judgement.reason),
        "pairs": [(seed, [(value, number(factor * value, places)) for value in values]) for seed, *values in triples],
        "figure": _figure(data, place, comparison),
    }


def _figure(data: ReportData, place: int, comparison: Comparison) -> Figure:
    arm, against = data.arm(comparison.arm), data.arm(comparison.against)
    about = compared(comparison)

    def scaled(values: Iterable[float]) -> tuple[float, ...]:
        return tuple(about.factor * value for value in values)

    level = percent(comparison.alpha)
    return Figure(
        (
            pairs(
                f"pairs-{place}",
                comparison.seeds,
                arm,
                against,
                scaled(comparison.arm_values),
                scaled(comparison.against_values),
                ylabel=about.axis,
            ),
            differences(
                f"differences-{place}",
                comparison.seeds,
                scaled(comparison.differences),
                arm,
                mean=about.factor * comparison.mean_difference,
                interval=(about.factor * comparison.interval[0], about.factor * comparison.interval[1]),
                t_interval=(about.factor * comparison.t_interval[0], about.factor * comparison.t_interval[1]),
                level=level,
                margin=about.factor * comparison.bound,
                xlabel=f"difference in {about.noun} ({about.shift})",
            ),
        ),
        f"Values: {comparison.long_name}, one line per seed, from {against.label} to {arm.label}; bars are means. "
        f"Differences: {arm.label} minus {against.label} for each seed, and the mean with its {level} intervals. "
        f"{_claimed(comparison, about)}",
        (against, arm),
    )


def _claimed(comparison: Comparison, about: Quantity) -> str:
    """Where the claim wants the interval."""
    place = {"lower": "left of", "higher": "right of"}.get(comparison.direction, "inside")
    if comparison.bound > 0:
        margin = f"the shaded margin of ±{full(about.factor * comparison.bound)} {about.shift}".rstrip()
    else:
        margin = "zero; no margin was declared"
    return f"The claim is an interval {place} {margin}."


def _numbers(data: ReportData, comparison: Comparison, reason: str) -> list[dict[str, Any]]:
    """Rows of the table: what, [(value, as shown)], joined by, note."""
    about = compared(comparison)
    level = percent(comparison.alpha)
    shifts = (
        comparison.mean_difference,
        *comparison.interval,
        *comparison.t_interval,
        comparison.hodges_lehmann,
    )
    places, margin = decimals(about.factor * shift for shift in shifts), about.factor * comparison.bound

    def shown(*values: float) -> list[tuple[float, str]]:
        return [(value, number(about.factor * value, places, sides(margin))) for value in values]

    def effect(*values: float) -> list[tuple[float, str]]:
        return [(value, number(value, 2)) for value in values]

    few = "unbounded: too few seeds for this level" if math.isinf(comparison.interval[0]) else ""
    equal = "all differences are equal" if comparison.constant else ""
    skew = "differences look skewed: intervals may cover less than stated" if comparison.cautions else ""
    return [
        {
            "what": "Paired seeds",
            "values": [(len(comparison.seeds), str(len(comparison.seeds)))],
            "note": _lost(data, comparison),
        },
        {"what": "Mean difference", "values": shown(comparison.mean_difference), "note": about.shift},
        {"what": f"{level} interval, sign-flip", "values": shown(*comparison.interval), "note": few or equal or skew},
        {
            "what": f"{level} interval, paired t",
            "values": shown(*comparison.t_interval),
            "note": "assumes normal differences",
        },
        {
            "what": f"p, {comparison.method}",
            "values": [(comparison.p, p_value(comparison.p, [comparison.alpha]))],
            "note": _precision(comparison),
        },
        {
            "what": "p, adjusted",
            "values": [(comparison.p_adjusted, p_value(comparison.p_adjusted, [comparison.family_alpha]))],
            "note": f"for a verdict at this margin, after Holm among {count(comparison.family, 'hypothesis', 'hypotheses')}",
        },
        {
            "what": "p, Wilcoxon",
            "values": [(comparison.p_wilcoxon, p_value(comparison.p_wilcoxon))],
            "note": f"sensitivity check, {comparison.wilcoxon_method}",
        },
        {
            "what": Markup("Effect size d<sub>z</sub>"),
            "values": effect(comparison.d_z),
            "note": "mean difference in SDs of the differences",
        },
        {
            "what": Markup("{} interval of d<sub>z</sub>").format(level),
            "values": effect(*comparison.d_z_interval),
            "note": "noncentral t",
        },
        {
            "what": "Hodges–Lehmann shift",
            "values": shown(comparison.hodges_lehmann),
            "note": "median of pairwise means",
        },
        {"what": "Margin", "values": [(comparison.bound, full(margin))], "note": legible(reason)},
    ]


def _precision(comparison: Comparison) -> str:
    """What bounds the p value from below, or how exactly sampling knows it."""
    if comparison.p_error:
        return f"Monte-Carlo standard error {number(comparison.p_error)}"
    return f"smallest this number of seeds can give: {p_value(comparison.smallest_p)}"


def _lost(data: ReportData, comparison: Comparison) -> str:
    parts = []
    lost = comparison.lost
    if lost:
        parts.append(f"{count(len(lost), 'pair')} lost: {numbered(lost)}")
    if comparison.absent:
        absent = listing([str(seed) for seed in comparison.absent])
        parts.append(f"{count(len(comparison.absent), 'seed')} of the study not among these results: {absent}")
    parts += [f"{data.arm(name).label} diverged at seed {seed}" for name, seed in comparison.diverged]
    failed = [(each["arm"], each["seed"]) for each in data.recorded("unmeasured") or [] if each["seed"] in lost]
    for name in (comparison.arm, comparison.against):
        if at := sorted({seed for arm, seed in failed if arm == name}):
            parts.append(f"a measurement of {data.arm(name).label} failed at {numbered(at)} (see Runs)")
    return "; ".join(parts)
