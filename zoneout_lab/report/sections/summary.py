"""Every verdict at a glance, before any detail."""

from __future__ import annotations

from collections import Counter

from zoneout_lab.report.data import ReportData
from zoneout_lab.report.figures import glance
from zoneout_lab.report.quantity import compared
from zoneout_lab.report.section import Section
from zoneout_lab.report.text import count, legible, listing, part
from zoneout_lab.report.verdicts import VERDICTS


def build(data: ReportData) -> Section:
    rows = []
    for place, judgement in enumerate(data.judgements, start=1):
        comparison = judgement.comparison
        about = compared(comparison)
        rows.append(
            {
                "anchor": f"hypothesis-{place}",
                "statement": legible(judgement.statement),
                "claims": judgement.claims,
                "verdict": comparison.verdict,
                "short": comparison.short,
                "glance": glance(
                    f"glance-{place}",
                    mean=about.factor * comparison.mean_difference,
                    low=about.factor * comparison.interval[0],
                    high=about.factor * comparison.interval[1],
                    margin=about.factor * comparison.bound,
                    unit=about.shift,
                    title=f"{data.arm(comparison.arm).label} minus {data.arm(comparison.against).label}",
                ),
            }
        )
    earlier = data.recorded("earlier_looks")
    return Section(
        "summary",
        "At a glance",
        "summary.html",
        {
            "rows": rows,
            "verdicts": _verdicts(data),
            "runs": _runs(data),
            "scale": _scale(data),
            "overrides": [*(data.recorded("overrides") or []), *(earlier if isinstance(earlier, list) else [])],
        },
    )


def _verdicts(data: ReportData) -> str:
    found = Counter[str](judgement.comparison.verdict for judgement in data.judgements)
    if not found:
        if not data.study:
            return "No study was recorded with these results, so nothing is judged."
        return "This study declares no hypothesis: it describes and does not test."
    parts = [f"{found[verdict]} {verdict}" for verdict in VERDICTS if found[verdict]]
    return f"Of {count(sum(found.values()), 'hypothesis', 'hypotheses')}, {listing(parts)}."


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
    text = f"{found['finished']} of {count(total, 'run')} finished"
    failures = [f"{found[status]} {status}" for status in ("diverged", "missing") if found[status]]
    return f"{text}; {listing(failures)}." if failures else f"{text}."
