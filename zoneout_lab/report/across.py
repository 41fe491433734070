"""The page over all tasks of one study: the verdicts, each task's difference beside the others, and aggregates as description."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from zoneout_lab.report.arms import Arm, Style
from zoneout_lab.report.figures import Figure
from zoneout_lab.report.figures.by_task import OnTask, by_task, profile
from zoneout_lab.report.layout import laid_out, write_page
from zoneout_lab.report.text import count, legible, listing, part
from zoneout_lab.report.verdicts import VERDICTS
from zoneout_lab.results import Across, Comparison, OverAll, across, labels_of
from zoneout_lab.results.numbers import ABSENT, number, p_value, percent
from zoneout_lab.results.shown import difference, is_ratio, seen, shown_interval, typical, unit_of
from zoneout_lab.results.targets import check_target


def write_across(sources: Sequence[xr.DataTree | str | Path], path: str | Path) -> Path:
    """Write one self-contained HTML page on a study's results over several tasks, and return its path.

    The same results give the same bytes. Folders among ``sources`` are linked to, relative to the page.

    Args:
        sources: results of one study on each task, as for :func:`~zoneout_lab.results.across`.
        path: where the page is to lie.

    Raises:
        InputRefusedError: as ``across`` does, or the path cannot be written, or has results.
        TryAgainError: the disk is full.
    """
    target = Path(path)
    check_target(target, sources)
    return write_page(target, render_across(across(sources), [_report(source, target) for source in sources]))


def render_across(over: Across, reports: Sequence[str | None]) -> str:
    """The page as text; ``reports`` are where each task's own lies."""
    found = Counter[str](each.verdict for each in over.judgements)
    verdicts = listing([f"{found[verdict]} {verdict}" for verdict in VERDICTS if found[verdict]])
    return laid_out(
        "across.html",
        title=legible(over.title),
        name=legible(over.name),
        question=legible(over.question),
        tasks=[{"label": _task(task), "report": report} for task, report in zip(over.tasks, reports, strict=True)],
        summary=f"Of {count(len(over.judgements), 'hypothesis', 'hypotheses')} over {len(over.tasks)} tasks, {verdicts}.",
        hypotheses=[_hypothesis(over, each, place) for place, each in enumerate(over.judgements, 1)],
        alpha=f"{over.alpha:g}",
        family="by Holm" if over.correction == "holm" else "by joint flips",
        chance=f"{1 - (1 - over.alpha) ** len(over.tasks):.2g}",
    )


def _report(source: xr.DataTree | str | Path, page: Path) -> str | None:
    if isinstance(source, xr.DataTree):
        return None
    folder = Path(source) if Path(source).is_dir() else Path(source).parent
    report = folder / "report.html"
    return os.path.relpath(report, page.parent).replace(os.sep, "/") if report.exists() else None


def _hypothesis(over: Across, each: OverAll, place: int) -> dict[str, Any]:
    first = each.comparisons[0]
    labels = labels_of(over.studies[0])
    arms = [str(arm.get("name")) for arm in over.studies[0].get("arms") or []]
    order = sorted(arms, key=lambda name: name != over.studies[0].get("baseline"))
    arm, against = (
        Arm(name, legible(labels.get(name, name)), Style(order.index(name) if name in order else 1))
        for name in (first.arm, first.against)
    )
    return {
        "anchor": f"hypothesis-{place}",
        "statement": legible(each.statement),
        "verdict": each.verdict,
        "sentence": each.sentence,
        "figure": _figure(each, place, arm, against),
        "rows": [_row(task, c) for task, c in zip(each.tasks, each.comparisons, strict=True)],
        "arm": arm,
        "against": against,
        "d_z": not each.common,
        "described": _described(each, arm.label, against.label),
        "profile": _profile(each, place, arm, against),
    }


