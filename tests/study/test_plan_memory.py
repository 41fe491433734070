"""The plan's memory is that of a real training step, within what an estimate may be off."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

MEASURE = r"""
import json, re
from zoneout_lab import Arm, Study, Zoneout
from zoneout_lab.study.batching import bytes_per_replica
from zoneout_lab.tasks import make_task
from zoneout_lab.tasks.base import Data, Examples
from zoneout_lab.engines.workers import train_batches
from zoneout_lab.training import TaskTrainer

task, seeds = make_task("digits"), 4
few = lambda split, n: Examples(split.inputs[:n], split.targets[:n])
data = task.load()
data = Data.of(few(data.train, 512), few(data.valid, 128), few(data.test, 16))

def train(cell, batch, hidden, gradient_epochs):
    rates = {"hidden": 0.3} | ({"cell": 0.3} if cell == "lstm" else {})
    change = {"model.cell": cell, "model.hidden": hidden, "training.epochs": 1, "training.batch": batch}
    study = Study(name="m", title="", question="", arms=[Arm(name="z", regularizer=Zoneout(**rates))], baseline="z",
                  seeds=seeds, change=change, gradient_epochs=gradient_epochs)
    ((_, outcomes),) = train_batches([study.runs()], TaskTrainer(task, data), device="cpu", workers=1, report=lambda *_: None)
    assert not isinstance(outcomes, Exception), outcomes
    return seeds * bytes_per_replica(study.runs()[0], data.train.steps)

# getrusage would give the peak of the process that started this one, where that is larger
peak = lambda: int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) * 1024
train("lstm", 4, 1, (1,))  # what libraries take once
before = peak()
# the peak never falls: from the smallest to the largest
for case in (("lstm", 32, 64, (1,)), ("lstm", 256, 64, ()), ("gru", 256, 64, ())):
    estimate = train(*case)
    print(json.dumps([case, peak() - before, estimate]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads a process's peak memory from /proc")
def test_estimate_against_peak():
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True, timeout=120)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == 3
    for case, measured, estimate in lines:
        assert measured / 1.5 < estimate < 2 * measured, (case, measured, estimate)
