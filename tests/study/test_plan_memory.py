"""The plan's memory is that of a real training step, within what an estimate may be off."""

from __future__ import annotations

import subprocess
import sys

import pytest

MEASURE = """
import resource, sys
from zoneout_lab import Arm, Study, Zoneout
from zoneout_lab.study.plan import bytes_per_replica
from zoneout_lab.tasks import make_task
from zoneout_lab.tasks.base import Data, Examples
from zoneout_lab.training.workers import train_batches

cell, seeds = sys.argv[1], 4
rates = {"hidden": 0.3} | ({"cell": 0.3} if cell == "lstm" else {})
change = {"model.cell": cell, "model.hidden": 64, "training.epochs": 1, "training.batch": 256}
study = Study(name="m", title="", question="", arms=[Arm(name="z", regularizer=Zoneout(**rates))], baseline="z",
              seeds=seeds, change=change)
task = make_task("digits")
data = task.load()
few = lambda split, n: Examples(split.inputs[:n], split.targets[:n])
data = Data.of(few(data.train, 512), few(data.valid, 16), few(data.test, 16))
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def train(study):
    ((_, outcomes),) = train_batches([study.runs()], task, data, device="cpu", workers=1, report=lambda *_: None)
    assert not isinstance(outcomes, Exception), outcomes

train(study.model_copy(update={"change": change | {"model.hidden": 1, "training.batch": 4}}))  # what libraries take once
before = peak()
train(study)
print(peak() - before, seeds * bytes_per_replica(study.runs()[0], data.train.steps))
"""


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_estimate_against_peak(cell):
    done = subprocess.run([sys.executable, "-c", MEASURE, cell], capture_output=True, text=True, check=True, timeout=120)
    measured, estimate = map(int, done.stdout.split())
    assert measured / 3 < estimate < 3 * measured, f"measured {measured / 2**20:.0f} MiB, estimated {estimate / 2**20:.0f} MiB"
