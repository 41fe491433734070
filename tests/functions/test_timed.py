"""A plan times the first epochs of a run, or says why it cannot; and nothing that a function started outlives its process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zoneout_lab import load_study
from zoneout_lab.errors import FunctionFailedError
from zoneout_lab.functions import timed as module
from zoneout_lab.functions.timed import timed
from zoneout_lab.study.estimate import Cost
from zoneout_lab.study.means import means_of

SOURCE = """
import subprocess, sys, time
from zoneout_lab import Arm, Metric, Study

def train(run):
    getattr(sys.modules[__name__], run.params["do"])(run)
    return {"value": 1.0}

def logs(run):
    time.sleep(0.2)
    for epoch in range(9):
        run.log(epoch, loss=1.0)
        time.sleep(0.1)

def quick(run): pass

def raises(run): raise ValueError("purple")

def hangs(run): time.sleep(100)

def starts(run):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    (run.folder / "pid").write_text(str(child.pid))
    child.wait()

STUDY = Study(name="timed", train=train, params={"do": DO, "epochs": EPOCHS}, metrics={"value": Metric("value", "")},
              arms=[Arm(name="a"), Arm(name="b", params={"epochs": 4})], baseline="a", seeds=2)
"""


def study(folder, do, epochs=9):
    path = folder / "timed.py"
    path.write_text(SOURCE.replace("DO", repr(do)).replace("EPOCHS", repr(epochs)))
    return load_study(path)


def taken(declared):
    with declared.code.in_use():
        return timed(declared.runs(1)[0], device="cpu")


def cost(declared, workers=2):
    with declared.code.in_use():
        return means_of(declared).cost([[run] for run in declared.runs()], device="cpu", workers=workers)


def test_epochs_are_timed_apart_from_what_comes_before(tmp_path):
    found = taken(study(tmp_path, "logs"))
    assert found.first >= 0.2
    assert 0.1 <= found.epoch < 1.5


def test_a_function_that_logs_nothing_is_timed_whole(tmp_path):
    assert taken(study(tmp_path, "quick")).epoch is None
    assert isinstance(cost(study(tmp_path, "quick", None)), Cost)


def test_the_cost_of_all_runs(tmp_path):
    found = cost(study(tmp_path, "logs"))
    assert found.memory is None
    assert found.seconds >= 2 * (0.2 + 8 * 0.1)  # two rounds of two


@pytest.mark.parametrize(
    ("do", "epochs", "why"),
    [("raises", 9, "not known: the first run failed (ValueError: purple)"), ("logs", None, "no parameter called epochs says how many")],
)  # fmt: skip
def test_what_cannot_be_known_is_said(tmp_path, do, epochs, why):
    assert why in cost(study(tmp_path, do, epochs))


def test_a_function_that_hangs_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LIMIT", 4.0)
    with pytest.raises(TimeoutError):
        taken(study(tmp_path, "hangs"))


def test_a_failure_is_told(tmp_path):
    with pytest.raises(FunctionFailedError, match="ValueError: purple"):
        taken(study(tmp_path, "raises"))


def test_plan_says_it(tmp_path):
    study(tmp_path, "logs")
    done = subprocess.run(
        [sys.executable, "-m", "zoneout_lab", "plan", "timed.py", "--force", "--json", "--set", "epochs=2"],
        cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    facts = json.loads(done.stdout)
    assert facts["train"] == "./timed.py:train"
    assert (facts["runs"], facts["missing"], facts["batches"]) == (4, 4, [1] * 4)
    assert facts["seconds"] > 0
    assert not list(tmp_path.glob("runs*"))


@pytest.mark.parametrize("number", [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGKILL])
def test_what_a_function_starts_ends_with_the_command(tmp_path, number):
    """Seen to fail without the process group."""
    study(tmp_path, "starts")
    driver = subprocess.Popen(
        [sys.executable, "-m", "zoneout_lab", "run", "timed.py", "--force", "--no-tracking", "--workers", "1"],
        cwd=tmp_path, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    found: list[str] = []
    until = time.monotonic() + 60
    while not found and time.monotonic() < until:
        found = [text for path in tmp_path.glob("runs/*/files/*/pid") if (text := path.read_text())]
        time.sleep(0.05)
    driver.send_signal(number)
    driver.wait(timeout=30)
    until = time.monotonic() + 15
    while _runs(int(found[0])) and time.monotonic() < until:
        time.sleep(0.1)
    assert not _runs(int(found[0]))


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
