"""What trains the runs of a built-in study: its task and data, sent to whatever process trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, cast

import torch

from zoneout_lab.engines import Checkpoints, Outcome, Progress
from zoneout_lab.engines.kept import Saved
from zoneout_lab.frozen import AnyRun
from zoneout_lab.ops.cells import as_cell
from zoneout_lab.ops.engine import describe
from zoneout_lab.settings import Run
from zoneout_lab.tasks import Task, make_task, task_name
from zoneout_lab.tasks.base import Data
from zoneout_lab.training.checkpoint import computed_by, usable
from zoneout_lab.training.loop import train
from zoneout_lab.training.prepared import prepare_process, prepared_process


@dataclass(frozen=True)
class TaskTrainer:
    """Trains replicas on a task. A process that it is sent to makes a task of a user's own again, from the run."""

    task: Task | None
    data: Data
    apart: bool = False

    def __getstate__(self) -> dict[str, Any]:
        # a new process cannot import a user's class by its module's name
        own = self.task is not None and ":" in task_name(type(self.task))
        return dict((replace(self, task=None) if own else self).__dict__)

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)

    @property
    def environment(self) -> dict[str, str]:
        return {}

    @property
    def digest(self) -> str:
        return self.data.digest

    def prepare(self, device: str) -> None:
        prepare_process(device)

    def prepared(self, device: str) -> AbstractContextManager[None]:
        return prepared_process(device)

    def train(
        self,
        runs: Sequence[AnyRun],
        *,
        device: str,
        report: Callable[[Progress], None],
        checkpoints: Checkpoints | None,
        warn: Callable[[str], None],
    ) -> list[Outcome]:
        ours = cast("Sequence[Run]", runs)
        task = self.task or make_task(ours[0].task, ours[0].setting.options)
        return train(ours, task, self.data, device=device, report=report, checkpoints=checkpoints, warn=warn)

    def worn_out(self) -> bool:
        return False

    def usable(self, checkpoints: Checkpoints, device: str) -> list[Saved]:
        return usable(checkpoints, device)

    def computed_by(self, device: str) -> Mapping[str, str]:
        return computed_by(torch.device(device).type)

    def about(self, run: AnyRun, device: str) -> Mapping[str, Any]:
        return {"engine": describe(as_cell(cast(Run, run).setting.model.cell), torch.device(device).type)}
