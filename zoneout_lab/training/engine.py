"""What trains batches of runs: an engine takes batches and what they have in common, and gives each one's outcomes as it ends."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from zoneout_lab.settings import Run
from zoneout_lab.tasks import Task
from zoneout_lab.tasks.base import Data
from zoneout_lab.training.checkpoint import Checkpoints
from zoneout_lab.training.outcome import Outcome
from zoneout_lab.training.replicas import Progress

Batches = Sequence[Sequence[Run]]
Report = Callable[[int, Progress], None]
Result = list[Outcome] | Exception


@dataclass(frozen=True)
class Work:
    """What the batches of a study have in common.

    Args:
        task, data: of all runs.
        device: where to train.
        checkpoints: where batches are saved and go on from, on a file system that all processes of the engine see; None: nowhere.
        report: called with a batch's number and its progress, now and then.
        warn: told of what costs no run.
    """

    task: Task
    data: Data
    device: str = "cpu"
    checkpoints: Checkpoints | None = None
    report: Report = lambda _number, _progress: None
    warn: Callable[[str], None] = warnings.warn


class Engine(Protocol):
    """Trains batches of runs, each of one shape: yields the number of each with its outcomes, or the error that ended it, as it ends.

    A process or machine that is lost costs no run: its batch is trained again from its last checkpoint. Whoever closes the iterator
    early, or stops it with a signal (:mod:`zoneout_lab.interrupts`), leaves no process behind, and a checkpoint of each batch.
    """

    def __call__(self, batches: Batches, work: Work) -> Iterator[tuple[int, Result]]: ...
