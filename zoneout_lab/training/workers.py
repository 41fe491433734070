"""Batches of runs in this process, or on several processes of this machine."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from functools import partial

from zoneout_lab.tasks import Task
from zoneout_lab.tasks.base import Data
from zoneout_lab.training.checkpoint import Checkpoints
from zoneout_lab.training.engine import Batches, Engine, Report, Result, Work
from zoneout_lab.training.loop import train
from zoneout_lab.training.prepared import prepared_process
from zoneout_lab.training.processes import in_processes


def train_batches(
    batches: Batches,
    task: Task,
    data: Data,
    *,
    device: str,
    workers: int,
    report: Report,
    checkpoints: Checkpoints | None = None,
    warn: Callable[[str], None] = warnings.warn,
    engine: Engine | None = None,
) -> Iterator[tuple[int, Result]]:
    """Train batches and yield each one's number with its outcomes, or the error that ended it, as it ends.

    Args:
        batches: of runs of one shape each.
        workers: processes; with one, everything happens in this process, which is as it was once all is trained. More than one are for
            the CPU.
        task, data, device, checkpoints, report, warn: as for :class:`~zoneout_lab.training.engine.Work`.
        engine: what trains instead of this machine, such as :class:`~zoneout_lab.training.cluster.OnCluster`.
    """
    work = Work(task, data, device, checkpoints, report, warn)
    if engine is not None:
        yield from engine(batches, work)
    elif workers <= 1 or len(batches) <= 1:
        yield from in_this_process(batches, work)
    else:
        yield from in_processes(batches, work, min(workers, len(batches)))


def in_this_process(batches: Batches, work: Work) -> Iterator[tuple[int, Result]]:
    """The engine that trains one batch after the other, here."""
    with prepared_process(work.device):
        for number, batch in enumerate(batches):
            try:
                outcomes: Result = train(
                    batch,
                    work.task,
                    work.data,
                    device=work.device,
                    report=partial(work.report, number),
                    checkpoints=work.checkpoints,
                    warn=work.warn,
                )
            except Exception as error:  # noqa: BLE001 - as with several workers, an error ends its batch and no other
                outcomes = error
            yield number, outcomes


def default_workers(device: str) -> int:
    """Processes that may run at once: the cores this process may use, and one on a GPU."""
    if device != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
