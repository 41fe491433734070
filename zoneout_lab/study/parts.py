"""Whether a study's parts are there and fit together, found out before anything is written or trained."""

from __future__ import annotations

import torch

from zoneout_lab.errors import InputRefusedError, LabError
from zoneout_lab.ops.cells import CELLS, Cell, as_cell
from zoneout_lab.parts import Code, check_part, parts_of
from zoneout_lab.regularizers import REGULARIZERS, Regularizer, from_json, to_json
from zoneout_lab.settings import Run
from zoneout_lab.study.declared import Arm
from zoneout_lab.study.spec import Study
from zoneout_lab.tasks import TASKS, Task
from zoneout_lab.tasks.base import Data
from zoneout_lab.training.model import SequenceModel

_STEPS = 2  # timesteps that a model is tried on


def check_parts(study: Study, task: Task, data: Data) -> None:
    """Raise where a run of the study could not begin.

    Args:
        study: all arms of which are looked at, at one seed.
        task, data: of the study.

    Raises:
        InputRefusedError: an impossible model, one that cannot read the task, or a part of one's own that cannot be made again from what
            is written down of it.
    """
    check_part(task, TASKS, Task)  # type: ignore[type-abstract]
    tried = set()
    for arm in study.arms:
        _check_written(arm, study.cell(arm))
        run = study.run(arm, 0)
        kind = (run.shape, str(to_json(arm.regularizer)))
        if kind not in tried:
            tried.add(kind)
            _try(run, task, data)


def _check_written(arm: Arm, cell: Cell) -> None:
    """Runs are trained, by other processes too, from what is written down of them: it has to come to the same parts."""
    try:
        check_part(arm.regularizer, REGULARIZERS, Regularizer)
        check_part(cell, CELLS, Cell)  # type: ignore[type-abstract]
    except LabError as error:
        raise type(error)(f"arm {arm.name!r}: {error}") from error


def _try(run: Run, task: Task, data: Data) -> None:
    """One pass over a few timesteps. What else may fail, such as memory, is left to training, which tells of it."""
    batch = next(iter(data.train.in_order(run.setting.training.batch)), None)
    if batch is None:
        return
    regularizer, cell = from_json(run.regularizer), as_cell(run.setting.model.cell)
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
    except LabError as error:
        raise type(error)(f"arm {run.arm!r}: {error}") from error
    except Exception as error:
        own = [part for part in (cell, *parts_of(regularizer)) if Code.of([type(part)]).files]
        if own and not isinstance(error, MemoryError | torch.OutOfMemoryError):
            raise InputRefusedError(
                f"arm {run.arm!r}: a model with {' and '.join(map(str, own))} cannot be run: {type(error).__name__}: {error}."
            ) from error
        # otherwise it is the machine's, not the study's
