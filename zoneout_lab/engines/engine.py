"""What trains batches of runs: an engine takes batches and what they have in common, and gives each one's outcomes as it ends."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from zoneout_lab.engines.kept import Checkpoints, Saved
from zoneout_lab.engines.outcome import Outcome, Progress
from zoneout_lab.frozen import AnyRun

Batches = Sequence[Sequence[AnyRun]]
Report = Callable[[int, Progress], None]
Result = list[Outcome] | Exception


class Trainer(Protocol):
    """What trains a batch of runs. Processes and machines are sent a copy of it by pickling.

    ``apart`` says that it is to train in a process of its own, which can be ended whatever it does. ``digest`` tells it from others: a machine
    that has it is not sent it again.
    """

    @property
    def apart(self) -> bool: ...

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that a process of ours is started with."""

    @property
    def digest(self) -> str: ...

    def prepare(self, device: str) -> None:
        """Make a process of ours ready to train."""

    def prepared(self, device: str) -> AbstractContextManager[None]:
        """Somebody else's process made ready, and afterwards as it was."""

    def train(
        self,
        runs: Sequence[AnyRun],
        *,
        device: str,
        report: Callable[[Progress], None],
        checkpoints: Checkpoints | None,
        warn: Callable[[str], None],
    ) -> list[Outcome]:
        """Train one batch; its runs' outcomes. Raises :class:`~zoneout_lab.interrupts.Stopped` where a signal asked to stop."""

    def worn_out(self) -> bool:
        """True where what was trained has left this process such that it is to be ended, and the next batch trained in a new one."""

    def usable(self, checkpoints: Checkpoints, device: str) -> list[Saved]:
        """What is saved of runs and can be gone on from here, those that are furthest first."""

    def computed_by(self, device: str) -> Mapping[str, str]:
        """What has to be the same on another machine for numbers to be the same."""

    def about(self, run: AnyRun, device: str) -> Mapping[str, Any]:
        """What a run records of what computed it."""


@dataclass(frozen=True)
class Work:
    """What the batches of a study have in common.

    Args:
        trainer: of all runs.
        device: where to train.
        checkpoints: where batches are saved and go on from, on a file system that all processes of the engine see; None: nowhere.
        report: called with a batch's number and its progress, now and then.
        warn: told of what costs no run.
    """

    trainer: Trainer
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
