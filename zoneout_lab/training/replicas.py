"""Runs in training: replicas of one model, from one update to the next, with everything that the next depends on."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from zoneout_lab.engines import Outcome, Progress
from zoneout_lab.measures import from_json as measure_from_json
from zoneout_lab.metrics import as_score
from zoneout_lab.regularizers import from_json, trained_for
from zoneout_lab.settings import Run
from zoneout_lab.tasks import Task
from zoneout_lab.tasks.base import Data, Examples
from zoneout_lab.training.evaluate import evaluate, evaluate_selected
from zoneout_lab.training.measured import measure_runs
from zoneout_lab.training.model import SequenceModel
from zoneout_lab.training.optimizer import rate_at
from zoneout_lab.training.step import Step, in_batches


class Replicas:
    """R runs of one shape in training. Between two updates, its attributes are all that the rest of the training depends on.

    Args:
        runs: of equal :attr:`Run.shape`.
        task, data: the task of the runs and its loaded data.
        device: where to train.

    Attributes:
        model, step: the stacked model; its optimizer, sums since the epoch began and carried states.
        orders: each replica's generator of the order of its data.
        drawn: the generators' states before the epoch in progress was drawn.
        selected: of each parameter and buffer, the values of the selected checkpoint.
        best: best validation scores [R].
        update: updates done.
        epoch: epochs that are over, measured and recorded in the outcomes.
        position: updates done of the epoch in progress.
        outcomes: one for each run.
    """

    def __init__(self, runs: Sequence[Run], task: Task, data: Data, device: torch.device | str) -> None:
        self.runs = list(runs)
        self._score = as_score(task.score)
        self.training = training = self.runs[0].setting.training
        self._samples = training.samples if training.evaluation == "monte_carlo" else 1
        self.data = data.to(device)
        # any generator will do: every epoch has as many updates
        self._updates = training.epochs * len(self.data.train.epoch(np.random.default_rng(0), training.batch))
        self.model = SequenceModel(
            self.runs[0].setting.model,
            task.input_size,
            task.output_size,
            regularizers=[trained_for(from_json(run.regularizer), self._updates) for run in self.runs],
            seeds=[run.seeds for run in self.runs],
            evaluation=training.evaluation,
        ).to(device)
        self.step = Step(self.model, training, self.data.train)
        self.orders = [np.random.default_rng(run.seeds.data) for run in self.runs]
        self.drawn = self._order_states()
        self.selected = [tensor.detach().clone() for tensor in self.state()]
        self.best = np.full(len(self.runs), self._score.worst)
        self.update = self.epoch = self.position = 0
        self.outcomes = [Outcome(run) for run in self.runs]
        self._measures = [measure_from_json(measure) for measure in self.runs[0].measures]
        self._since = time.perf_counter()

    def state(self) -> list[Tensor]:
        """Parameters, and buffers: of a normalised cell, its population's statistics."""
        return [*self.model.parameters(), *self.model.buffers()]

    @property
    def in_training(self) -> bool:
        """True until the last epoch is over, or no run is left that goes on."""
        return self.epoch < self.training.epochs and any(map(self._goes_on, self.outcomes))

    @property
    def progress(self) -> Progress:
        """To be read within an epoch."""
        epochs = self.training.epochs
        return Progress(self.update, self._updates, self.epoch + 1, epochs, float(np.median(self.best)))

    def begin_epoch(self) -> list[npt.NDArray[np.int64]]:
        """The updates that are left of the epoch, as indices [R, B] each: all of them, unless it was begun before a checkpoint."""
        if self.update == 0 and 0 in self.runs[0].gradient_epochs:
            measure_runs(self._measures, self.model, self.data.valid, self.outcomes, 0, [True] * len(self.runs))
        self.model.train()
        self.drawn = self._order_states()
        if self.position == 0:
            self.step.begin(rate_at(self.training, self.epoch + 1))
        return in_batches(self.data.train, self.orders, self.training.batch)[self.position :]

    def train(self, index: npt.NDArray[np.int64]) -> None:
        """One update."""
        self.step(index, self.update)
        self.update += 1
        self.position += 1

    def end_epoch(self) -> None:
        """Evaluate, measure and select. Broken off in the middle, it can be done again with the same results."""
        training, score, epoch = self.training, self._score, self.epoch + 1
        values = {
            "train_loss": _numpy(self.step.losses / self.position),
            "gradient_norm": _numpy(self.step.norms / self.position),
        }
        data, samples = self.data, self._samples
        values |= _named("valid", evaluate(self.model, data.valid, score, samples=samples))
        values |= _named("train_eval", evaluate(self.model, data.train, score, first=_examples(data), samples=samples))
        active = list(map(self._goes_on, self.outcomes))
        if epoch in self.runs[0].gradient_epochs:
            measure_runs(self._measures, self.model, data.valid, self.outcomes, epoch, active)
        after = [self._after(outcome, r, values) if active[r] else outcome for r, outcome in enumerate(self.outcomes)]
        last = [
            was and (epoch == training.epochs or not self._goes_on(outcome))
            for was, outcome in zip(active, after, strict=True)
        ]
        if -1 in self.runs[0].gradient_epochs and any(last):
            measure_runs(self._measures, self.model, data.valid, after, epoch, last)
        # nothing from here on can be stopped in the middle
        for r, outcome in enumerate(after):
            if active[r] and outcome.improved_epoch == epoch:
                self.best[r] = values[f"valid_{score.name}"][r]
            if active[r] and outcome.best_epoch == epoch:
                for kept, tensor in zip(self.selected, self.state(), strict=True):
                    kept[r] = tensor.detach()[r]
        self.outcomes = after
        self.epoch, self.position, self.drawn = epoch, 0, self._order_states()

    def finish(self) -> list[Outcome]:
        """Evaluate the selected checkpoints. Broken off in the middle, it can be done again."""
        with torch.no_grad():
            for kept, tensor in zip(self.selected, self.state(), strict=True):
                tensor.copy_(kept)
        at_best = evaluate_selected(self.model, self.data, self._score, samples=self._samples)
        self.count_seconds()
        for r, outcome in enumerate(self.outcomes):
            found = outcome.best_epoch is not None
            outcome.at_best = {name: float(value[r]) if found else float("nan") for name, value in at_best.items()}
        return self.outcomes

    def count_seconds(self) -> None:
        """Share the time since this was last called among the runs."""
        now = time.perf_counter()
        for outcome in self.outcomes:
            outcome.seconds += (now - self._since) / len(self.runs)
        self._since = now

    def _after(self, outcome: Outcome, r: int, values: Mapping[str, npt.NDArray[np.float64]]) -> Outcome:
        """A run's outcome with one epoch more."""
        epoch, score = self.epoch + 1, self._score
        by_epoch = {name: [*outcome.by_epoch.get(name, ()), float(value[r])] for name, value in values.items()}
        if not all(np.isfinite(value[r]) for value in values.values()):
            return replace(outcome, by_epoch=by_epoch, status="diverged")
        improves = score.improves(values[f"valid_{score.name}"][r], self.best[r])
        return replace(
            outcome,
            by_epoch=by_epoch,
            improved_epoch=epoch if improves else outcome.improved_epoch,
            best_epoch=epoch if improves or self.training.select == "last" else outcome.best_epoch,
        )

    def _goes_on(self, outcome: Outcome) -> bool:
        """True for a run that has not diverged, and is not out of patience."""
        patience = self.training.patience
        epochs = len(outcome.by_epoch.get("train_loss", ()))
        waited = (
            patience is not None and outcome.improved_epoch is not None and epochs - outcome.improved_epoch >= patience
        )
        return outcome.status == "finished" and not waited

    def _order_states(self) -> list[Mapping[str, Any]]:
        return [order.bit_generator.state for order in self.orders]


def _examples(data: Data) -> int:
    """As many training examples as there are for validation: for streams, chunks."""
    return len(data.valid) if isinstance(data.valid, Examples) else len(data.valid) // data.valid.length


def _named(split: str, values: Mapping[str, npt.NDArray[np.float64]]) -> dict[str, npt.NDArray[np.float64]]:
    return {f"{split}_{name}": value for name, value in values.items()}


def _numpy(values: Tensor) -> npt.NDArray[np.float64]:
    return values.double().cpu().numpy()
