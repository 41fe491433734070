"""Checks that a study's parts exist and fit together, made before anything is written or trained."""

from __future__ import annotations

import torch

from zoneout_lab.errors import InputRefusedError, LabError
from zoneout_lab.measures import MEASURES, Measure, try_measure
from zoneout_lab.metrics import SCORES, as_score, names_over
from zoneout_lab.ops.cells import CELLS, Cell, as_cell
from zoneout_lab.parts import check_kinds, check_part, parts_of
from zoneout_lab.regularizers import REGULARIZERS, Regularizer, from_json, to_json
from zoneout_lab.settings import Run
from zoneout_lab.study.declared import Arm
from zoneout_lab.study.spec import Study
from zoneout_lab.tasks import TASKS, Task
from zoneout_lab.tasks.base import Data, kind_of
from zoneout_lab.training.evaluate import evaluate
from zoneout_lab.training.measured import first_batch
from zoneout_lab.training.model import SequenceModel

_STEPS = 2  # timesteps that a model is tried on
_EXAMPLES = 2  # examples that a measure is tried on


def check_parts(study: Study, task: Task, data: Data) -> list[str]:
    """Raise where a run of the study could not begin; return warnings.

    Args:
        study: each arm is checked, at one seed.
        task, data: of the study.

    Raises:
        InputRefusedError: an impossible model, one that cannot read the task, or a user's part that cannot be made again from its
            JSON.
    """
    check_kinds(cls for arm in study.arms for cls in study.classes(arm))
    check_part(task, TASKS, Task)  # type: ignore[type-abstract]
    _check_score(study, task, data)
    for measure in study.measures:
        check_part(measure, MEASURES, Measure)  # type: ignore[type-abstract]
    tried, measured, warnings = set(), set(), list[str]()
    for arm in study.arms:
        run = study.run(arm, 0)
        _check_written(arm, study.cell(arm))
        kind = (run.shape, str(to_json(arm.regularizer)))
        if kind not in tried:
            tried.add(kind)
            model = _try(run, task, data)
            if model is not None:
                _try_score(task, model, data)
            # once for each model: a regularizer changes no measure's dimensions
            if model is not None and run.gradient_epochs and run.shape not in measured:
                measured.add(run.shape)
                warnings += _try_measures(study, run, model, data)
    return list(dict.fromkeys(warnings))


def _check_score(study: Study, task: Task, data: Data) -> None:
    """The metrics that hypotheses name have to exist for data of the task's kind."""
    score = as_score(task.score)
    made = names_over(score, kind_of(data.test))
    for hypothesis in study.hypotheses:
        if hypothesis.metric in score.names and hypothesis.metric not in made:
            raise InputRefusedError(
                f"hypothesis {hypothesis.name!r} needs {hypothesis.metric}, which exists for {score.over}, but this task's data are "
                f"{kind_of(data.test)}. Ask for one of {', '.join(made)}."
            )


def _try_score(task: Task, model: SequenceModel, data: Data) -> None:
    """A score of the task's own, on a few examples; those that come built in are known to work."""
    score = as_score(task.score)
    if score is SCORES.get(score.name):
        return
    try:
        evaluate(model, data.valid, score, first=_EXAMPLES)
    except LabError:
        raise
    except Exception as error:
        raise InputRefusedError(
            f"The score {score.name!r} failed when it was tried: {type(error).__name__}: {error}"
        ) from error


def _try_measures(study: Study, run: Run, model: SequenceModel, data: Data) -> list[str]:
    """Every measure on two examples, whole sequences of them."""
    batch = first_batch(data.valid, _EXAMPLES)
    warnings: list[str] = []
    for measure in study.measures:
        try:
            warnings += try_measure(measure, model, batch)
        except LabError as error:
            raise type(error)(f"arm {run.arm!r}: {error}") from error
        except Exception:  # noqa: BLE001, S110 - the machine's, not the study's
            pass
    return warnings


def _check_written(arm: Arm, cell: Cell) -> None:
    """Runs are trained, by other processes too, from their JSON, which has to give the same parts."""
    try:
        check_part(arm.regularizer, REGULARIZERS, Regularizer)
        check_part(cell, CELLS, Cell)  # type: ignore[type-abstract]
    except LabError as error:
        raise type(error)(f"arm {arm.name!r}: {error}") from error


def _try(run: Run, task: Task, data: Data) -> SequenceModel | None:
    """One pass over a few timesteps. Other failures, such as too little memory, are left to training, which reports them."""
    batch = next(iter(data.train.in_order(run.setting.training.batch)), None)
    if batch is None:
        return None
    regularizer = from_json(run.regularizer)
    try:
        model = SequenceModel(
            run.setting.model,
            task.input_size,
            task.output_size,
            regularizers=[regularizer.for_training(1)],
            seeds=[run.seeds],
            evaluation=run.setting.training.evaluation,
        )
        with torch.no_grad():
            model(batch[0][None, :_STEPS])
        return model
    except LabError as error:
        raise type(error)(f"arm {run.arm!r}: {error}") from error
    except Exception as error:
        made = (*parts_of(as_cell(run.setting.model.cell)), *parts_of(regularizer))
        own = [part for part in made if type(part) not in (*CELLS.values(), *REGULARIZERS.values())]
        if own and not isinstance(error, MemoryError | torch.OutOfMemoryError):
            raise InputRefusedError(
                f"arm {run.arm!r}: the model with {own[0]} cannot be run: {type(error).__name__}: {error}."
            ) from error
        return None  # it is the machine's, not the study's
