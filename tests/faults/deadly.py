"""Tasks that end the process they train in."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from tiny_tasks import TinyExamples

from zoneout_lab import Score
from zoneout_lab.training import TaskTrainer


def count(guess: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Errors; in a worker process, the first calls kill it: as many as the file named by $DEADLY has lines."""
    left = Path(os.environ["DEADLY"])
    if multiprocessing.parent_process() is not None and (lines := left.read_text().splitlines()):
        left.write_text("\n".join(lines[1:]))
        os.kill(os.getpid(), getattr(signal, lines[0]))
    return (guess.argmax(-1) != targets).double().sum(-1)


def value(_loss, tallied):
    return tallied


@dataclass(frozen=True)
class Deadly(TinyExamples):
    """It kills the process when its score is first evaluated, which is after an epoch."""

    score: ClassVar[Score] = Score("mistakes", "mistakes", value=value, tally=count)


@dataclass(frozen=True)
class DeadlyTrainer(TaskTrainer):
    """It sends the task as it is: no study names it, so that no process could make it again."""

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)
