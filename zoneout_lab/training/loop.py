"""Training, top to bottom: runs that agree in shape, together in one model, each as if it were alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import torch

from zoneout_lab import interrupts
from zoneout_lab.engines import Checkpoints, Outcome, Progress
from zoneout_lab.settings import Run
from zoneout_lab.tasks import Task
from zoneout_lab.tasks.base import Data
from zoneout_lab.training.checkpoint import keeper
from zoneout_lab.training.replicas import Replicas
from zoneout_lab.training.step import on_device


def train(
    runs: Sequence[Run],
    task: Task,
    data: Data,
    *,
    device: torch.device | str = "cpu",
    report: Callable[[Progress], None] = lambda _: None,
    checkpoints: Checkpoints | None = None,
    warn: Callable[[str], None] = warnings.warn,
) -> list[Outcome]:
    """Train runs of one shape as replicas of one model; their outcomes are those of training each alone.

    Args:
        runs: of equal :attr:`Run.shape` that one path computes (:func:`~zoneout_lab.study.batching.path_of`).
        task, data: the task of the runs and its loaded data.
        device: where to train.
        report: called after every update.
        checkpoints: where training is saved as it goes, and goes on from; None: it is not saved.
        warn: told of checkpoints that cannot be written or used.

    A run whose loss is no longer finite ends as ``diverged`` at that epoch; the others go on.

    Raises :class:`~zoneout_lab.interrupts.Stopped` where a signal asked to stop, once the last update is saved.
    """
    if len({run.shape for run in runs}) != 1:
        raise ValueError("train() takes runs of one shape")
    with on_device(device):
        replicas = Replicas(runs, task, data, device)
        kept = keeper(checkpoints, replicas, warn) if checkpoints is not None else None
        try:
            while replicas.in_training:
                for index in replicas.begin_epoch():
                    replicas.train(index)
                    report(replicas.progress)
                    if kept is not None:
                        kept.save_if_due()
                    interrupts.check()
                replicas.end_epoch()
            return replicas.finish()
        except interrupts.Stopped:
            if kept is not None:
                kept.save()
            raise
