"""``judge``: verdicts on a table of anybody's runs, on the screen, as JSON and as a report."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import xarray as xr

from zoneout_lab import schema
from zoneout_lab.cli.console import output, print_json, tell
from zoneout_lab.cli.verdicts import show_judgements
from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.metrics import Better, Metric
from zoneout_lab.report import write_report
from zoneout_lab.report.text import count
from zoneout_lab.results import Judgement, judge, open_results, results_from
from zoneout_lab.results.elsewhere.claims import Claims, read_claims
from zoneout_lab.results.elsewhere.names import plain
from zoneout_lab.results.open import holds_results
from zoneout_lab.results.targets import check_export_target, refuse_to_replace


@dataclass(frozen=True)
class Asked:
    """What a table's columns are, or the fields of an ``experiment``'s runs, and what is to be judged, as it was typed: what was not is as it is here."""

    experiment: str | None = None
    arm: str = "arm"
    seed: str = "seed"
    block: Sequence[str] = ()
    metric: Sequence[str] = ()
    better: Sequence[str] = ()
    unit: Sequence[str] = ()
    long: tuple[str, str] | None = None
    state: str | None = None
    baseline: str | None = None
    hypotheses: Path | None = None
    alpha: float | None = None
    average: bool = False
    unpaired: bool = False
    title: str = ""

    @property
    def typed(self) -> list[str]:
        """The options that say something else than nothing."""
        names = [each.name for each in dataclasses.fields(self) if getattr(self, each.name) != each.default]
        return [f"--{'names-in' if name == 'long' else name}" for name in names]


def show_judged(table: str, asked: Asked, *, report: Path | None, out: Path | None, as_json: bool) -> None:
    """Judge a table, an experiment, or results that were written before, and write what is asked for once all of it is known."""
    inputs = [asked.hypotheses] if asked.hypotheses else []
    refuse_to_replace([*inputs, *_files_of(table, asked)], [report, out])
    written = asked.experiment is None and (Path(table).is_dir() or Path(table).suffix == ".nc")
    if written and Path(table).is_dir() and not holds_results(Path(table)):
        raise InputRefusedError(
            f"{table} is a folder without results of a study. To judge a table, name its file, such as {Path(table) / 'results.csv'}."
        )
    if written and Path(table).exists() and asked.typed:
        raise UsageError(
            f"{table} has results that were written before, and what is judged in them stands there: leave out {', '.join(asked.typed)}, or judge the "
            "table that they were made of."
        )
    if asked.experiment is None and "://" in table:
        raise UsageError("A tracking server has many experiments: say which with --experiment NAME.")
    tree = open_results(table) if written else _read(table, asked)
    judgements = judge(tree)
    if not judgements:
        raise UsageError(
            f"Nothing of {asked.experiment or table} is judged: say which way is better, --metric NAME --better higher, or declare --hypotheses."
        )
    source = schema.provenance(tree, "source") or {}
    for note in source.get("notes", ()):
        tell("Note", note)
    if out is not None:
        check_export_target(out, tree)
    if report is not None:
        write_report(tree, report)
    if out is not None:
        schema.write_tree(tree, out)
    if as_json:
        print_json(_as_json(tree, source, judgements))
        return
    standing = (schema.study_of(tree) or {}).get("standing")
    if standing == "exploratory":
        tell("Exploratory", "nothing was declared, so every arm is compared with the baseline, and what is found is to be tested on new runs.")  # fmt: skip
    elif standing == "judging":
        tell("Note", "The hypotheses were declared for this judgement; nothing shows that it was before the runs.")
    show_judgements(judgements, output)
    for path in (report, out):
        if path is not None:
            output.print(str(path), highlight=False, soft_wrap=True, markup=False)


def _files_of(table: str, asked: Asked) -> list[Path]:
    """What is read: a file, a folder, or the database that an experiment is in."""
    if asked.experiment is None:
        return [Path(table)]
    from zoneout_lab.study.databases import sqlite_path

    path = sqlite_path(table)
    return [] if path is None and "://" in table else [Path(path or table.removeprefix("file:"))]


def _read(table: str, asked: Asked) -> xr.DataTree:
    claims = read_claims(asked.hypotheses) if asked.hypotheses else Claims(())
    baseline = asked.baseline or claims.baseline
    if not claims.hypotheses and baseline is None:
        raise UsageError("Say what the arms are compared with, --baseline NAME, or declare claims, --hypotheses FILE.")
    metrics: dict[str, Metric] = {
        str(each["metric"]): plain(str(each["metric"])) for each in claims.hypotheses if "metric" in each
    }
    metrics |= claims.metrics
    metrics |= _metrics(asked, metrics)
    if not metrics:
        raise UsageError("Say which column is judged and which way is better: --metric NAME --better higher.")
    alpha = asked.alpha if asked.alpha is not None else claims.alpha
    judged: dict[str, Any] = {
        "block": asked.block,
        "metrics": metrics,
        "average": asked.average,
        "paired": not asked.unpaired,
        "baseline": baseline,
        "labels": claims.labels,
        "hypotheses": claims.hypotheses,
        "alpha": 0.05 if alpha is None else alpha,
        "title": asked.title or claims.title or "",
    }
    if asked.experiment is None:
        return results_from(table, arm=asked.arm, seed=asked.seed, long=asked.long, state=asked.state, **judged)
    if asked.long or asked.state:
        raise UsageError("--names-in, --values-in and --state name columns of a table, and an experiment has none.")
    from zoneout_lab.study.elsewhere_mlflow import results_from_mlflow

    arm, seed = (
        f"params.{name}" if name == default else name for name, default in ((asked.arm, "arm"), (asked.seed, "seed"))
    )
    return results_from_mlflow(table, asked.experiment, arm=arm, seed=seed, **judged)


def _metrics(asked: Asked, described: Mapping[str, Metric]) -> dict[str, Metric]:
    """The metrics that were named, with the side and the unit of each; what was not typed is as ``described``."""
    names = list(asked.metric)
    if not names and (asked.better or asked.unit):
        raise UsageError("--better and --unit are about a column: name it with --metric.")
    sides, units = (
        _for_each(names, given, flag) for given, flag in ((asked.better, "--better"), (asked.unit, "--unit"))
    )
    for side in sides:
        if side and side not in get_args(Better):
            raise UsageError(f"--better is higher or lower; got {side!r}.")
    out = {}
    for name, side, unit in zip(names, sides, units, strict=True):
        about = described.get(name, plain(name))
        about = about if side is None else dataclasses.replace(about, better=side or None)  # type: ignore[arg-type]
        out[name] = about if unit is None else dataclasses.replace(about, unit=unit)
    return out


def _for_each(names: Sequence[str], given: Sequence[str], flag: str) -> list[str | None]:
    """What was typed for each metric; None where nothing was."""
    if not given:
        return [None] * len(names)
    if len(given) != len(names):  # one for all would be wrong of a loss beside an accuracy, without a word
        times = "once" if len(given) == 1 else f"{len(given)} times"
        raise UsageError(
            f"{flag} is given {times} for {count(len(names), 'metric')}: give it once for each, in their order."
        )
    return [*given]


def _as_json(tree: xr.DataTree, source: Mapping[str, Any], judgements: Sequence[Judgement]) -> dict[str, Any]:
    study = schema.study_of(tree) or {}
    return {
        "source": source,
        "standing": study.get("standing", "before the runs"),
        "alpha": study.get("alpha"),
        "family": study.get("family"),
        "judgements": [dataclasses.asdict(each) for each in judgements],
    }
