"""Training functions for tests, each in a file as a user would write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoneout_lab import Study, load_study

#: plain Python: a study of ten lines, whose accuracy depends on its parameter and its seeds
PLAIN = """
import random
from zoneout_lab import Arm, Hypothesis, Metric, Study

def train(run):
    rng = random.Random(run.seeds.init)
    value = 90 + rng.random() - 5 * run.params["dropout"]
    start = run.restored["epoch"] + 1 if run.restored else 0
    for epoch in range(start, run.params["epochs"]):
        run.log(epoch, train_loss=1 / (epoch + 1), valid_accuracy=value - 1 / (epoch + 1))
        run.save({"epoch": epoch})
    noise = random.Random(run.seeds.noise).random()
    return {"test_accuracy": value + noise}

STUDY = Study(
    name="my_ablation", train=train, params={"lr": 1e-3, "epochs": 3, "dropout": 0.2},
    metrics={"test_accuracy": Metric("test accuracy", unit="%", better="higher")},
    arms=(Arm(name="full"), Arm(name="no_dropout", params={"dropout": 0.0})), baseline="full", seeds=SEEDS,
    hypotheses=(
        Hypothesis(
            name="worse", statement="With dropout it is worse.", arm="full", against="no_dropout",
            metric="test_accuracy", direction="lower",
        ),
    ),
)
"""

#: a function that does as its parameter says
MANY = """
import os, signal, subprocess, sys, time
import xarray as xr
from zoneout_lab import Arm, Metric, Study

def train(run):
    if run.seed == 1:
        DO[run.arm](run)
    print("said", run.arm)
    return RETURNS.get(run.arm if run.seed == 1 else "", {"value": float(run.seed)})

def raises(run):
    raise ValueError("purple\\nrain")

def exits(run):
    sys.exit(3)

def dies(run):
    os.kill(os.getpid(), signal.SIGKILL)

def logs_nonsense(run):
    run.log(0, loss="high")

DO = dict(raises=raises, exits=exits, dies=dies, logs_nonsense=logs_nonsense)
DO |= {name: lambda run: None for name in ("returns_nothing", "nan", "surplus", "missing", "fine")}
RETURNS = dict(returns_nothing=None, nan={"value": float("nan")}, surplus={"value": 1, "more": 2}, missing={})

STUDY = Study(
    name="many", train=train, metrics={"value": Metric("value", "")},
    arms=[Arm(name=name) for name in ("fine", "raises", "exits", "dies", "logs_nonsense", "returns_nothing", "nan", "surplus", "missing")],
    baseline="fine", seeds=2,
)
"""


#: what is recorded differs between its arms in lengths and in dimensions, and is in units of time
UNLIKE = """
import numpy as np
import xarray as xr
from zoneout_lab import Arm, Hypothesis, Metric, Study

def train(run):
    wide = run.arm == "wide"
    rng = np.random.default_rng(run.seeds.init)
    run.record(xr.Dataset({
        "state": (("tap", "unit") if wide else ("tap",), np.ones((2, 3) if wide else 2)),
        "delay": ("step", np.arange(2.0 + run.seed), {"units": "hours since 1970-01-01", "scale_factor": 0.5}),
    }), "mine")
    return {"days": float(rng.random()) + wide}

STUDY = Study(
    name="unlike", train=train, metrics={"days": Metric("time to fail", unit="days", better="higher")},
    arms=(Arm(name="narrow"), Arm(name="wide")), baseline="narrow", seeds=2,
)
"""


def written(folder: Path, source: str, name: str = "mine", **replaced: Any) -> Path:
    """A study file with such a source, words in capitals replaced."""
    for word, value in replaced.items():
        source = source.replace(word, repr(value))
    path = folder / f"{name}.py"
    path.write_text(source)
    return path


def loaded(folder: Path, source: str = PLAIN, name: str = "mine", **replaced: Any) -> Study:
    """The study of such a file."""
    return load_study(written(folder, source, name, **({"SEEDS": 6} | replaced)))
