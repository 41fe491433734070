"""What a study would do: its runs, in which batches they train, whether it can answer, what it will cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from zoneout_lab import schema, stats
from zoneout_lab.errors import InputRefusedError, UsageError, unknown
from zoneout_lab.ops.cells import as_cell
from zoneout_lab.ops.engine import is_fast, path
from zoneout_lab.regularizers import from_json
from zoneout_lab.results import DERIVED
from zoneout_lab.results.numbers import p_value
from zoneout_lab.settings import Run
from zoneout_lab.study.provenance import memory_available
from zoneout_lab.study.spec import Study
from zoneout_lab.tasks import Task, make_task, task_class
from zoneout_lab.tasks.base import Data, Examples
from zoneout_lab.training.model import SequenceModel
from zoneout_lab.training.step import reads
from zoneout_lab.training.sums import loss_by_replica
from zoneout_lab.training.workers import settled_process

_SHARE_OF_MEMORY = 0.4
_REPLICAS_ON_CPU = 16  # more gain nothing there: a timestep's numbers no longer fit the cache


@dataclass(frozen=True)
class Cost:
    """An estimate for a list of batches: wall time in seconds, peak memory of the largest in bytes."""

    seconds: float
    memory: int


def check_design(study: Study) -> str | None:
    """Why the study cannot reach a verdict at its α, or None where it can.

    The smallest p-value of an exact two-sided sign-flip test on n seeds is 2/2ⁿ; under Holm the first of m hypotheses needs α/m.
    """
    m = len(study.hypotheses)
    if m == 0:
        return None
    needed = stats.seeds_needed(study.alpha, m)
    if study.seeds >= needed:
        return None
    least, level = stats.smallest_p(study.seeds), study.alpha / m
    return (
        f"This design cannot reach a verdict: with {study.seeds} paired seeds the smallest p-value is {p_value(least, [level])}, and "
        f"{f'{m} hypotheses under Holm need' if m > 1 else 'one hypothesis needs'} {p_value(level, [least])} (α = {study.alpha}). It takes {needed} seeds: --seeds {needed}. To go on anyway: --force."
    )


def check_metrics(study: Study) -> None:
    """Raise where a hypothesis asks for a metric that the study's runs will not have.

    UsageError for a metric they cannot have, InputRefusedError for a measurement planned after the last epoch.
    """
    known = set(metrics_of(study))
    last = _last_epochs(study)
    shortest = min(study.arms, key=lambda arm: last[arm.name])
    epochs, latest = last[shortest.name], max(study.gradient_epochs, default=0)
    if latest > epochs:
        whose = f" of arm {shortest.name!r}" if "training.epochs" in shortest.change else ""
        raise InputRefusedError(
            f"Gradient flow is to be measured after epoch {latest}, and training{whose} ends after {epochs}. Train longer "
            f"({'its change of training.epochs' if whose else f'--set training.epochs={latest}'}), or change the study's "
            "gradient_epochs: −1 is after each run's last epoch."
        )
    for hypothesis in study.hypotheses:
        if hypothesis.metric in known:
            continue
        if hypothesis.metric in DERIVED and any(study.gradient_epochs):
            raise UsageError(
                f"hypothesis {hypothesis.name!r} needs {hypothesis.metric}, and not every arm has a memory cell: "
                "only an LSTM does. Ask for the hidden state's."
            )
        if hypothesis.metric in DERIVED:
            raise UsageError(
                f"hypothesis {hypothesis.name!r} needs {hypothesis.metric}, which is measured with gradient flow, and the study "
                "measures none after training began: give it gradient_epochs=(-1,), for each run's last epoch."
            )
        names = known | {f"{split}_score" for split in schema.SPLITS}
        raise UsageError(f"hypothesis {hypothesis.name!r}: {unknown('metric', hypothesis.metric, names)}")


def shortened(study: Study, declared: Study) -> tuple[Study, str]:
    """A study whose options left it fewer epochs than it measures gradient flow at: measured after the last one instead, and in words.

    A study that is faulty as declared stays as it is, for :func:`check_metrics` to refuse.

    Args:
        study: with the options' changes.
        declared: without.

    >>> from zoneout_lab import load_study
    >>> declared = load_study("quickstart")
    >>> study, words = shortened(declared.model_copy(update={"change": {"training.epochs": 5}}), declared)
    >>> study.gradient_epochs, words
    ((1, -1), 'gradient flow measured after the last epoch instead of after epoch 12')
    """
    epochs = min(_last_epochs(study).values())
    late = [epoch for epoch in study.gradient_epochs if epoch > epochs]
    if not late or max(late) > min(_last_epochs(declared).values()):
        return study, ""
    same = len(set(_last_epochs(study).values())) == 1
    # where all arms end together, their last epoch is measured once
    kept = [e for e in study.gradient_epochs if 0 <= e < epochs or (e == epochs and not same)]
    after = ", ".join(str(epoch) for epoch in late)
    words = f"gradient flow measured after the last epoch instead of after epoch {after}"
    return study.model_copy(update={"gradient_epochs": (*kept, -1)}), words


def _last_epochs(study: Study) -> dict[str, int]:
    return {arm.name: study.setting(arm).training.epochs for arm in study.arms}


def metrics_of(study: Study) -> list[str]:
    """Metrics that every run of the study will have."""
    score = task_class(study.task).score
    names = [f"{split}_{value}" for split in schema.SPLITS for value in ("loss", score)]
    names += ["train_loss", "gradient_norm", "best_epoch", "epochs_run"]
    names += {
        "bpc": ["train_eval_bpc_full", "valid_bpc_full", "test_bpc_full"],
        "ppl": ["train_eval_ppl_full", "valid_ppl_full", "test_ppl_streams"],
    }.get(score, [])
    if any(study.gradient_epochs):
        cells = all("cell" in as_cell(study.setting(arm).model.cell).states for arm in study.arms)
        names += [name for name, derived in DERIVED.items() if cells or derived.state != "cell"]
    return names


def batches(
    runs: Sequence[Run], steps: int, *, workers: int = 1, memory: int | None = None, device: str = "cpu"
) -> list[list[Run]]:
    """Runs grouped by shape and by the cell that computes them, each group split evenly over the workers so that all of them fit the memory.

    Args:
        runs: what is to be trained; their order is kept.
        steps: timesteps of a training sequence.
        workers: batches that train at once.
        memory: bytes that may be used in all; by default a share of what is free, and small batches, which suit a CPU.
        device: where they will train.
    """
    most_on_cpu = _REPLICAS_ON_CPU if memory is None else len(runs)
    memory = memory or int(memory_available() * _SHARE_OF_MEMORY)
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.shape, structure_of(run)), []).append(run)
    out = []
    for group in groups.values():
        most = max(1, min(most_on_cpu, memory // workers // bytes_per_replica(group[0], steps, device)))
        rounds = -(-len(group) // (most * workers))
        size = -(-len(group) // (rounds * workers))
        out += [group[k : k + size] for k in range(0, len(group), size)]
    return out


def structure_of(run: Run) -> str:
    """What runs of one shape also have to agree in to train as replicas: whether a fast path may compute them."""
    masks = from_json(run.regularizer).for_training(1).masks(cell := as_cell(run.setting.model.cell))
    return "fast" if is_fast(cell, masks) else "reference"


def bytes_per_replica(run: Run, steps: int, device: str = "cpu") -> int:
    """Peak memory of one replica's training step, or of its gradient measurement where that takes more, in bytes."""
    model, examples = run.setting.model, run.setting.training.batch
    if run.gradient_epochs:
        examples = max(examples, run.gradient_examples)
    cell = as_cell(model.cell)
    fast, slow = cell.held
    held = fast if structure_of(run) == "fast" and path(cell, device.partition(":")[0]) != "reference" else slow
    if device.startswith("cuda"):
        examples += run.setting.training.batch  # a captured update keeps its memory beside what runs outside it
    gates, states = cell.gates, model.layers * steps * examples * model.hidden
    task = make_task(run.task, run.setting.options)
    reads, width = (steps if task.score in ("bpc", "ppl") else 1), model.embedding or task.input_size
    # inputs as the layers take them; logits, their logarithms and two gradients
    ends = examples * (steps * width + 4 * reads * task.output_size)
    inside = gates * model.hidden * (max(width, model.hidden) + (2 * model.layers - 1) * model.hidden)
    outside = model.hidden * task.output_size + task.input_size * model.embedding
    # each weight, its gradient, two moments, the selected ones, and copies that products are made from
    return 4 * (held * states + ends + 8 * (inside + outside))


