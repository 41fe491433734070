"""One study on several tasks: its hypotheses paired by name, an estimate for each task and one verdict for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from zoneout_lab import schema, stats
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.metrics import SPLITS
from zoneout_lab.results.comparison import Comparison
from zoneout_lab.results.earlier import asked
from zoneout_lab.results.judgement import Judgement, judge
from zoneout_lab.results.labels import labels_of
from zoneout_lab.results.legible import label
from zoneout_lab.results.open import open_results
from zoneout_lab.results.over_tasks import Aggregates, OverAll, aggregates, sentence_over, short_over
from zoneout_lab.results.rows import Entry
from zoneout_lab.results.scalars import described
from zoneout_lab.results.tabular import Table, Tabular

_SAMPLING_SEED = 20  # the same report from the same files


@dataclass(frozen=True)
class Across(Tabular):
    """A study asked on several ``tasks``, in this order everywhere: ``studies`` as recorded, and what came of each hypothesis over all of them, which is
    also a table (:class:`~zoneout_lab.results.tabular.Tabular`).

    ``judgements`` are at α = ``alpha`` for the hypotheses together, corrected by ``correction``. They are about these tasks and no others.
    """

    name: str
    title: str
    question: str
    tasks: tuple[str, ...]
    alpha: float
    correction: stats.Family
    judgements: Table[OverAll]
    studies: tuple[Mapping[str, Any], ...]

    def _entries(self) -> list[Entry]:
        return self.judgements._entries()


def across(sources: Sequence[xr.DataTree | str | Path]) -> Across:
    """The verdicts of one study over several tasks, from the results on each: trees, folders or ``study.nc`` files.

    Every task weighs the same, whatever its unit and its number of seeds. Differences are claimed of the tasks on average, their absence of every
    task (:mod:`zoneout_lab.stats.strata`). The verdicts on each task are that task's own: they are not corrected for the number of tasks.

    Args:
        sources: the results on each task: trees of :func:`~zoneout_lab.open_results`, or paths.

    Raises:
        InputRefusedError: fewer than two results, results of different studies, the same task twice, or hypotheses that do not mean the same on
            every task.

    >>> def tree(task, better):
    ...     runs = [
    ...         schema.run_tree(
    ...             run_id=f"{arm}-{seed}",
    ...             arm=arm,
    ...             seed=seed,
    ...             status="finished",
    ...             by_epoch={"valid_error": [0.2 + 0.01 * (seed * 2 % 3) - (arm == "b") * better * (1 + seed)]},
    ...             at_best={},
    ...             best_epoch=1,
    ...             seconds=1.0,
    ...             provenance={},
    ...         )
    ...         for arm in "ab"
    ...         for seed in range(3)
    ...     ]
    ...     claim = {"name": "h", "statement": "It helps.", "arm": "b", "against": "a", "metric": "valid_error"}
    ...     arms = [{"name": "a", "label": "LSTM"}, {"name": "b", "label": "zoneout"}]
    ...     study = {"name": "s", "task": task, "alpha": 0.05, "family": "joint", "arms": arms, "hypotheses": [claim]}
    ...     return schema.study_tree(
    ...         [(run, "") for run in runs], arms="ab", seeds=range(3), provenance={"study": study}
    ...     )
    >>> over = across([tree("digits", 0.01), tree("adding", 0.02)])
    >>> print(over.judgements[0].sentence)
    Over 2 tasks with 6 pairs of runs, the validation error of zoneout is lower on average than that of LSTM (lower on 2 of 2 tasks and in 6 of 6 pairs; standardised difference −0.926; p = 0.0312): supported.
    """
    if len(sources) < 2:
        raise InputRefusedError(f"A verdict over several tasks needs the results on two at least; got {len(sources)}.")
    trees = [each if isinstance(each, xr.DataTree) else open_results(each) for each in sources]
    names = [
        f"results {place}" if isinstance(each, xr.DataTree) else str(each) for place, each in enumerate(sources, 1)
    ]
    studies = []
    for tree, name in zip(trees, names, strict=True):
        study = schema.study_of(tree)
        if study is None or not study.get("hypotheses"):
            what = "record no study" if study is None else "are of a study without hypotheses"
            raise InputRefusedError(f"{_start(name)} {what}, so there is nothing to judge over several tasks.")
        if study.get("looks"):
            raise InputRefusedError(
                f"{_start(name)} are of a study with looks, which end each task's runs for themselves: there is no verdict over all."
            )
        studies.append(study)
    first = studies[0]
    asks = _asks(first, trees[0])
    for study, tree, name in zip(studies[1:], trees[1:], names[1:], strict=True):
        theirs = _asks(study, tree)
        if differ := next((key for key in asks if asks[key] != theirs[key]), None):
            raise InputRefusedError(
                f"These are results of different studies: the {differ} of {names[0]} and of {name} are not the same. A verdict over tasks is about one study "
                "that was run on each of them."
            )
    tasks = _labels(studies, names)
    alpha, correction = float(first["alpha"]), first.get("family", "holm")
    judged = [judge(tree) for tree in trees]
    for place in range(len(judged[0])):
        _check_same([of[place] for of in judged], tasks)
    return Across(
        name=str(first.get("name") or ""),
        title=str(first.get("title") or first.get("name") or "Untitled study"),
        question=str(first.get("question") or ""),
        tasks=tasks,
        alpha=alpha,
        correction=correction,
        judgements=_over(judged, tasks, alpha, correction, labels_of(first), trees),
        studies=tuple(studies),
    )


def _over(
    judged: Sequence[tuple[Judgement, ...]],
    tasks: tuple[str, ...],
    alpha: float,
    correction: stats.Family,
    labels: Mapping[str, str],
    trees: Sequence[xr.DataTree],
) -> Table[OverAll]:
    by_claim = [[of[place].comparison for of in judged] for place in range(len(judged[0]))]
    decisions = stats.decide_over_tasks(
        [[c.differences for c in of] for of in by_claim],
        [stats.Claim(of[0].direction, of[0].bound) for of in by_claim],
        alpha,
        seeds=[[c.seeds for c in of] for of in by_claim],
        sizes=[[stats.scaled(c.arm_values, c.against_values, c.scale).sizes for c in of] for of in by_claim],
        family=correction,
        rng=np.random.default_rng(_SAMPLING_SEED),
    )
    out = []
    for place, (comparisons, decision) in enumerate(zip(by_claim, decisions, strict=True)):
        judgement = judged[0][place]
        over = OverAll(
            name=judgement.name,
            statement=judgement.statement,
            claims=judgement.claims,
            reason=judgement.reason,
            tasks=tasks,
            noun=_noun(comparisons, trees),
            comparisons=tuple(comparisons),
            decision=decision,
            family=len(by_claim),
            family_alpha=alpha,
            correction=correction,
            aggregates=_aggregates(comparisons),
        )
        arm, against = comparisons[0].arm, comparisons[0].against
        names = label(labels.get(arm, arm)), label(labels.get(against, against))
        out.append(replace(over, sentence=sentence_over(over, *names), short=short_over(over, *names)))
    return Table(out)


def _aggregates(comparisons: Sequence[Comparison]) -> Aggregates:
    on = [stats.scaled(c.arm_values, c.against_values, c.scale) for c in comparisons]
    better = comparisons[0].better
    return aggregates(
        [pair.arm for pair in on], [pair.against for pair in on], "lower" if better == "lower" else "higher"
    )


def _asks(study: Mapping[str, Any], tree: xr.DataTree) -> dict[str, Any]:
    """What makes a study the same question on another task: everything but the task, its setting and the seeds."""
    score = _score(tree)
    names = {f"{split}_{score}": f"{split}_score" for split in SPLITS}
    hypotheses = {}
    for h in study["hypotheses"]:
        (question,) = asked([h])
        # without a margin each task may have a scale of its own
        scale = question.pop("scale", "linear") if question.get("margin") else None
        hypotheses[h["name"]] = question | {"metric": names.get(h["metric"], h["metric"]), "scale": scale}
    arms = {
        arm["name"]: (arm.get("regularizer"), _shared(arm.get("change") or {}), arm.get("vary"))
        for arm in study.get("arms") or []
    }
    return {
        "arms": arms,
        "baseline": study.get("baseline"),
        "hypotheses": hypotheses,
        "α": study.get("alpha"),
        "family": study.get("family", "holm"),
        "kinds of randomness that vary": study.get("vary"),
    }


def _shared(change: Mapping[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in change.items() if not path.startswith("options.")}


def _score(tree: xr.DataTree) -> str:
    """The name of what the task is judged by: recorded, or that of the validation metric beside the loss."""
    recorded = schema.score_of(tree)
    if recorded is not None:
        return recorded.name
    names = [str(name) for name in tree["metrics"].to_dataset().data_vars if str(name).startswith("valid_")]
    others = [name.removeprefix("valid_") for name in names if name != "valid_loss"]
    return min(others, key=lambda name: (len(name), name), default="loss")


def _labels(studies: Sequence[Mapping[str, Any]], names: Sequence[str]) -> tuple[str, ...]:
    """What each task is called: its name and, where two have one name, the part of the setting in which they differ."""
    tasks = [label(study.get("task") or name) for study, name in zip(studies, names, strict=True)]
    labels = []
    for task, study in zip(tasks, studies, strict=True):
        alike = [_flat(other.get("setting") or {}) for other, name in zip(studies, tasks, strict=True) if name == task]
        mine = _flat(study.get("setting") or {})
        differing = [key for key in mine if any(other.get(key) != mine[key] for other in alike)]
        # an option says which task it is, better than a size of the model does
        differing.sort(key=lambda key: not key.startswith("options."))
        which = ", ".join(f"{key.partition('.')[2]} {mine[key]}" for key in differing[:2])
        labels.append(f"{task} ({which})" if which else task)
    if twice := next((label for label in labels if labels.count(label) > 1), None):
        raise InputRefusedError(
            f"{twice} is given twice: runs of one task are not two tasks. Give the results on each task once."
        )
    return tuple(labels)


def _flat(setting: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{group}.{key}": value for group, of in setting.items() if isinstance(of, Mapping) for key, value in of.items()
    }


def _check_same(judgements: Sequence[Judgement], tasks: Sequence[str]) -> None:
    """Refuse a hypothesis that could not be pooled: its direction means better here and worse there, or its margin is in different units."""
    comparisons = [each.comparison for each in judgements]
    name = judgements[0].name
    sides = {c.better: task for c, task in zip(comparisons, tasks, strict=True) if c.better}
    if len(sides) > 1:
        raise InputRefusedError(
            f"hypothesis {name!r}: a lower {comparisons[0].metric} is better on {sides['lower']}, and on {sides['higher']} a higher one is, so one direction "
            "cannot be claimed of both."
        )
    units = {c.units: task for c, task in zip(comparisons, tasks, strict=True)}
    if comparisons[0].bound and comparisons[0].scale == "linear" and len(units) > 1:
        (_, one), (_, other), *_ = units.items()
        raise InputRefusedError(
            f"hypothesis {name!r}: its margin is in units that are not the same on {one} and {other}. A margin that is a factor (scale='log') would be."
        )


def _noun(comparisons: Sequence[Comparison], trees: Sequence[xr.DataTree]) -> str:
    """What the metric is called on all tasks: its noun, or that it is the score of a split."""
    nouns = [described(tree, c.metric).noun or c.long_name for c, tree in zip(comparisons, trees, strict=True)]
    noun, *others = dict.fromkeys(nouns)
    if not others:
        return noun
    words = {"train_eval": "training", "valid": "validation", "test": "test"}
    split = next((split for split in SPLITS if comparisons[0].metric.startswith(f"{split}_")), "valid")
    return f"{words[split]} score"


def _start(name: str) -> str:
    return name[:1].upper() + name[1:] if name.startswith("results ") else f"The results in {name}"
