"""The answer, right under the question: a sentence for each hypothesis, and a pointer to what was not asked and is larger."""

from __future__ import annotations

import math
from collections import Counter

from zoneout_lab.report.data import ReportData
from zoneout_lab.report.section import Section
from zoneout_lab.report.text import count, legible, listing, part
from zoneout_lab.report.verdicts import VERDICTS
from zoneout_lab.results import Comparison
from zoneout_lab.results.arms import largest_difference
from zoneout_lab.results.edge import near_edge
from zoneout_lab.results.shown import shown_interval


def build(data: ReportData) -> Section:
    rows = [
        {
            "anchor": f"hypothesis-{place}",
            "statement": legible(judgement.statement),
            "verdict": judgement.comparison.verdict,
            "short": judgement.comparison.short,
            "edge": near_edge(judgement.comparison),
        }
        for place, judgement in enumerate(data.judgements, start=1)
    ]
    earlier = data.recorded("earlier_looks")
    return Section(
        "summary",
        "Answer",
        "answer.html",
        {
            "rows": rows,
            "verdicts": _verdicts(data),
            "runs": _runs(data),
            "reading": _reading(data),
            "scale": _scale(data),
            "unasked": _unasked(data),
            "standing": _standing(data),
            "overrides": [*(data.recorded("overrides") or []), *(earlier if isinstance(earlier, list) else [])],
        },
    )


def _standing(data: ReportData) -> tuple[str, str] | None:
    """What the verdicts on results from elsewhere cannot claim: a head and a sentence."""
    if not data.source or not data.judgements:
        return None
    if not data.exploratory:
        return (
            "Declared for this judgement.",
            "Nothing shows that the hypotheses were written down before the results existed.",
        )
    baseline = next((arm.label for arm in data.arms if arm.baseline), "the baseline")
    many = len(data.judgements)
    together = f" The {many} comparisons are corrected together." if many > 1 else ""
    return (
        "Exploratory.",
        f"Nothing was declared: every arm is compared with {baseline}.{together} What is found so is a reason to test it on new runs.",
    )


def _unasked(data: ReportData) -> tuple[str, str] | None:
    """The largest difference from the baseline on the study's score, where no hypothesis is about it, and how it is to be taken."""
    if data.source:
        return None
    baseline = next((arm for arm in data.arms if arm.baseline), None)
    if baseline is None or data.score is None or not data.judgements:
        return None
    largest = largest_difference(data.tree, data.score, baseline.name, float(data.study.get("alpha", 0.05)))
    if largest is None or any(_same(judgement.comparison, largest) for judgement in data.judgements):
        return None
    chosen = "; its interval allows for having been chosen as the largest" if _has_interval(largest) else ""
    return largest.short, f"Nobody declared it before the runs, so it has no verdict{chosen}."


def _same(one: Comparison, other: Comparison) -> bool:
    """True where both compare the same two arms on the same score, on whatever split."""
    score = other.metric.partition("_")[2]
    return {one.arm, one.against} == {other.arm, other.against} and one.metric.partition("_")[2].startswith(score)


def _verdicts(data: ReportData) -> str:
    found = Counter[str](judgement.comparison.verdict for judgement in data.judgements)
    if not found:
        if not data.study:
            return "No study was recorded with these results, so nothing is judged."
        return (
            "No hypothesis and no baseline was named: this describes and does not test."
            if data.source
            else "This study declares no hypothesis: it describes and does not test."
        )
    total = sum(found.values())
    one, many_of = ("comparison", "comparisons") if data.exploratory else ("hypothesis", "hypotheses")
    if len(found) == 1:
        verdict = next(iter(found))
        many = "Both" if total == 2 else f"All {total}"
        return f"The {one} is {verdict}." if total == 1 else f"{many} {many_of} are {verdict}."
    parts = [
        f"{found[verdict]} {'is' if found[verdict] == 1 else 'are'} {verdict}" for verdict in VERDICTS if found[verdict]
    ]
    return f"Of {total} {many_of}, {listing(parts)}."


def _reading(data: ReportData) -> str:
    """What the intervals of all rows have in common."""
    rounded = "Differences are of unrounded values."
    if any(each.comparison.scale == "log" for each in data.judgements):
        rounded += " What is compared as a ratio is shown as geometric means."
    if len(data.judgements) < 2 or not any(_has_interval(each.comparison) for each in data.judgements):
        return rounded
    correction = " (Holm)" if data.judgements[0].comparison.correction == "holm" else ""
    what = "comparisons" if data.exploratory else "hypotheses"
    return f"The levels of intervals allow for {len(data.judgements)} {what}{correction}. {rounded}"


def _has_interval(c: Comparison) -> bool:
    return math.isfinite(shown_interval(c)[0][0])


def _scale(data: ReportData) -> str:
    """What the verdicts hold for, where the setting is smaller than the paper's; nothing where that is not known."""
    study = data.study
    if study.get("preset") != "laptop" or not data.trained_here:
        return ""
    model, training = ((study.get("setting") or {}).get(part) or {} for part in ("model", "training"))
    if not {"layers", "hidden"} <= model.keys() or "epochs" not in training:
        return ""
    size = f"{model['layers']} × {model['hidden']} units and {count(training['epochs'], 'epoch')}"
    held = f"These verdicts are for {legible(_task(str(study.get('task'))))} at the laptop preset: {size}."
    if not any(judgement.claims for judgement in data.judgements):
        return held
    return f"{held} The paper's claims are about larger models trained for longer, and need not hold or fail with them."


def _task(task: str) -> str:
    return part(task) if ":" in task else task


def _runs(data: ReportData) -> str:
    found = Counter(data.status.values())
    total = sum(found.values())
    if data.source:
        return f"Not run here: {count(found['finished'], 'run')} of {count(len(data.arms), 'arm')} as {legible(data.source.get('name') or 'a table')} has them."
    if total and found["finished"] == total:
        return f"{'Both' if total == 2 else f'All {total}'} runs finished." if total > 1 else "The run finished."
    text = f"{found['finished']} of {count(total, 'run')} finished"
    failures = [f"{found[status]} {status}" for status in ("diverged", "missing") if found[status]]
    return f"{text}; {listing(failures)}." if failures else f"{text}."
