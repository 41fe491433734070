"""A run that was asked to stop is no result, whatever its function makes of it; and what cannot be saved is told of at once."""

from __future__ import annotations

import random
import sys

import numpy as np
import pytest
import torch

from zoneout_lab import Metric, interrupts, load_study
from zoneout_lab.engines import Checkpoints
from zoneout_lab.errors import FunctionFailedError
from zoneout_lab.functions import FunctionTrainer
from zoneout_lab.functions.seeded import generators_kept, seed_generators

SOURCE = """
import sys
from zoneout_lab import Arm, Metric, Study, interrupts
import signal, threading

def train(run):
    value = 0
    try:
        for epoch in range(10):
            if epoch == 3 and run.params["stop"]:
                interrupts.ask(signal.SIGTERM, threading.get_ident())
            value += 1
            run.log(epoch, value=value)
            if run.params["save"]:
                run.save({"seen": {1, 2}} if run.params["odd"] else {"value": value})
    except KeyboardInterrupt:
        if run.params["exits"]:
            sys.exit(1)
        if run.params["exits"] is None:
            raise ValueError("broken off")
    return {"value": value}

STUDY = Study(name="s", train=train, params={"stop": True, "save": False, "odd": False, "exits": False}, metrics={"value": Metric("v", "")},
              arms=[Arm(name="a"), Arm(name="on", params={"stop": False}), Arm(name="exits", params={"exits": True}),
                    Arm(name="raises", params={"exits": None}), Arm(name="saves", params={"save": True}),
                    Arm(name="odd", params={"save": True, "odd": True, "stop": False})], baseline="a", seeds=1)
"""


@pytest.fixture
def runs(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    study = load_study(path)
    with study.code.in_use():
        yield {run.arm: run for run in study.runs()}
    interrupts.take_back()


def trained(run, folder):
    trainer = FunctionTrainer({"value": Metric("value", "")})
    with generators_kept():
        (outcome,) = trainer.train(
            [run], device="cpu", report=lambda _: None, checkpoints=Checkpoints(folder / "c"), warn=print
        )
    return outcome


@pytest.mark.parametrize("arm", ["a", "exits", "raises", "saves"])
def test_what_a_function_makes_of_being_stopped_is_no_result(runs, tmp_path, arm):
    with pytest.raises(interrupts.Stopped):
        trained(runs[arm], tmp_path)


def test_one_that_was_not_stopped_is_one(runs, tmp_path):
    assert trained(runs["on"], tmp_path).at_best == {"value": 10.0}


def test_a_state_that_cannot_be_saved_is_told_of_at_the_first_call(runs, tmp_path):
    with pytest.raises(FunctionFailedError, match=r"\['seen'\] is {1, 2}, a set, and cannot be saved"):
        trained(runs["odd"], tmp_path)


def test_generators_of_somebody_elses_process_are_put_back():
    random.seed(3)
    torch.manual_seed(3)
    np.random.seed(3)
    expected = random.random(), torch.rand(()).item(), np.random.rand()
    random.seed(3)
    torch.manual_seed(3)
    np.random.seed(3)
    finders = list(sys.meta_path)
    with generators_kept():
        seed_generators(9)
        random.random()
    assert (random.random(), torch.rand(()).item(), np.random.rand()) == expected
    assert sys.meta_path == finders
