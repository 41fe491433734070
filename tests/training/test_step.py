"""One update: nothing in it waits for the device, and what it adds up is what the plain loop adds up (test_train_twin)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tiny_tasks import TinyCarried, TinyExamples, TinyStream, make_run
from torch.utils._python_dispatch import TorchDispatchMode

from zoneout_lab.regularizers import NoRegularizer, RecurrentDropout, Zoneout, from_json
from zoneout_lab.training.model import SequenceModel
from zoneout_lab.training.step import Step, in_batches

#: operations that a host must wait for, or whose result's size lies in the data
WAITS = {"_local_scalar_dense", "nonzero", "unique", "_unique2", "masked_select", "equal", "item"}


class NoWaiting(TorchDispatchMode):
    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function.overloadpacket.__name__
        assert name not in WAITS, f"{name} reads from the device"
        return function(*args, **(kwargs or {}))


def step(task: Any, **options: Any) -> tuple[Step, list[np.ndarray]]:
    arms = [Zoneout(0.5, 0.1), RecurrentDropout(0.3), NoRegularizer()]
    runs = [make_run(seed, arm, **options) for seed, arm in enumerate(arms)]
    data = task.load()
    model = SequenceModel(
        runs[0].setting.model, task.input_size, task.output_size,
        regularizers=[from_json(run.regularizer) for run in runs], seeds=[run.seeds for run in runs],
    )  # fmt: skip
    made = Step(model, runs[0].setting.training, data.train)
    return made, in_batches(data.train, [np.random.default_rng(k) for k in range(3)], runs[0].setting.training.batch)


# Adam and torch's RMSProp keep their state on the device where that is a GPU, which torch answers for
@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop_floored"])
@pytest.mark.parametrize("task", [TinyExamples(), TinyStream(), TinyCarried()], ids=["examples", "stream", "carried"])
@pytest.mark.parametrize(
    "how", [{"clip": 0.01}, {"clip": None, "loss": "sum_over_time"}, {"clip": 0.01, "clip_what": "step"}]
)
def test_nothing_waits_for_the_device(task: Any, how: dict[str, Any], optimizer: str):
    options = {"embedding": 3, "batch": 4} if isinstance(task, TinyCarried) else {}
    update, batches = step(task, optimizer=optimizer, **how, **options)
    update(batches[0], 0)
    with NoWaiting():
        update.compute(torch.as_tensor(batches[1]))


def test_a_step_that_reads_a_number_is_found():
    with pytest.raises(AssertionError, match="reads from the device"), NoWaiting():
        float(torch.ones(()))


def test_sums_begin_anew():
    update, batches = step(TinyExamples(), optimizer="sgd", clip=None)
    update(batches[0], 0)
    first = update.losses.clone()
    update(batches[1], 1)
    assert (update.losses > first).all()
    update.begin()
    assert not update.losses.any()
    assert not update.norms.any()


def test_a_new_rate_forgets_what_was_captured_and_the_same_rate_does_not():
    update, batches = step(TinyExamples(), optimizer="sgd", lr=0.1, clip=None)
    update._graphs[3, 8] = (None, torch.zeros(1))  # type: ignore[assignment]
    update.begin(0.1)
    assert update._graphs
    update.begin(0.0)
    assert not update._graphs
    before = [p.detach().clone() for p in update.model.parameters()]
    update(batches[0], 0)
    assert all(torch.equal(p, q) for p, q in zip(update.model.parameters(), before, strict=True))