def cost(work: Sequence[Sequence[Run]], task: Task, data: Data, *, device: str = "cpu", workers: int = 1) -> Cost:
    """Time and memory of batches, from a few timesteps of each shape timed on this machine."""
    steps, memory = data.train.steps, 0
    timed: dict[tuple[str, str, int], float] = {}
    with settled_process():
        for batch in work:
            run, key = batch[0], _key(batch)
            if key not in timed:
                updates, evaluated = _amount(run, data)
                forward, step = _time_per_timestep(batch, task, data, device)
                timed[key] = steps * (updates * step + evaluated * forward)
            memory = max(memory, len(batch) * bytes_per_replica(run, steps, device))
    seconds = sum(timed[_key(batch)] for batch in work)
    at_once = max(1, min(workers, len(work)))
    return Cost(seconds / at_once, memory * at_once)


def _key(batch: Sequence[Run]) -> tuple[str, str, int]:
    return batch[0].shape, structure_of(batch[0]), len(batch)


def _amount(run: Run, data: Data) -> tuple[float, float]:
    """Updates, and forward passes of one training batch's size for evaluation, in all of a run."""
    training = run.setting.training
    valid, test = (len(s) if isinstance(s, Examples) else len(s) // s.length for s in (data.valid, data.test))
    updates = len(data.train.epoch(np.random.default_rng(0), training.batch)) * training.epochs
    passes = training.epochs * 2 * valid / training.batch
    passes += test / training.batch
    # one sequence at batch 1 is as slow for each timestep as a batch, and of training there is as much as of validation
    if not isinstance(data.test, Examples):
        passes += 2 * valid + test
    return updates, passes * (training.samples if training.evaluation == "monte_carlo" else 1)


def _time_per_timestep(batch: Sequence[Run], task: Task, data: Data, device: str) -> tuple[float, float]:
    """Seconds of one timestep, forward alone and the whole update, for all replicas of a batch."""
    run, T = batch[0], min(16, data.train.steps)
    model = SequenceModel(
        run.setting.model,
        task.input_size,
        task.output_size,
        regularizers=[from_json(each.regularizer).for_training(1) for each in batch],
        seeds=[each.seeds for each in batch],
    ).to(device)
    inputs, targets = next(iter(data.train.in_order(run.setting.training.batch)))
    x, targets = inputs[None, :T].to(device), (targets[None, -T:] if targets.dim() == 2 else targets[None]).to(device)
    forward, whole = [], []
    for _ in range(3):
        started = time.perf_counter()
        loss = loss_by_replica(model(x, reads=reads(targets)), targets).sum()
        loss.item()
        middle = time.perf_counter()
        torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)  # a cell need not use all it has
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        forward.append(middle - started)
        whole.append(time.perf_counter() - started)
    return min(forward) / T, min(whole) / T


def refuse_unless_forced(study: Study, *, force: bool) -> str | None:
    """Raise InputRefusedError where the design cannot reach its α; with ``force`` return the problem instead."""
    problem = check_design(study)
    if problem and not force:
        raise InputRefusedError(problem)
    return problem
