"""Which runs train together as replicas of one model, and how many of them fit the memory."""

from __future__ import annotations

import json
from collections.abc import Sequence

from zoneout_lab.memory import memory_for_batches
from zoneout_lab.ops.cells import as_cell
from zoneout_lab.ops.engine import is_fast, path
from zoneout_lab.regularizers import from_json, trained_for
from zoneout_lab.settings import Run
from zoneout_lab.tasks import make_task

_REPLICAS_ON_CPU = 16  # more gain nothing there: a timestep's numbers no longer fit the cache


def batches(
    runs: Sequence[Run],
    steps: int,
    *,
    reads: int = 1,
    workers: int = 1,
    memory: int | None = None,
    device: str = "cpu",
) -> list[list[Run]]:
    """Runs grouped by shape and by the cell that computes them, each group split evenly over the workers so that all of them fit the memory.

    Args:
        runs: what is to be trained; their order is kept.
        steps: timesteps of a training sequence.
        reads: how many of them have a prediction.
        workers: batches that train at once.
        memory: bytes that may be used in all; by default :func:`~zoneout_lab.memory.memory_for_batches`.
        device: where they will train. On a CPU, batches are small.
    """
    most_on_cpu = len(runs) if device.startswith("cuda") else _REPLICAS_ON_CPU
    memory = memory or memory_for_batches()
    groups: dict[tuple[str, str], list[Run]] = {}
    paths: dict[str, str] = {}  # of a few arms, and there may be many runs
    for run in runs:
        made_of = json.dumps([run.setting.model.cell, run.regularizer])
        if made_of not in paths:
            paths[made_of] = path_of(run)
        groups.setdefault((run.shape, paths[made_of]), []).append(run)
    out = []
    for group in groups.values():
        most = max(1, min(most_on_cpu, memory // workers // bytes_per_replica(group[0], steps, device, reads=reads)))
        rounds = -(-len(group) // (most * workers))
        size = -(-len(group) // (rounds * workers))
        out += [group[k : k + size] for k in range(0, len(group), size)]
    return out


def path_of(run: Run) -> str:
    """What else runs of one shape must share to train as replicas: ``fast`` or ``reference``, the path that can compute them."""
    cell = as_cell(run.setting.model.cell)
    masks = trained_for(from_json(run.regularizer), 1).masks(cell)
    return "fast" if is_fast(cell, masks) else "reference"


def bytes_per_replica(run: Run, steps: int, device: str = "cpu", *, reads: int = 1) -> int:
    """Peak memory of one replica's training step, or of its gradient measurement where that takes more, in bytes."""
    model, examples = run.setting.model, run.setting.training.batch
    if run.gradient_epochs:
        examples = max(examples, run.gradient_examples)
    cell = as_cell(model.cell)
    fast, slow = cell.held
    held = fast if path_of(run) == "fast" and path(cell, device.partition(":")[0]) != "reference" else slow
    if device.startswith("cuda"):
        examples += run.setting.training.batch  # a captured update keeps its memory beside what runs outside it
    gates, states = cell.gates, model.layers * steps * examples * model.hidden
    task = make_task(run.task, run.setting.options)
    width = model.embedding or task.input_size
    # inputs as the layers take them; logits, their logarithms and two gradients
    ends = examples * (steps * width + 4 * reads * task.output_size)
    inside = gates * model.hidden * (max(width, model.hidden) + (2 * model.layers - 1) * model.hidden)
    outside = model.hidden * task.output_size + task.input_size * model.embedding
    # each weight, its gradient, two moments, the selected ones, and copies that products are made from
    return 4 * (held * states + ends + 8 * (inside + outside))


def largest_batch(run: Run, steps: int, memory: int, device: str = "cpu", *, reads: int = 1) -> int:
    """The largest half, quarter, … of a run's batch with which one replica fits so many bytes; 0 where none does."""
    batch = run.setting.training.batch // 2
    while batch:
        training = run.setting.training.model_copy(update={"batch": batch})
        smaller = run.model_copy(update={"setting": run.setting.model_copy(update={"training": training})})
        if bytes_per_replica(smaller, steps, device, reads=reads) <= memory:
            return batch
        batch //= 2
    return 0
