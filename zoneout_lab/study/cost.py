"""What batches of runs will cost in time and memory, from a few timesteps of each shape timed on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch

from zoneout_lab.regularizers import from_json, trained_for
from zoneout_lab.settings import Run
from zoneout_lab.study.batching import bytes_per_replica, path_of
from zoneout_lab.study.estimate import Cost
from zoneout_lab.tasks import Task
from zoneout_lab.tasks.base import Data, Examples
from zoneout_lab.training.losses import loss_by_replica
from zoneout_lab.training.model import SequenceModel
from zoneout_lab.training.prepared import prepared_process
from zoneout_lab.training.step import reads


def cost(work: Sequence[Sequence[Run]], task: Task, data: Data, *, device: str = "cpu", workers: int = 1) -> Cost:
    """Time and memory of batches, from a few timesteps of each shape timed on this machine."""
    steps, memory = data.train.steps, 0
    timed: dict[tuple[str, str, int], float] = {}
    keys = [_key(batch) for batch in work]
    with prepared_process():
        for batch, key in zip(work, keys, strict=True):
            run = batch[0]
            if key not in timed:
                updates, evaluated = _amount(run, data)
                forward, step = _time_per_timestep(batch, task, data, device)
                timed[key] = steps * (updates * step + evaluated * forward)
                needed = len(batch) * bytes_per_replica(run, steps, device, reads=data.train.reads or 1)
                memory = max(memory, needed)
    seconds = sum(timed[key] for key in keys)
    at_once = max(1, min(workers, len(work)))
    return Cost(seconds / at_once, memory * at_once)


def _key(batch: Sequence[Run]) -> tuple[str, str, int]:
    return batch[0].shape, path_of(batch[0]), len(batch)


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
        regularizers=[trained_for(from_json(each.regularizer), 1) for each in batch],
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
        torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)  # a cell need not use all its parameters
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        forward.append(middle - started)
        whole.append(time.perf_counter() - started)
    return min(forward) / T, min(whole) / T
