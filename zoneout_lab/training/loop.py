"""Training, top to bottom: runs that agree in shape, together in one model, each as if it were alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

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
from zoneout_lab.training.outcome import Outcome
from zoneout_lab.training.step import Step, in_batches, on_device


@dataclass(frozen=True)
class Progress:
    """Where a batch of runs stands: updates done of all, epoch of all, and the median best score of its runs."""

    done: int
    total: int
    epoch: int
    epochs: int
    score: float


def train(
    runs: Sequence[Run],
    task: Task,
    data: Data,
    *,
    device: torch.device | str = "cpu",
    report: Callable[[Progress], None] = lambda _: None,
) -> list[Outcome]:
    """Train runs of one shape as replicas of one model; their outcomes are those of training each alone.

    Args:
        runs: of equal :attr:`Run.shape` that one path computes (:func:`~zoneout_lab.study.batching.path_of`).
        task, data: the task of the runs and its loaded data.
        device: where to train.
        report: called after every update.

    A run whose loss is no longer finite ends as ``diverged`` at that epoch; the others go on.
    """
    if len({run.shape for run in runs}) != 1:
        raise ValueError("train() takes runs of one shape")
    with on_device(device):
        return _train(runs, task, data, device, report)


def _train(
    runs: Sequence[Run], task: Task, data: Data, device: torch.device | str, report: Callable[[Progress], None]
) -> list[Outcome]:
    started = time.perf_counter()
    setting, score = runs[0].setting, as_score(task.score)
    training = setting.training
    samples = training.samples if training.evaluation == "monte_carlo" else 1
    data = data.to(device)
    updates = training.epochs * len(data.train.epoch(np.random.default_rng(0), training.batch))
    model = SequenceModel(
        setting.model,
        task.input_size,
        task.output_size,
        regularizers=[trained_for(from_json(run.regularizer), updates) for run in runs],
        seeds=[run.seeds for run in runs],
        evaluation=training.evaluation,
    ).to(device)
    step = Step(model, training, data.train)
    orders = [np.random.default_rng(run.seeds.data) for run in runs]
    outcomes = [Outcome(run) for run in runs]
    state = [*model.parameters(), *model.buffers()]  # of a normalised cell: its population's statistics
    selected = [tensor.detach().clone() for tensor in state]
    best = np.full(len(runs), score.worst)
    update = 0

    measured_at = runs[0].gradient_epochs
    measures = [measure_from_json(measure) for measure in runs[0].measures]
    if 0 in measured_at:
        measure_runs(measures, model, data.valid, outcomes, 0, [True] * len(runs))
    for epoch in range(1, training.epochs + 1):
        model.train()
        step.begin(rate_at(training, epoch))
        batches = in_batches(data.train, orders, training.batch)
        for index in batches:
            step(index, update)
            update += 1
            report(Progress(update, updates, epoch, training.epochs, float(np.median(best))))

        values = {
            "train_loss": _numpy(step.losses / len(batches)),
            "gradient_norm": _numpy(step.norms / len(batches)),
        }
        values |= _named("valid", evaluate(model, data.valid, score, samples=samples))
        values |= _named("train_eval", evaluate(model, data.train, score, first=_examples(data), samples=samples))
        active = [outcome.active for outcome in outcomes]
        if epoch in measured_at:
            measure_runs(measures, model, data.valid, outcomes, epoch, active)
        for r, outcome in enumerate(outcomes):
            if not active[r]:
                continue
            for name, value in values.items():
                outcome.by_epoch.setdefault(name, []).append(float(value[r]))
            if not all(np.isfinite(value[r]) for value in values.values()):
                outcome.status = "diverged"
                continue
            if score.improves(values[f"valid_{score.name}"][r], best[r]):
                best[r], outcome.improved_epoch = values[f"valid_{score.name}"][r], epoch
            if training.select == "last" or outcome.improved_epoch == epoch:
                outcome.best_epoch = epoch
                for kept, tensor in zip(selected, state, strict=True):
                    kept[r] = tensor.detach()[r]
        last = [active[r] and (epoch == training.epochs or not outcome.active) for r, outcome in enumerate(outcomes)]
        if -1 in measured_at and any(last):
            measure_runs(measures, model, data.valid, outcomes, epoch, last)
        if not any(outcome.active for outcome in outcomes):
            break

    with torch.no_grad():
        for kept, tensor in zip(selected, state, strict=True):
            tensor.copy_(kept)
    at_best = evaluate_selected(model, data, score, samples=samples)
    for r, outcome in enumerate(outcomes):
        found = outcome.best_epoch is not None
        outcome.at_best = {name: float(value[r]) if found else float("nan") for name, value in at_best.items()}
        outcome.seconds = (time.perf_counter() - started) / len(runs)
    return outcomes


def _examples(data: Data) -> int:
    """As many training examples as there are for validation: for streams, chunks."""
    return len(data.valid) if isinstance(data.valid, Examples) else len(data.valid) // data.valid.length


def _named(split: str, values: Mapping[str, npt.NDArray[np.float64]]) -> dict[str, npt.NDArray[np.float64]]:
    return {f"{split}_{name}": value for name, value in values.items()}


def _numpy(values: Tensor) -> npt.NDArray[np.float64]:
    return values.double().cpu().numpy()
