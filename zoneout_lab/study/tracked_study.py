"""A study as MLflow records it, in the run above those of its arms and seeds: what it asks, the verdicts, each arm's means with intervals."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import xarray as xr

from zoneout_lab import schema
from zoneout_lab.errors import LabError
from zoneout_lab.metrics import Scale
from zoneout_lab.report.quantity import Quantity, quantity
from zoneout_lab.results import Judgement, judge, labels_of
from zoneout_lab.results.arms import ArmValues, arm_values
from zoneout_lab.results.legible import legible
from zoneout_lab.results.numbers import decimals, number
from zoneout_lab.results.scalars import described, scalar
from zoneout_lab.results.shown import is_ratio, seen, shown_interval
from zoneout_lab.study.tracked_run import flat
from zoneout_lab.study.tracked_values import as_key

#: the tag with a hypothesis's verdict, before its name
VERDICT = "verdict."
NOTE = "mlflow.note.content"
_LONGEST = 7500  # characters of a note, of which MLflow keeps eight thousand


@dataclass(frozen=True)
class StudyRecord:
    """What MLflow is told of a study as it is now. ``tags`` and ``metrics`` change as it grows; finite values only."""

    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


def study_record(manifest: Mapping[str, Any], tree: xr.DataTree | None) -> StudyRecord:
    """What is told of a study: ``<metric>/<arm>/mean`` with ``low`` and ``high`` (the t interval at 95%) and ``runs``, as the report's table of
    arms has them; ``hypothesis/<name>/difference`` (or ``ratio``) with the interval that the verdict is read off, ``p`` and ``p_adjusted``.

    Args:
        manifest: of its folder.
        tree: its results; None where they cannot be read, and only what it asks is told.
    """
    study = manifest["study"]
    head = [f"**{_text(study.get('title') or study['name'])}**", _text(study.get("question") or "")]
    foot = f"`{legible(manifest.get('command') or '')}`"
    if tree is None:
        return StudyRecord({NOTE: _note(head, [], foot)})
    judged: tuple[Judgement, ...] = ()
    with suppress(LabError):  # what cannot be judged has no verdict
        judged = judge(tree)
    arms = _arms(tree, judged)
    tags = {f"{VERDICT}{each.name}": each.comparison.verdict for each in judged}
    metrics = _of_hypotheses(judged)
    for name, values in arms.items():
        for row in values:
            numbers = {
                "mean": row.mean,
                "low": row.interval[0],
                "high": row.interval[1],
                "runs": float(len(row.values)),
            }
            metrics |= {f"{as_key(name)}/{row.arm}/{key}": value for key, value in numbers.items()}
    tables = [_verdicts(judged), _table(tree, study, arms)]
    finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
    return StudyRecord(tags | {NOTE: _note(head, [each for each in tables if each], foot)}, finite)


def params_of(study: Mapping[str, Any]) -> dict[str, str]:
    """What does not change of a study."""
    values = {"arms": len(study["arms"]), "seeds": study["seeds"], "alpha": study["alpha"]}
    values |= {key: study[key] for key in ("task", "baseline") if study.get(key) is not None}
    ours = flat(values) | flat(study.get("setting") or {})
    theirs = {as_key(name): value for name, value in flat(study.get("params") or {}).items()}
    return ours | {(f"params.{name}" if name in ours else name): value for name, value in theirs.items()}


def data_of(manifest: Mapping[str, Any]) -> tuple[str, str]:
    """What the data are called, and a description of them that ends with their SHA-256."""
    study = manifest["study"]
    options = (study.get("setting") or {}).get("options", {})
    return str(study.get("task")), json.dumps(
        {"task": study.get("task"), "options": options, "sha256": manifest["data"]}
    )


def _arms(tree: xr.DataTree, judged: tuple[Judgement, ...]) -> dict[str, tuple[ArmValues, ...]]:
    """The values of every arm by metric: of the study's score, and of what its hypotheses are about, on the scales on which they are judged."""
    asked: dict[str, Scale] = {each.comparison.metric: each.comparison.scale for each in judged}
    score = schema.score_of(tree)
    own = [f"{split}_{score.name}" for split in ("valid", "test")] if score is not None else []
    found = {}
    for name in dict.fromkeys([*own, *schema.metrics_of(schema.study_of(tree)), *asked]):
        with suppress(LabError):  # this study has no such metric
            if name in asked or scalar(tree, name).notnull().any():
                found[name] = arm_values(tree, name, asked.get(name))
    return found


def _of_hypotheses(judged: tuple[Judgement, ...]) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for each in judged:
        c = each.comparison
        ends, _, _ = shown_interval(c)
        ratio = is_ratio(c)
        difference, low, high = ((seen(c, value) if ratio else value) for value in (c.mean_difference, *ends))
        numbers = {"ratio" if ratio else "difference": difference, "low": low, "high": high}
        numbers |= {"p": c.p, "p_adjusted": c.p_adjusted, "pairs": float(len(c.seeds))}
        metrics |= {f"hypothesis/{each.name}/{key}": value for key, value in numbers.items()}
    return metrics


def _verdicts(judged: tuple[Judgement, ...]) -> str:
    if not judged:
        return ""
    rows = [
        f"| {_text(each.statement or each.name)} | **{each.comparison.verdict}** | {_text(each.comparison.short)} |"
        for each in judged
    ]
    return "\n".join(["| hypothesis | verdict | what came out |", "|---|---|---|", *rows])


def _table(tree: xr.DataTree, study: Mapping[str, Any], arms: Mapping[str, tuple[ArmValues, ...]]) -> str:
    if not arms:
        return ""
    labels = labels_of(study)
    names = [row.arm for row in next(iter(arms.values()))]
    heads = [_head(tree, name) for name in arms]
    rows = []
    for place, arm in enumerate(names):
        cells = [_cell(values, place, head.factor) for values, head in zip(arms.values(), heads, strict=True)]
        rows.append(f"| {_text(labels.get(arm, arm))} | {' | '.join(cells)} |")
    line = f"| arm | {' | '.join(_text(head.axis) for head in heads)} |"
    return "\n".join([line, "|---" * (1 + len(heads)) + "|", *rows])


def _head(tree: xr.DataTree, metric: str) -> Quantity:
    about = described(tree, metric)
    return quantity(metric, about.unit, about.noun, about.better or "", about.long_name)


def _cell(values: tuple[ArmValues, ...], place: int, factor: float) -> str:
    row, digits = values[place], decimals(factor * each.mean for each in values)
    mean, low, high = (number(factor * value, digits) for value in (row.mean, *row.interval))
    return f"{mean} ({low} to {high})" if math.isfinite(row.interval[0]) else mean


def _text(text: str) -> str:
    """Text of a study's authors as Markdown shows it."""
    return html.escape(legible(text), quote=False).replace("|", "\\|").replace("`", "\\`")


def _note(head: list[str], tables: list[str], foot: str) -> str:
    """A description in Markdown; rows that would make it too long are left out, and it is said that they are."""
    text = "\n\n".join([*head, *tables, foot])
    while len(text) > _LONGEST and tables:
        longest = max(range(len(tables)), key=lambda place: len(tables[place]))
        lines = tables[longest].splitlines()
        if len(lines) <= 3:
            tables = [each for place, each in enumerate(tables) if place != longest]
        else:
            tables[longest] = "\n".join(lines[:-1])
        text = "\n\n".join([*head, *tables, "The report has more rows.", foot])
    return text[: _LONGEST + 500]
