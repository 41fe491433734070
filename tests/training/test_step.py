"""One update: nothing in it waits for the device, and what it adds up is what the plain loop adds up (test_train_twin)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tiny_tasks import TinyExamples, TinyStream, make_run
from torch.utils._python_dispatch import TorchDispatchMode

from zoneout_lab.regularizers import NoRegularizer, RecurrentDropout, Zoneout, from_json
from zoneout_lab.tasks.base import Stream
from zoneout_lab.training.model import SequenceModel
from zoneout_lab.training.optimiser import make_optimiser
from zoneout_lab.training.step import Step, in_batches

#: operations that a host must wait for, or whose result's size lies in the data
WAITS = {"_local_scalar_dense", "nonzero", "unique", "_unique2", "masked_select", "equal", "item"}


class NoWaiting(TorchDispatchMode):
    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function.overloadpacket.__name__
        assert name not in WAITS, f"{name} reads from the device"
        return function(*args, **(kwargs or {}))


def step(task: Any, optimizer: str, clip: float | None) -> tuple[Step, list[np.ndarray]]:
    arms = [Zoneout(0.5, 0.1), RecurrentDropout(0.3), NoRegularizer()]
    runs = [make_run(seed, arm, optimizer=optimizer, clip=clip) for seed, arm in enumerate(arms)]
    data = task.load()
    model = SequenceModel(
        runs[0].setting.model, task.input_size, task.output_size, every_step=isinstance(data.train, Stream),
        regularizers=[from_json(run.regularizer) for run in runs], seeds=[run.seeds for run in runs],
    )  # fmt: skip
    made = Step(model, make_optimiser(model.parameters(), runs[0].setting.training), clip, data.train)
    return made, in_batches(data.train, [np.random.default_rng(k) for k in range(3)], 8)


@pytest.mark.parametrize("task", [TinyExamples(), TinyStream()], ids=["examples", "stream"])
@pytest.mark.parametrize("clip", [0.01, None])
def test_nothing_waits_for_the_device(task: Any, clip: float | None):
    # Adam and RMSProp keep their state on the device where that is a GPU, which torch answers for
    update, batches = step(task, "sgd", clip)
    with NoWaiting():
        update.compute(torch.as_tensor(batches[0]))


def test_a_step_that_reads_a_number_is_found():
    with pytest.raises(AssertionError, match="reads from the device"), NoWaiting():
        float(torch.ones(()))


def test_sums_begin_anew():
    update, batches = step(TinyExamples(), "sgd", None)
    update(batches[0], 0)
    first = update.losses.clone()
    update(batches[1], 1)
    assert (update.losses > first).all()
    update.begin()
    assert not update.losses.any()
    assert not update.norms.any()
