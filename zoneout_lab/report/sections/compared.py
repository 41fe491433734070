"""All hypotheses on one metric beside one another, on one axis: which way, how far and how sure."""

from __future__ import annotations

from zoneout_lab.report.data import ReportData
from zoneout_lab.report.figures import Figure, Panel, Row, forest
from zoneout_lab.report.section import Section
from zoneout_lab.report.shifts import CLAIMED, axis, in_words, shift, sides
from zoneout_lab.report.verdicts import VERDICTS
from zoneout_lab.results import Comparison


def build(data: ReportData) -> Section | None:
    groups: dict[tuple[str, str], list[tuple[int, Comparison]]] = {}
    for place, judgement in enumerate(data.judgements, start=1):
        comparison = judgement.comparison
        groups.setdefault((comparison.metric, comparison.scale), []).append((place, comparison))
    if not groups:
        return None
    panels = tuple(_panel(data, number, group) for number, group in enumerate(groups.values()))
    caption = " ".join(captions([c for group in groups.values() for _, c in group]))
    return Section("differences", "Differences", "figure.html", {"figures": [Figure(panels, caption)], "intro": ""})


def _panel(data: ReportData, number: int, group: list[tuple[int, Comparison]]) -> Panel:
    first = group[0][1]
    rows = [
        Row(
            f"{place}. {data.arm(c.arm).label} {CLAIMED[c.direction]} {data.arm(c.against).label}",
            shift(c),
            c.verdict,
            VERDICTS[c.verdict].symbol,
        )
        for place, c in group
    ]
    words = " ".join(f"{row.label}: {in_words(c)[:-1]}, {c.verdict}." for row, (_, c) in zip(rows, group, strict=True))
    return forest(
        f"forest-{number}", rows, sides=sides(first.better), xlabel=axis(first), title=axis(first).capitalize(), description=words
    )  # fmt: skip


def captions(comparisons: list[Comparison]) -> list[str]:
    """How to read what is in the figure, and nothing that is not."""
    parts = ["Each row is a claim. Dots are mean differences, of the arm named first less the other."]
    if any(c.scale != "linear" for c in comparisons):
        parts = [
            "Each row is a claim. Dots are means: differences of the arm named first less the other, or its ratio to it (×)."
        ]
    finite = [c for c in comparisons if not shift(c).few]
    if any(c.inner != c.interval for c in finite):
        parts.append(
            "Whether a difference lies beyond the margin is read off the whole bar, and whether it lies within, off its thick part, each at the row’s own level."
        )
    elif finite:
        parts.append("Verdicts are read off the bars, each an interval at the row’s own level.")
    if len(finite) < len(comparisons):
        what = "pairs" if any(c.by or not c.paired for c in comparisons) else "seeds"
        parts.append(
            f"Dashed bars are t intervals, which assume normal differences; {what} are too few for any other, and no verdict is read off them."
        )
    if any(c.bound for c in comparisons):
        parts.append("The shaded band is the margin.")
    return parts
