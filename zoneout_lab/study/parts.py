"""Whether a study's parts are there and fit together, found out before anything is written or trained."""

from __future__ import annotations

import torch

from zoneout_lab.errors import LabError, UsageError
from zoneout_lab.regularizers import REGULARIZERS, Regularizer, from_json, to_json
from zoneout_lab.settings import Run
from zoneout_lab.study.spec import Arm, Study
from zoneout_lab.tasks import Task
from zoneout_lab.tasks.base import Data
from zoneout_lab.training.model import SequenceModel

_STEPS = 2  # timesteps that a model is tried on


def check_parts(study: Study, task: Task, data: Data) -> None:
    """Raise where a run of the study could not begin.

    Args:
        study: all arms of which are looked at, at one seed.
        task, data: of the study.

    Raises:
        UsageError: a regularizer that is on no list. Runs are trained, by other processes too, from what is written down of them.
        InputRefusedError: an impossible model, or one that cannot read the task.
    """
    tried = set()
    for arm in study.arms:
        _check_written(arm)
        run = study.run(arm, 0)
        kind = (run.shape, str(to_json(arm.regularizer)))
        if kind not in tried:
            tried.add(kind)
            _try(run, task, data)


def _check_written(arm: Arm) -> None:
    """What is read back of a regularizer has to be the regularizer: a class of one's own would be trained as another, or not at all."""
    for part in _parts(arm.regularizer):
        if REGULARIZERS.get(part.kind) is not type(part):
            raise UsageError(
                f"arm {arm.name!r}: there is no regularizer {type(part).__name__} on the list in zoneout_lab/regularizers/__init__.py, from "
                f"which runs are trained. Put its class there under a kind of its own, or use one of {', '.join(sorted(REGULARIZERS))}."
            )
    from_json(to_json(arm.regularizer))


def _parts(regularizer: Regularizer) -> tuple[Regularizer, ...]:
    return tuple(dict.fromkeys((regularizer, *regularizer.parts)))


def _try(run: Run, task: Task, data: Data) -> None:
    """One pass over a few timesteps. What else may fail, such as memory, is left to training, which tells of it."""
    batch = next(iter(data.train.in_order(run.setting.training.batch)), None)
    if batch is None:
        return
    try:
        model = SequenceModel(
            run.setting.model,
            task.input_size,
            task.output_size,
            regularizers=[from_json(run.regularizer).for_training(1)],
            seeds=[run.seeds],
            evaluation=run.setting.training.evaluation,
        )
        with torch.no_grad():
            model(batch[0][None, :_STEPS])
    except LabError as error:
        raise type(error)(f"arm {run.arm!r}: {error}") from error
    except Exception:  # noqa: BLE001, S110 - the machine's, not the study's
        pass
