"""Two results of one study on one page: the same hypotheses in rows, both verdicts, and what may be made of the two."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from os.path import realpath
from pathlib import Path

import xarray as xr

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.figures import Figure, Panel, Row, forest
from zoneout_lab.report.layout import laid_out, write_page
from zoneout_lab.report.section import Section
from zoneout_lab.report.sections import legend
from zoneout_lab.report.sections.compared import captions
from zoneout_lab.report.sections.hypotheses import COLUMNS
from zoneout_lab.report.shifts import CLAIMED, axis, in_words, shift, sides
from zoneout_lab.report.text import count, legible
from zoneout_lab.report.two_results import Matched, conclusions, differing, matched
from zoneout_lab.report.verdicts import VERDICTS
from zoneout_lab.results import Comparison
from zoneout_lab.results.builds import noise_of_builds, replicates
from zoneout_lab.results.edge import near_edge
from zoneout_lab.results.open import open_results
from zoneout_lab.results.targets import check_target

_CALLED = ("A", "B")
_OPEN = {"inconclusive", "underpowered"}
#: columns of a report's table of all hypotheses that are shown of both results
_SHOWN = ("pairs", "difference", "interval", "p", "adjusted p")


def write_side_by_side(one: xr.DataTree | str | Path, other: xr.DataTree | str | Path, path: str | Path) -> Path:
    """Write two results of one study beside each other as one self-contained HTML file, and return its path.

    Rows are the hypotheses that both declared, with both verdicts and effects. The page says what differs between the two (setting, deviations, seeds,
    data, versions, machine, statistics) and what may not be concluded: results that trained the same seeds are replicates within a seed and are never
    pooled. The same results give the same bytes.

    Args:
        one: a study's results, called A on the page: a tree, or the path of its folder or ``study.nc``.
        other: the results beside it, called B.
        path: where the page is to lie.

    Raises:
        InputRefusedError: the two have different hypotheses, or none; or the page cannot be written, or would replace something else than a page.
        IntegrityError: a file of the results is not what was written.
        TryAgainError: the disk is full.
    """
    target = Path(path)
    check_target(target, [one, other])
    if _same_place(one, other):
        raise InputRefusedError(f"Both results are those at {one}. Give two results of one study.")
    read = [ReportData.read(given if isinstance(given, xr.DataTree) else open_results(given)) for given in (one, other)]
    return write_page(target, render(*read, names=(_name(one, target), _name(other, target))))


def _same_place(one: xr.DataTree | str | Path, other: xr.DataTree | str | Path) -> bool:
    if isinstance(one, xr.DataTree) or isinstance(other, xr.DataTree):
        return one is other
    return realpath(one) == realpath(other)


def _name(given: xr.DataTree | str | Path, target: Path) -> str:
    return "" if isinstance(given, xr.DataTree) else legible(os.path.relpath(given, target.parent))


def render(one: ReportData, other: ReportData, *, names: tuple[str, str] = ("", "")) -> str:
    """The page as text. ``names`` are where the two results lie, as the page says it."""
    matches = matched(one, other)
    sections = [
        _answer((one, other), matches, names),
        Section("together", "What the two say together", "beside_together.html", {"notes": conclusions(one, other, matches)}),
        _figure(one, matches),
        _numbers(matches),
        Section("between", "What differs between them", "beside_between.html", {"rows": differing(one, other), "called": _CALLED}),
        legend.build(one),
    ]  # fmt: skip
    study = one.study
    return laid_out(
        "beside.html",
        title=legible(study.get("title") or study.get("name") or "Untitled study"),
        kicker=f"Two results of a study · {legible(study.get('name') or 'untitled')}",
        question=legible(study.get("question") or ""),
        sections=sections,
    )


def _answer(both: Sequence[ReportData], matches: Sequence[Matched], names: Sequence[str]) -> Section:
    results = [
        {"called": called, "name": name, "about": _about(data)}
        for called, name, data in zip(_CALLED, names, both, strict=True)
    ]
    rounding_alone = replicates([data.tree for data in both])
    rows = [
        {
            "statement": legible(each.one.statement),
            "anchor": f"numbers-{place}",
            "sides": [
                {"called": called, "verdict": c.verdict, "short": c.short, "edge": near_edge(c, noise)}
                for noise in [noise_of_builds(*_both(each)) if rounding_alone else 0.0]
                for called, c in zip(_CALLED, _both(each), strict=True)
            ],
        }
        for place, each in enumerate(matches, start=1)
    ]
    return Section(
        "summary", "Answer", "beside_answer.html", {"lead": _lead(matches), "results": results, "rows": rows}
    )


def _lead(matches: Sequence[Matched]) -> str:
    """In how many hypotheses the two results agree. That one cannot decide and the other does not is no disagreement."""
    verdicts = [{c.verdict for c in _both(each)} for each in matches]
    total = count(len(matches), "hypothesis", "hypotheses")
    if all(both <= _OPEN for both in verdicts):
        return f"{'The hypothesis' if len(matches) == 1 else f'Each of the {total}'} is open in both results."
    if apart := sum(len(both) > 1 and not both <= _OPEN for both in verdicts):
        return f"Of {total}, {apart} {'has' if apart == 1 else 'have'} different verdicts in the two results."
    if any(len(both) > 1 for both in verdicts):
        return f"Of {total}, none is decided in one result and otherwise in the other."
    return (
        "The hypothesis has the same verdict in both."
        if len(matches) == 1
        else f"{'Both hypotheses' if len(matches) == 2 else f'All {total}'} have the same verdict in both."
    )


def _about(data: ReportData) -> str:
    parts = [
        *([data.trained_on] if data.trained_on else []),
        f"{count(len(data.arms), 'arm')} × {count(len(data.seeds), 'seed')}",
        *([data.date] if data.date else []),
    ]  # fmt: skip
    return " · ".join(parts)


def _both(each: Matched) -> tuple[Comparison, Comparison]:
    return each.one.comparison, each.other.comparison


def _figure(data: ReportData, matches: Sequence[Matched]) -> Section:
    """Both effects of every hypothesis, one below the other; a panel for each metric."""
    groups: dict[tuple[str, str], list[tuple[str, Comparison]]] = {}
    for place, each in enumerate(matches, start=1):
        for called, c in zip(_CALLED, _both(each), strict=True):
            groups.setdefault((c.metric, c.scale), []).append((f"{place} {called}", c))
    panels = tuple(_panel(data, number, group) for number, group in enumerate(groups.values()))
    caption = " ".join(captions([c for group in groups.values() for _, c in group]))
    return Section("differences", "Differences", "figure.html", {"figures": [Figure(panels, caption)], "intro": ""})


def _panel(data: ReportData, number: int, group: Sequence[tuple[str, Comparison]]) -> Panel:
    first = group[0][1]
    rows, words = [], ""
    for where, c in group:
        claim = f"{where}. {data.arm(c.arm).label} {CLAIMED[c.direction]} {data.arm(c.against).label}"
        words += f"{claim}: {in_words(c)[:-1]}, {c.verdict}. "
        label = claim if where.endswith(_CALLED[0]) or len(group) == 1 else where
        rows.append(Row(label, shift(c), c.verdict, VERDICTS[c.verdict].symbol))
    return forest(
        f"beside-{number}", rows, sides=sides(first.better), xlabel=axis(first), title=axis(first).capitalize(), description=words.rstrip()
    )  # fmt: skip


def _numbers(matches: Sequence[Matched]) -> Section:
    columns = [column for column in COLUMNS if column.head in _SHOWN]
    rows = [
        {
            "anchor": f"numbers-{place}",
            "place": place,
            "statement": legible(each.one.statement),
            "sides": [
                (called, [column.cell(c, math.nan) for column in columns], c.verdict)
                for called, c in zip(_CALLED, _both(each), strict=True)
            ],
        }
        for place, each in enumerate(matches, start=1)
    ]
    return Section("numbers", "Numbers", "beside_numbers.html", {"rows": rows, "heads": _SHOWN})
