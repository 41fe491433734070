"""``power``: what a study's seeds can be expected to show, before they are run."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from zoneout_lab import schema, stats
from zoneout_lab.cli.console import errors, output, print_json, tell
from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.results import Prospect, Question, open_results, prospects, usual_design
from zoneout_lab.study import Study


def show_power(study: Study, *, pilot: Path | None, as_json: bool) -> None:
    """Print a row for each hypothesis. Raises InputRefusedError where the study has none, and as reading the pilot does."""
    whole, study = study, _on_one_task(study, pilot)
    found = prospects_of(study, pilot)
    if as_json:
        rows = [
            {"hypothesis": h.name} | _plain(dataclasses.asdict(p)) for h, p in zip(study.hypotheses, found, strict=True)
        ]
        print_json({"on_one_task": rows, "over_tasks": _plain(_over_tasks(whole))} if whole.tasks else rows)
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("hypothesis", overflow="fold", min_width=12)
    for name in ("assumed", "power", "seeds", "smallest", "alone", "spare"):
        table.add_column(name, justify="right", no_wrap=name != "assumed")
    for h, p in zip(study.hypotheses, found, strict=True):
        table.add_row(
            escape(h.name),
            _narrow(_assumed(p)),
            f"{p.power:.2f}",
            "> 100" if p.enough is None else str(p.enough),
            _narrow(p.in_words(p.smallest)),
            _narrow(p.in_words(p.smallest_alone)),
            str(p.spare) if p.spare >= 0 else "too few",
        )
    output.print(table)
    if study.looks:
        errors.print(
            f"The looks before the last, at {', '.join(map(str, study.looks[:-1]))} seeds, are not in these figures; what they may spend of α costs a little of this power.",
            style="dim", highlight=False, soft_wrap=True,
        )  # fmt: skip
    one, absent = found[0], any(stats.needs_margin(h.direction) for h in study.hypotheses)
    if pilot is None:
        errors.print(
            "sd: of the paired differences. The difference assumed is one sd beyond the margin. A pilot's results give the metric's own units: --pilot FOLDER.",
            style="dim", highlight=False, soft_wrap=True,
        )  # fmt: skip
    else:
        errors.print(
            f"The difference assumed is the one that the pilot saw; the spread is the upper end of what its {one.pilot} pairs allow with 80% confidence (pp: percentage points).",
            style="dim", highlight=False, soft_wrap=True,
        )  # fmt: skip
        if otherwise := unlike(study, pilot):
            tell("Warning", f"The pilot was trained {otherwise}. The spread there may be another than here.")
    errors.print(
        f"Power: the chance that {study.seeds} seeds give the verdict that is then true, by simulating the test that will be used on normal differences. "
        "Seeds: how many would make it .8. "
        "Smallest: the difference supported with probability .8 where all hypotheses have one as large; alone: where no other has any. Spare: seeds that may be lost "
        "before no verdict is possible."
        + (" For claims of absence: the margin, where there is no difference." if absent else ""),
        style="dim", highlight=False, soft_wrap=True,
    )  # fmt: skip
    if whole.tasks:
        over = _over_tasks(whole)
        output.print(
            f"The above is for one task. Over {over['tasks']} tasks of {study.seeds} seeds, a hypothesis by itself finds a difference of {over['smallest']:.2f} sd of each "
            f"task's paired differences with probability .8, and one of 1 sd with probability {over['power']:.2f}.",
            highlight=False, soft_wrap=True,
        )  # fmt: skip


def _on_one_task(study: Study, pilot: Path | None) -> Study:
    """A study on the task of a pilot, which has that task's units; on its first without one."""
    if not study.tasks:
        return study
    if pilot is None:
        return study.each()[0].resolved()
    task = (schema.study_of(open_results(pilot)) or {}).get("task")
    labels = [on.label for on in study.tasks]
    if task not in labels:
        raise InputRefusedError(f"The pilot in {pilot} is on {task}, and {study.name} asks on {', '.join(labels)}.")
    return study.each()[labels.index(task)].resolved()


def _over_tasks(study: Study) -> dict[str, Any]:
    seeds = (study.seeds,) * len(study.tasks)
    return {
        "tasks": len(seeds),
        "power": stats.chance_over_tasks(seeds, 1.0, study.alpha),
        "smallest": stats.smallest_over_tasks(seeds, study.alpha),
    }


def prospects_of(study: Study, pilot: Path | None = None) -> tuple[Prospect, ...]:
    """What a resolved study's hypotheses can be expected to come to."""
    if not study.hypotheses:
        raise InputRefusedError(f"{study.name} declares no hypotheses, so there is nothing to find with any power.")
    tree = None if pilot is None else open_results(pilot)
    try:
        return prospects(_questions(study), study.seeds, study.alpha, correction=study.family, pilot=tree)
    except UsageError as error:
        if tree is None:
            raise
        name = (schema.study_of(tree) or {}).get("name", "a study not recorded")
        raise UsageError(
            f"The pilot in {pilot} is of {name} and lacks what {study.name} asks about. {error}"
        ) from error


def unlike(study: Study, pilot: Path) -> str:
    """In what a pilot was trained otherwise than the study will be, as far as it says; empty where in nothing."""
    theirs = schema.study_of(open_results(pilot)) or {}
    ours = study.to_json()
    if theirs.get("task") not in (None, ours["task"]):
        return f"on {theirs['task']} and not on {ours['task']}"
    apart = [
        f"{part}.{key} {was[key]} and not {now}"
        for part, fields in ours["setting"].items()
        if isinstance(fields, dict) and isinstance(was := (theirs.get("setting") or {}).get(part), dict)
        for key, now in fields.items()
        if key in was and was[key] != now
    ]
    return f"with {', '.join(apart)}" if apart else ""


def in_one_line(study: Study) -> str:
    """What a study's seeds can show, for ``plan``; nothing where it has no hypotheses.

    >>> from zoneout_lab import load_study
    >>> in_one_line(load_study("pmnist_table2"))
    'probability .8 of finding differences of 1.3 sd of the paired differences'
    """
    if not study.hypotheses:
        return ""
    design = usual_design(
        _questions(study), study.alpha, correction=study.family, samples=120
    )  # half a second for ten hypotheses
    sizes = [size for size in design.detectable(study.seeds) if math.isfinite(size)]
    if not sizes:
        return "no difference, however large, is found with probability .8"
    low, high = f"{min(sizes):.1f}", f"{max(sizes):.1f}"
    return f"probability .8 of finding differences of {low if low == high else f'{low} to {high}'} sd of the paired differences"


def _questions(study: Study) -> list[Question]:
    return [Question(h.arm, h.against, h.metric, h.direction, h.margin, h.scale) for h in study.hypotheses]


def _assumed(p: Prospect) -> str:
    if stats.needs_margin(p.question.direction):
        return f"none, margin {p.in_words(p.margin if p.pilot else 1.0)}"
    return p.in_words(p.effect)


def _narrow(text: str) -> str:
    return text.replace("percentage points", "pp")


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity: null."""
    return {key: None if isinstance(v, float) and math.isinf(v) else v for key, v in values.items()}
