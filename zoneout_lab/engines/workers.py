"""Batches of runs in this process, or on several processes of this machine."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from functools import partial

from zoneout_lab.engines.engine import Batches, Engine, Report, Result, Trainer, Work
from zoneout_lab.engines.kept import Checkpoints
from zoneout_lab.engines.processes import in_processes


def train_batches(
    batches: Batches,
    trainer: Trainer,
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
        workers: processes; with one, everything happens in this process, which is as it was once all is trained, unless the trainer is to be
            apart. More than one are for the CPU.
        trainer, device, checkpoints, report, warn: as for :class:`~zoneout_lab.engines.engine.Work`.
        engine: what trains instead of this machine, such as :class:`~zoneout_lab.engines.cluster.OnCluster`.
    """
    work = Work(trainer, device, checkpoints, report, warn)
    if engine is not None:
        yield from engine(batches, work)
    elif not trainer.apart and (workers <= 1 or len(batches) <= 1):
        yield from in_this_process(batches, work)
    else:
        yield from in_processes(batches, work, max(1, min(workers, len(batches))))


def in_this_process(batches: Batches, work: Work) -> Iterator[tuple[int, Result]]:
    """The engine that trains one batch after the other, here."""
    with work.trainer.prepared(work.device):
        for number, batch in enumerate(batches):
            try:
                outcomes: Result = work.trainer.train(
                    batch,
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
