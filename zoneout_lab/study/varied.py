"""Do an arm's seeds differ? A study may hold a kind of randomness, and what is left may be nothing that its runs draw."""

from __future__ import annotations

import numpy as np

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.regularizers import trained_for
from zoneout_lab.study.declared import Arm
from zoneout_lab.study.of_task import TaskStudy, regularizer_of
from zoneout_lab.tasks.base import Data


def check_varied(study: TaskStudy, data: Data) -> None:
    """Raise InputRefusedError where all runs of an arm would be one and the same training.

    Initial weights always differ between seeds. Masks do where the regularizer draws any, or noise; the order of the data does where the
    task shuffles it, which carried streams do not.
    """
    for arm in study.arms:
        varied = study.varied(arm)
        if "init" in varied:
            continue
        drawn = {"init", *(["masks"] if _draws(arm) else []), *(["data"] if _shuffled(study, arm, data) else [])}
        if not drawn & set(varied):
            others = " or ".join(kind for kind in ("init", "data", "masks") if kind in drawn)
            raise InputRefusedError(
                f"arm {arm.name!r}: all its runs would be the same, because its seeds vary only {' and '.join(varied)}, and it draws no "
                f"{' and no '.join(_WHAT[kind] for kind in varied)}. Let it vary {others} too, or leave this arm out."
            )


_WHAT = {"data": "order of the data", "masks": "masks"}


def _draws(arm: Arm) -> bool:
    made = trained_for(regularizer_of(arm), 1)
    return bool(made.sites()) or made.weight_noise > 0


def _shuffled(study: TaskStudy, arm: Arm, data: Data) -> bool:
    batch = study.setting(arm).training.batch
    one, other = (np.concatenate(data.train.epoch(np.random.default_rng(seed), batch), axis=None) for seed in (0, 1))
    return not np.array_equal(one, other)
