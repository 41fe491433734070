"""Checks that a study can answer what it asks: enough seeds for a verdict, and the metrics its hypotheses name."""

from __future__ import annotations

import math

from zoneout_lab import stats
from zoneout_lab.errors import InputRefusedError, UsageError, unknown
from zoneout_lab.measures import USUAL, check_together
from zoneout_lab.metrics import SPLITS
from zoneout_lab.ops.cells import as_cell
from zoneout_lab.profiles import REDUCTIONS
from zoneout_lab.results.numbers import p_value
from zoneout_lab.study.spec import Study


def check_design(study: Study) -> str | None:
    """Why the study cannot reach a verdict at its α, or None where it can.

    The smallest p-value of an exact two-sided sign-flip test on n seeds is 2/2ⁿ. Flipped jointly, any number of hypotheses can reach it; under Holm
    the first of m needs α/m.
    """
    m = len(study.hypotheses)
    if m == 0:
        return None
    needed = seeds_needed(study)
    if study.seeds >= needed:
        return None
    divided = m > 1 and study.family == "holm"
    tasks = max(1, len(study.tasks))
    least, level = stats.smallest_p(study.seeds * tasks), study.alpha / (m if divided else 1)
    needs = f"{m} hypotheses under Holm need" if divided else "a verdict needs"
    on = f" on each of {tasks} tasks" if tasks > 1 else ""
    return (
        f"This design cannot reach a verdict: with {study.seeds} paired seeds{on} the smallest p-value is {p_value(least, [level])}, and "
        f"{needs} {p_value(level, [least])} (α = {study.alpha}). It takes {needed} seeds: --seeds {needed}."
    )


def seeds_needed(study: Study) -> int:
    """Fewest seeds with which the study's first hypothesis can be decided; on several tasks, over all of them, with so many seeds on each.

    A claim of absence is about every task, and takes as many seeds on each as one task would.

    >>> from zoneout_lab import load_study
    >>> study = load_study("pmnist_table2")
    >>> seeds_needed(study), seeds_needed(study.model_copy(update={"family": "holm"}))
    (6, 7)
    """
    pairs = stats.seeds_needed(study.alpha, len(study.hypotheses) if study.family == "holm" else 1)
    absent = any(stats.needs_margin(h.direction) for h in study.hypotheses)
    return pairs if absent else math.ceil(pairs / max(1, len(study.tasks)))


def refuse_unless_forced(study: Study, *, force: bool) -> str | None:
    """Raise InputRefusedError where the design cannot reach its α; with ``force`` return the problem instead."""
    problem = check_design(study)
    if problem and not force:
        raise InputRefusedError(f"{problem} To go on anyway: --force.")
    return problem


def check_metrics(study: Study) -> None:
    """Raise where a hypothesis asks for a metric that the study's runs will not have.

    UsageError for a metric they cannot have, InputRefusedError for a measurement planned after the last epoch.
    """
    if study.tasks:
        for each in study.each():
            check_metrics(each.resolved())
        return
    check_together(study.measures, study.score)
    known = set(metrics_of(study))
    last = _last_epochs(study)
    shortest = min(study.arms, key=lambda arm: last[arm.name])
    epochs, latest = last[shortest.name], max(study.gradient_epochs, default=0)
    if latest > epochs:
        whose = f" of arm {shortest.name!r}" if "training.epochs" in shortest.change else ""
        raise InputRefusedError(
            f"A measurement is planned after epoch {latest}, but training{whose} ends after {epochs}. Train longer "
            f"({'its change of training.epochs' if whose else f'--set training.epochs={latest}'}), or change the study's "
            "gradient_epochs: −1 is after each run's last epoch."
        )
    for hypothesis in study.hypotheses:
        if hypothesis.metric in known:
            continue
        of = next((measure for measure in (*study.measures, *USUAL) if hypothesis.metric in measure.names()), None)
        if of is not None and of not in study.measures:
            raise UsageError(
                f"hypothesis {hypothesis.name!r} needs {hypothesis.metric}, which {type(of).__name__}() measures: add it to the study's measures."
            )
        if of is not None and any(study.gradient_epochs):
            raise UsageError(
                f"hypothesis {hypothesis.name!r} needs {hypothesis.metric}, but not every arm has a memory cell. "
                "Ask for the hidden state's."
            )
        if of is not None:
            raise UsageError(
                f"hypothesis {hypothesis.name!r} needs {hypothesis.metric} of the measure {of.kind!r}, but this study measures nothing "
                "once training has begun: set its gradient_epochs, to (-1,) for each run's last epoch."
            )
        names = known | {f"{split}_score" for split in SPLITS}
        raise UsageError(f"hypothesis {hypothesis.name!r}: {unknown('metric', hypothesis.metric, names)}")


def metrics_of(study: Study) -> list[str]:
    """Metrics that every run of the study will have."""
    names = [*study.score.names, *(f"{split}_loss" for split in SPLITS)]
    names += ["train_loss", "gradient_norm", "best_epoch", "epochs_run"]
    if any(study.gradient_epochs):
        cells = all("cell" in as_cell(study.setting(arm).model.cell).states for arm in study.arms)
        measured = [name for measure in study.measures for name in measure.names()]
        names += [name for name in measured if cells or name not in REDUCTIONS or REDUCTIONS[name].state != "cell"]
    return names


def shortened(study: Study, declared: Study) -> tuple[Study, str]:
    """A study left with fewer epochs than it measures at, changed to measure after the last one, and the change in words.

    A study that is faulty as declared stays as it is, for :func:`check_metrics` to refuse.

    Args:
        study: with the options' changes.
        declared: without.

    >>> from zoneout_lab import load_study
    >>> declared = load_study("quickstart")
    >>> study, words = shortened(declared.model_copy(update={"change": {"training.epochs": 5}}), declared)
    >>> study.gradient_epochs, words
    ((1, -1), 'gradient flow measured after the last epoch instead of after epoch 12')
    """
    epochs = min(_last_epochs(study).values())
    late = [epoch for epoch in study.gradient_epochs if epoch > epochs]
    if not late or max(late) > min(_last_epochs(declared).values()):
        return study, ""
    same = len(set(_last_epochs(study).values())) == 1
    # where all arms end together, their last epoch is measured once
    kept = [e for e in study.gradient_epochs if 0 <= e < epochs or (e == epochs and not same)]
    after = ", ".join(str(epoch) for epoch in late)
    kinds = [measure.kind.replace("_", " ") for measure in study.measures]
    what = "gradient flow" if tuple(study.measures) == USUAL else " and ".join(kinds) or "nothing"
    words = f"{what} measured after the last epoch instead of after epoch {after}"
    return study.model_copy(update={"gradient_epochs": (*kept, -1)}), words


def _last_epochs(study: Study) -> dict[str, int]:
    return {arm.name: study.setting(arm).training.epochs for arm in study.arms}
