"""What trains the runs of a built-in study: replicas, on the data of its task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from zoneout_lab.frozen import AnyRun
from zoneout_lab.ops.cells import as_cell
from zoneout_lab.report.text import count
from zoneout_lab.settings import Run
from zoneout_lab.study.batching import batches, bytes_per_replica, largest_batch, path_of
from zoneout_lab.study.cost import cost
from zoneout_lab.study.design_metrics import check_metrics
from zoneout_lab.study.estimate import Cost
from zoneout_lab.study.of_task import TaskStudy
from zoneout_lab.study.parts import check_parts
from zoneout_lab.tasks import Task, load_task, make_task, task_name
from zoneout_lab.tasks.base import Data
from zoneout_lab.training import TaskTrainer


@dataclass(frozen=True)
class TaskMeans:
    """A study of a task, the task and its data."""

    study: TaskStudy
    task: Task
    data: Data

    @property
    def trainer(self) -> TaskTrainer:
        return TaskTrainer(self.task, self.data)

    @property
    def digest(self) -> str:
        return self.data.digest

    @property
    def notes(self) -> Sequence[str]:
        return self.data.notes

    def check(self) -> list[str]:
        return check_parts(self.study, self.task, self.data)

    def batches(self, runs: Sequence[AnyRun], *, workers: int, memory: int | None, device: str) -> list[list[AnyRun]]:
        train = self.data.train
        ours = cast("Sequence[Run]", runs)
        made = batches(ours, train.steps, reads=train.reads or 1, workers=workers, memory=memory, device=device)
        return cast("list[list[AnyRun]]", made)

    def cost(self, work: Sequence[Sequence[AnyRun]], *, device: str, workers: int) -> Cost | str:
        return cost(cast("Sequence[Sequence[Run]]", work), self.task, self.data, device=device, workers=workers)

    def named(self) -> dict[str, Any]:
        return {"task": task_name(self.study.task), "preset": self.study.preset}

    def described(self) -> dict[str, str]:
        setting, data = self.study.setting(), self.data
        training = setting.training
        updates = len(data.train.epoch(np.random.default_rng(0), training.batch))
        sizes = f"{len(data.train):,} / {len(data.valid):,} / {len(data.test):,} train / validation / test"
        cells = (as_cell(self.study.setting(arm).model.cell) for arm in self.study.arms)
        return {
            "task": f"{self.task.title}, preset {self.study.preset}",
            "data": f"{sizes}, {data.train.steps} timesteps",
            "model": f"{', '.join(dict.fromkeys(cell.kind for cell in cells))}, {setting.model.layers} × {setting.model.hidden} units",
            "training": f"{training.optimizer}, lr {training.lr:g}, batch {training.batch}, {count(training.epochs, 'epoch')} of {count(updates, 'update')}",
        }

    def would_fit(self, run: AnyRun, free: int, device: str) -> str:
        ours, steps, reads = cast(Run, run), self.data.train.steps, self.data.train.reads or 1
        needed = bytes_per_replica(ours, steps, device, reads=reads)
        most = largest_batch(ours, steps, free // 2, device, reads=reads)
        advice = f"--set training.batch={most} would" if most else "A model of fewer hidden units or layers may"
        return (
            f"This run alone does not fit the memory: it takes about {needed / 2**30:.1f} GiB of "
            f"{free / 2**30:.1f} GiB that are free. {advice} fit."
        )

    def record(self, run: AnyRun) -> dict[str, Any]:
        slow = {} if path_of(cast(Run, run)) == "fast" else {"engine": "reference"}
        return {"score": self.study.score.to_json(), **slow}


def means(study: TaskStudy, data: Path | None) -> TaskMeans:
    """The means of a study, with its data loaded."""
    check_metrics(study)
    task = make_task(study.task, study.setting().options)
    return TaskMeans(study, task, load_task(task, data))
