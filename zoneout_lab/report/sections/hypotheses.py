"""All hypotheses in one table, then each by itself: what was claimed, the verdict, and folded behind it every pair and every number."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from zoneout_lab.paper import CLAIMS
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.figures import Figure, differences, pairs
from zoneout_lab.report.figures.lines import MOST_SEEDS
from zoneout_lab.report.quantity import compared
from zoneout_lab.report.section import Section
from zoneout_lab.report.shifts import axis, drawn, in_words, levels, reading, shift
from zoneout_lab.report.text import count, legible, listing, numbered
from zoneout_lab.results import Comparison, Judgement, Question
from zoneout_lab.results.edge import near_edge
from zoneout_lab.results.numbers import ABSENT, decimals, number, p_value, percent
from zoneout_lab.results.outlook import usual_design
from zoneout_lab.results.sentence import CAUTIONS, adjusted_name
from zoneout_lab.results.shown import (
    difference,
    held_against,
    is_ratio,
    margin_in_words,
    places,
    seen,
    shown_interval,
    typical,
)

Values = list[tuple[float, str]]


@dataclass(frozen=True)
class Column:
    """A column of the table of all hypotheses: its heading, what it is in a line (nothing where that is plain), and its cell.

    A cell is made of the comparison and of the smallest effect that the design could have been expected to find. A column without any value is left out.
    """

    head: str | Markup
    about: str | Markup
    cell: Callable[[Comparison, float], Values]


NOTHING: Values = [(math.nan, ABSENT)]


def _counted(c: Comparison) -> Values:
    if c.paired:
        return [(len(c.seeds), str(len(c.seeds)))]
    ours, theirs = len(c.arm_values), len(c.against_values)
    return [(ours + theirs, f"{ours} and {theirs}")]


def _ends(c: Comparison, _: float) -> Values:
    (low, high), _, _ = shown_interval(c)
    return [(end, difference(c, end, places(c))) for end in (low, high)] if math.isfinite(low) else NOTHING


def _seeds_to_decide(c: Comparison, _: float) -> Values:
    if c.chance is None or c.mean_difference == 0:
        return NOTHING
    return [(math.inf, "> 100")] if c.seeds_to_decide is None else [(c.seeds_to_decide, str(c.seeds_to_decide))]


D_Z = Markup("d<sub>z</sub>")

#: one more is a line here
COLUMNS: tuple[Column, ...] = (
    Column("pairs", "", lambda c, _: _counted(c)),
    Column("difference", "the mean over seeds of the first arm less the second, or its ratio to it (×)", lambda c, _: [(c.mean_difference, _shown(c))]),
    Column("interval", "the one that the verdict is read off, at its own level", _ends),
    Column("p", "how often chance alone would give a difference this large, were either sign equally likely", lambda c, _: [(c.p, p_value(c.p, [c.alpha]))]),
    Column("adjusted p", "the same for the verdict, after allowing for the number of hypotheses", lambda c, _: [(c.p_adjusted, p_value(c.p_adjusted, [held_against(c)]))]),
    Column(D_Z, "the mean difference in standard deviations of the differences", lambda c, _: [(c.d_z, number(c.d_z, 2))]),
    Column(
        "could find", Markup("power before the runs: the smallest d<sub>z</sub> beyond the margin (for a claim of absence, the margin in the same unit) that is found "
        "with probability .8, had all hypotheses one as large"), lambda _, before: [(before, number(before, 1))] if math.isfinite(before) else NOTHING,
    ),
    Column("decides at", "power after them: about how many seeds would decide with probability .8, were the difference seen the true one", _seeds_to_decide),
)  # fmt: skip
#: lost pairs that are named; of more, their number says enough
_MOST_NAMED = 100
#: simulating a larger family takes longer than drawing the page
_MOST_SIMULATED = 30


def _before(data: ReportData) -> list[float]:
    """The smallest effect that each hypothesis could be expected to find, in sd of the paired differences; NaN where that is not known."""
    comparisons = [judgement.comparison for judgement in data.judgements]
    planned = data.study.get("seeds")
    if len(comparisons) > _MOST_SIMULATED or not isinstance(planned, int):
        return [math.nan] * len(comparisons)
    questions = [Question(c.arm, c.against, c.metric, c.direction, c.margin, c.scale) for c in comparisons]
    first = comparisons[0]
    design = usual_design(
        questions,
        first.family_alpha,
        correction=first.correction,
        absence="one-sided" if "family" in data.study else "two-sided",
    )
    return [float(effect) for effect in design.detectable(planned)]


def _shown(c: Comparison) -> str:
    unit = "" if is_ratio(c) else compared(c).shift
    return f"{difference(c, c.mean_difference, places(c))} {'points' if unit == 'percentage points' else unit}".rstrip()


def build(data: ReportData) -> Section | None:
    if not data.judgements:
        return None
    before = _before(data)
    cells = [
        [column.cell(judgement.comparison, effect) for column in COLUMNS]
        for judgement, effect in zip(data.judgements, before, strict=True)
    ]
    used = [k for k in range(len(COLUMNS)) if any(row[k] != NOTHING for row in cells)]
    parts = [
        _part(data, place, judgement) | {"cells": [cells[place - 1][k] for k in used]}
        for place, judgement in enumerate(data.judgements, start=1)
    ]
    entries = tuple((part["anchor"], part["statement"]) for part in parts)
    columns = [_renamed(COLUMNS[k], data) for k in used]
    glossary = [(column.head, column.about) for column in columns if column.about]
    what = "comparison" if data.exploratory else "hypothesis"
    values = {"parts": parts, "columns": columns, "glossary": glossary, "what": what, "pair": data.pair}
    return Section(
        "hypotheses", "Comparisons" if data.exploratory else "Hypotheses", "hypotheses.html", values, entries
    )


def _renamed(column: Column, data: ReportData) -> Column:
    """A column of results from elsewhere: what is averaged over need not be seeds, and where nothing is paired no sign is flipped."""
    if not data.source or isinstance(column.about, Markup):
        return column
    head, about = (
        column.head,
        column.about.replace("over seeds", "over pairs").replace("how many seeds", "how many pairs"),
    )
    if not data.blocks.paired:
        head = "runs" if head == "pairs" else head
        about = about.replace(
            "mean over pairs of the first arm less the second", "mean of the first arm less that of the second"
        )
        about = about.replace(
            "were either sign equally likely", "were every way of dealing the runs to the two arms equally likely"
        )
    return Column(head, about, column.cell)


def _part(data: ReportData, place: int, judgement: Judgement) -> dict[str, Any]:
    comparison = judgement.comparison
    arm, against = data.arm(comparison.arm), data.arm(comparison.against)
    factor = compared(comparison).factor
    places = decimals(factor * value for value in (*comparison.arm_values, *comparison.against_values))
    triples = (
        zip(
            map(data.pair_name, comparison.seeds),
            comparison.against_values,
            comparison.arm_values,
            comparison.differences,
            strict=True,
        )
        if comparison.paired
        else ()
    )
    return {
        "anchor": f"hypothesis-{place}",
        "place": place,
        "statement": legible(judgement.statement),
        "claims": [(claim, CLAIMS.get(claim, "")) for claim in judgement.claims],
        "verdict": comparison.verdict,
        "sentence": comparison.sentence,
        "edge": near_edge(comparison),
        "arm": arm,
        "against": against,
        "rows": _numbers(data, comparison, judgement.reason),
        "apart": "ratio" if is_ratio(comparison) else "difference",
        "pairs": [
            (
                seed,
                [
                    *((value, number(factor * value, places)) for value in (theirs, ours)),
                    (apart, difference(comparison, apart, None if is_ratio(comparison) else places)),
                ],
            )
            for seed, theirs, ours, apart in triples
        ],
        "figure": _figure(data, place, comparison) if comparison.paired else None,
    }


def _figure(data: ReportData, place: int, c: Comparison) -> Figure:
    arm, against = data.arm(c.arm), data.arm(c.against)
    about = compared(c)
    ours, theirs = (tuple(about.factor * v for v in values) for values in (c.arm_values, c.against_values))
    means = (
        (about.factor * typical(c, c.against_values), about.factor * typical(c, c.arm_values))
        if c.seeds
        else (0.0, 0.0)
    )
    what = f"{arm.label} divided by {against.label}" if is_ratio(c) else f"{arm.label} minus {against.label}"
    many = len(c.seeds) > MOST_SEEDS
    seeds = (
        f"the middle half of the {data.pair}s thick, the middle 90% thinner," if many else f"one line per {data.pair},"
    )
    names = [data.pair_name(seed) for seed in c.seeds] if data.blocks.labels else []
    return Figure(
        (
            pairs(f"pairs-{place}", c.seeds, arm, against, ours, theirs, means=means, ylabel=about.axis, log=c.scale == "log", pair=data.pair),
            differences(
                f"differences-{place}", c.seeds, drawn(c, c.differences), arm,
                shift=shift(c), levels=levels(c), xlabel=axis(c), description=in_words(c), names=names, pair=data.pair,
            ),
        ),
        f"Left: {c.long_name}, {seeds} from {against.label} to {arm.label}; the bars beside them are "
        f"{'geometric ' * (c.scale == 'log')}means. Right: {what} at each {data.pair}, and below it the mean with its intervals. {reading(c)}",
        (against, arm),
    )  # fmt: skip


def _numbers(data: ReportData, c: Comparison, reason: str) -> list[dict[str, Any]]:
    """Rows of the table: what, [(value, as shown)], joined by, note."""
    level, ratio = percent(c.alpha), is_ratio(c)
    shifts = (c.mean_difference, *c.interval, *c.t_interval, c.hodges_lehmann)
    places = decimals(seen(c, shift) for shift in shifts)

    def shown(*values: float) -> Values:
        return [(value, difference(c, value, places) if math.isfinite(value) else number(value)) for value in values]

    def effect(*values: float) -> Values:
        return [(value, number(value, 2)) for value in values]

    def row(what: str | Markup, values: Values, note: str = "") -> dict[str, Any]:
        return {"what": what, "values": values, "note": note}

    test = "sign-flip" if c.paired else "permutation"
    few = f"unbounded: too few {data.pair}s for this level" if math.isinf(c.interval[0]) else ""
    equal = "all differences are equal" if c.constant else ""
    looks = f"{listing([CAUTIONS[each] for each in c.cautions])}: it may cover less than stated" if c.cautions else ""
    unit = compared(c).shift if not ratio else "of the odds" if c.scale == "logit" else "of the values"
    rows = [
        row(f"Paired {data.pair}s" if c.paired else "Runs of each arm", _counted(c), _lost(data, c)),
        row("Mean ratio" if ratio else "Mean difference", shown(c.mean_difference), unit),
        row(f"{level} interval, {test}", shown(*c.interval), few or equal or looks),
    ]
    if c.inner != c.interval:
        rows.append(
            row(f"{percent(c.inner_alpha)} interval, {test}", shown(*c.inner), few or "that there is no difference beyond the margin is read off this one")
        )  # fmt: skip
    rows += [
        row(f"{level} interval, paired t", shown(*c.t_interval), "assumes normal differences")
        if c.paired
        else row(f"{level} interval, Welch’s t", shown(*c.t_interval), "assumes normal values"),
        row(f"p, {c.method}", [(c.p, p_value(c.p, [c.alpha]))], _precision(c)),
        row(
            f"{adjusted_name(c)[0].upper()}{adjusted_name(c)[1:]}",
            [(c.p_adjusted, p_value(c.p_adjusted, [held_against(c)]))],
            f"for a verdict at this margin, among {count(c.family, 'hypothesis', 'hypotheses')}; held against {p_value(held_against(c), [c.p_adjusted])}",
        ),
    ]
    if c.correction != "holm" and c.family > 1:
        rows.append(
            row(
                "Holm-adjusted p",
                [(c.p_holm, p_value(c.p_holm, [held_against(c)]))],
                "the plainer correction, for comparison",
            )
        )
    if c.groups:
        rows.append(
            row(f"p, flips of whole {_plural(c.by[0])}", [(c.p_groups, p_value(c.p_groups, [c.alpha]))], f"{c.groups} of them, whose blocks may agree: no verdict rests on it")
        )  # fmt: skip
    name = "Wilcoxon" if c.paired else "Mann–Whitney"
    rows.append(row(f"p, {name}", [(c.p_wilcoxon, p_value(c.p_wilcoxon))], f"check by ranks, {c.wilcoxon_method}"))
    if not math.isnan(c.p_sign):
        rows.append(
            row(
                "p, sign test",
                [(c.p_sign, p_value(c.p_sign))],
                "check without symmetry: counts only which arm is ahead",
            )
        )
    if math.isfinite(c.median_interval[0]):
        rows.append(row(f"{level} interval of the median", shown(*c.median_interval), "by the sign test"))
    if not math.isnan(c.p_worst):
        rows.append(
            row("p, diverged runs as worst", [(c.p_worst, p_value(c.p_worst, [c.alpha]))], f"check by ranks{f': {c.verdict_worst}' if c.verdict_worst else ''}")
        )  # fmt: skip
    if c.paired:
        rows += [
            row(Markup("Effect size d<sub>z</sub>"), effect(c.d_z), "mean difference in SDs of the differences"),
            row(
                Markup("{} interval of d<sub>z</sub>").format(level),
                effect(*c.d_z_interval),
                "noncentral t: assumes normal differences",
            ),
        ]
    median = "pairwise means" if c.paired else "all differences between a run of one and a run of the other"
    return [
        *rows,
        row("Hodges–Lehmann shift", shown(c.hodges_lehmann), f"typical difference: the median of {median}"),
        row("Margin", [(c.margin, margin_in_words(c) or "none")], legible(reason)),
    ]


def _precision(c: Comparison) -> str:
    """What bounds the p value from below, or how exactly sampling knows it."""
    if c.p_error:
        return f"Monte-Carlo standard error {number(c.p_error)}"
    what = "runs" if not c.paired else "blocks" if c.by else "seeds"
    return f"smallest this number of {what} can give: {p_value(c.smallest_p)}"


def _plural(column: str) -> str:
    return column if column.endswith("s") else f"{column}s"


def _lost(data: ReportData, comparison: Comparison) -> str:
    parts = []
    lost = comparison.lost
    if lost:
        names = (
            numbered(lost)
            if not comparison.lost_blocks
            else listing([legible(each) for each in comparison.lost_blocks])
        )
        parts.append(f"{count(len(lost), 'pair')} lost{f': {names}' if len(lost) <= _MOST_NAMED else ''}")
    if comparison.absent:
        absent = listing([str(seed) for seed in comparison.absent])
        parts.append(f"{count(len(comparison.absent), 'seed')} of the study not among these results: {absent}")
    parts += [f"{data.arm(name).label} diverged at seed {seed}" for name, seed in comparison.diverged]
    failed = [(each["arm"], each["seed"]) for each in data.recorded("unmeasured") or [] if each["seed"] in lost]
    for name in (comparison.arm, comparison.against):
        if at := sorted({seed for arm, seed in failed if arm == name}):
            parts.append(f"a measurement of {data.arm(name).label} failed at {numbered(at)} (see Runs)")
    return "; ".join(parts)
