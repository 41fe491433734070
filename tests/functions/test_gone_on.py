"""A run that goes on after an interruption took as long as both parts, and no function changes what its run is."""

from __future__ import annotations

import pytest

from zoneout_lab import Metric, interrupts, load_study
from zoneout_lab.engines import Checkpoints
from zoneout_lab.functions import FunctionTrainer
from zoneout_lab.functions.seeded import generators_kept

SOURCE = """
import signal, threading, time
from zoneout_lab import Arm, Metric, Study, interrupts

def train(run):
    run.params["list"].append(3)
    run.params["new"] = 1
    if not run.restored:
        time.sleep(0.3)
        interrupts.ask(signal.SIGTERM, threading.get_ident())
        run.save({"epoch": 1})
    return {"value": len(run.params["list"])}

STUDY = Study(name="s", train=train, params={"list": [1, 2]}, metrics={"value": Metric("v", "")}, arms=[Arm(name="a")], baseline="a", seeds=1)
"""


def test_seconds_of_both_parts_and_parameters_of_its_own(tmp_path):
    (tmp_path / "mine.py").write_text(SOURCE)
    study = load_study(tmp_path / "mine.py")
    (run,) = study.runs()
    before = run.id
    trainer = FunctionTrainer({"value": Metric("value", "")})
    outcomes = []
    with study.code.in_use(), generators_kept():
        for place in range(2):

            def train() -> None:
                outcomes.extend(
                    trainer.train(
                        [run], device="cpu", report=lambda _: None, checkpoints=Checkpoints(tmp_path / "c"), warn=print
                    )
                )

            if place == 0:
                with pytest.raises(interrupts.Stopped):
                    train()
                interrupts.take_back()
            else:
                try:
                    train()
                except interrupts.Stopped:  # or it would end the tests
                    pytest.fail("it started anew")
    (outcome,) = outcomes
    assert 0.3 <= outcome.seconds < 30
    assert outcome.at_best == {"value": 3.0}
    assert (run.id, run.params) == (before, {"list": [1, 2]})
