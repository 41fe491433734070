"""Which runs train together as replicas of one model, and how many of them fit the memory."""

from __future__ import annotations

from collections.abc import Sequence

from zoneout_lab.ops.engine import is_fast
from zoneout_lab.ops.reference import CELLS
from zoneout_lab.regularizers import from_json, structure
from zoneout_lab.settings import Run
from zoneout_lab.study.provenance import memory_available
from zoneout_lab.tasks import make_task

# float32 numbers held for each unit, timestep, example and replica, read off peak memory: by a fast path, and by the reference
_HELD = {"lstm": (13, 45), "gru": (12, 38), "rnn_tanh": (6, 14), "rnn_relu": (6, 14)}
_SHARE_OF_MEMORY = 0.4
_REPLICAS_ON_CPU = 16  # more gain nothing there: a timestep's numbers no longer fit the cache


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
    """What runs of one shape also have to agree in to train as replicas: :func:`zoneout_lab.regularizers.structure`."""
    return structure(from_json(run.regularizer), run.setting.model.cell)


def bytes_per_replica(run: Run, steps: int, device: str = "cpu") -> int:
    """Peak memory of one replica's training step, or of its gradient measurement where that takes more, in bytes."""
    model, examples = run.setting.model, run.setting.training.batch
    if run.gradient_epochs:
        examples = max(examples, run.gradient_examples)
    fast, slow = _HELD[model.cell]
    held = fast if structure_of(run) == "fast" and is_fast(model.cell, device.partition(":")[0]) else slow
    if device.startswith("cuda"):
        examples += run.setting.training.batch  # a captured update keeps its memory beside what runs outside it
    gates, states = CELLS[model.cell][0], model.layers * steps * examples * model.hidden
    task = make_task(run.task, run.setting.options)
    reads, width = (steps if task.score in ("bpc", "ppl") else 1), model.embedding or task.input_size
    # inputs as the layers take them; logits, their logarithms and two gradients
    ends = examples * (steps * width + 4 * reads * task.output_size)
    inside = gates * model.hidden * (max(width, model.hidden) + (2 * model.layers - 1) * model.hidden)
    outside = model.hidden * task.output_size + task.input_size * model.embedding
    # each weight, its gradient, two moments, the selected ones, and copies that products are made from
    return 4 * (held * states + ends + 8 * (inside + outside))