def _figure(each: OverAll, place: int, arm: Arm, against: Arm) -> Figure:
    """The differences of all tasks on one axis: as they are where they share a unit or are ratios, otherwise in standard deviations."""
    first = each.comparisons[0]
    ratio = each.common and is_ratio(first)
    rows = [
        OnTask(_task(task), *_drawn(c, each.common), f"{VERDICTS[c.verdict].symbol} {c.verdict}, {len(c.seeds)} seeds")
        for task, c in zip(each.tasks, each.comparisons, strict=True)
    ]
    if each.common:
        unit = "ratio" if ratio else unit_of(first.metric, first.units)[1]
        factor = 1.0 if ratio else unit_of(first.metric, first.units)[0]
        margin = factor * first.bound
    else:
        unit, margin = "standard deviations of the paired differences", 0.0
    sides = (
        ("better", "worse") if first.better == "lower" else ("worse", "better") if first.better else ("lower", "higher")
    )
    levels = {c.alpha for c in each.comparisons}
    level = (
        f"{percent(levels.pop())} intervals" if len(levels) == 1 else "intervals at the level of each task's verdict"
    )
    assumed = [
        _task(t) for t, c in zip(each.tasks, each.comparisons, strict=True) if not each.common or shown_interval(c)[2]
    ]
    words = f"Difference of {arm.label} from {against.label} on each task, with {level}."
    if assumed:
        words += f" {'They' if len(assumed) == len(each.tasks) else f'Those of {listing(assumed)}'} assume normal differences."
    if first.bound and not each.common:
        words += " The margin is not drawn: it has another size on each task."
    return Figure(
        (
            by_task(
                f"tasks-{place}",
                rows,
                margin=margin,
                ratio=ratio,
                xlabel=f"{each.noun}: {arm.label} minus {against.label} ({unit})"
                if not ratio
                else f"{each.noun}: {arm.label} over {against.label}",
                sides=sides,
                title="Difference on each task",
            ),
        ),
        words,
    )


def _drawn(c: Comparison, common: bool) -> tuple[float, tuple[float, float]]:
    if not common:
        return c.d_z, c.d_z_interval
    factor = 1.0 if is_ratio(c) else unit_of(c.metric, c.units)[0]
    (low, high), _, _ = shown_interval(c)
    return factor * c.mean_difference, (factor * low, factor * high)


def _row(task: str, c: Comparison) -> dict[str, Any]:
    factor, unit = unit_of(c.metric, c.units)
    (low, high), alpha, normal = shown_interval(c)
    sign = "%" if unit == "percentage points" else ""
    value = [f"{number(factor * typical(c, v))}{sign}" if v else ABSENT for v in (c.arm_values, c.against_values)]
    known = len(c.seeds) > 0
    shown = "" if is_ratio(c) else unit
    return {
        "task": _task(task),
        "seeds": len(c.seeds),
        "lost": len(c.lost),
        "arm": value[0],
        "against": value[1],
        "unit": "" if sign else unit,
        "difference": f"{difference(c, c.mean_difference)} {shown}".rstrip() if known else ABSENT,
        "interval": f"{percent(alpha)}{' t' if normal else ''}: {number(seen(c, low))} to {number(seen(c, high))}"
        if known
        else ABSENT,
        "d_z": number(c.d_z),
        "p": p_value(c.p),
        "verdict": c.verdict,
    }


def _described(each: OverAll, arm: str, against: str) -> str:
    found = each.aggregates
    side = "better" if each.comparisons[0].better else "higher"
    parts = [
        f"a run of {arm} is {side} than one of {against} on the same task with probability {number(found.improvement)}"
    ]
    if found.iqm == found.iqm:
        parts.append(
            f"the interquartile mean over tasks and seeds is {number(found.iqm)} for {arm} and {number(found.iqm_against)} for {against}, in standard deviations "
            f"of {against}’s runs on the {side} side of their mean"
        )
    return "; ".join(parts)


def _profile(each: OverAll, place: int, arm: Arm, against: Arm) -> Figure | None:
    found = each.aggregates
    if not len(found.thresholds):
        return None
    side = "better" if each.comparisons[0].better else "higher"
    panel = profile(
        f"profile-{place}",
        found.thresholds,
        [(against, found.profile_against), (arm, found.profile)],
        xlabel=f"standard deviations of {against.label}’s runs on the {side} side of their mean",
        side=side,
    )
    return Figure(
        (panel,),
        "The part of the runs beyond each threshold, mean over tasks. No interval: it describes these runs.",
        (against, arm),
    )


def _task(task: str) -> str:
    return legible(part(task)) if ":" in task else legible(task.replace("_", " "))
