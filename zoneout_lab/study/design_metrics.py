"""Checks that the metrics which hypotheses name are there, and measured before training ends."""

from __future__ import annotations

from zoneout_lab.errors import InputRefusedError, UsageError, unknown
from zoneout_lab.measures import USUAL, check_together
from zoneout_lab.metrics import SPLITS
from zoneout_lab.ops.cells import as_cell
from zoneout_lab.profiles import REDUCTIONS
from zoneout_lab.study.of_task import TaskStudy


def check_metrics(study: TaskStudy) -> None:
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


def metrics_of(study: TaskStudy) -> list[str]:
    """Metrics that every run of the study will have."""
    names = [*study.score.names, *(f"{split}_loss" for split in SPLITS)]
    names += ["train_loss", "gradient_norm", "best_epoch", "epochs_run"]
    if any(study.gradient_epochs):
        cells = all("cell" in as_cell(study.setting(arm).model.cell).states for arm in study.arms)
        measured = [name for measure in study.measures for name in measure.names()]
        names += [name for name in measured if cells or name not in REDUCTIONS or REDUCTIONS[name].state != "cell"]
    return names


def shortened(study: TaskStudy, declared: TaskStudy) -> tuple[TaskStudy, str]:
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


def _last_epochs(study: TaskStudy) -> dict[str, int]:
    return {arm.name: study.setting(arm).training.epochs for arm in study.arms}
