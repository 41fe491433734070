"""Start here: what is measured inside the network, and what it says about the question.

Look at it:  zoneout-lab plan ./start_here.py
Run it:      zoneout-lab run ./start_here.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import xarray as xr

from zoneout_lab import Arm, GradientFlow, Hypothesis, Measure, Metric, Study, Zoneout
from zoneout_lab.measures import Batch, Subject


@dataclass(frozen=True)
class StartHere(Measure):
    """How far hidden states move in a timestep, in one line: `zoneout-lab parts ./start_here.py` shows it.

    The fields are its options: numbers, strings, booleans, tuples of these. They are part of every run's identity.
    """

    # its name in result files, and the heading of its section in the report
    kind: ClassVar[str] = "start_here"
    title: ClassVar[str] = "Start here"
    # dimensions of what is measured (figures are drawn over the last one), and each quantity with its unit
    dims: ClassVar[tuple[str, ...]] = ("time",)
    quantities: ClassVar[Mapping[str, Metric]] = {
        "start_here_step": Metric("mean length of a step of the hidden state", "")
    }
    # one number for each run, which hypotheses may name; it is also measured without noise: "..._without_noise"
    scalars: ClassVar[Mapping[str, Metric]] = {"start_here_mean": Metric("mean length of the hidden state's steps", "")}

    def measure(self, model: Subject, batch: Batch) -> Sequence[xr.Dataset]:
        # One dataset for each of the R models. States come as (layer, state, point) → [R, T, B, H].
        with torch.no_grad():
            hidden = batch.states(model)["l0", "hidden", "state"]
            steps = hidden.diff(dim=1).norm(dim=-1).mean(-1)  # [R, T − 1]
        return [xr.Dataset({"start_here_step": ("time", row)}) for row in steps.cpu().numpy()]

    def reduce(self, measured: xr.Dataset) -> dict[str, float]:
        # the scalars, from what was measured of one model after one epoch
        return {"start_here_mean": float(measured["start_here_step"].mean())}


STUDY = Study(
    name="start_here",
    title="Start here",
    question="Does zoneout make hidden states move less?",
    task="digits",
    change={"training.epochs": 20},
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(name="zoneout", label="zoneout", regularizer=Zoneout(cell=0.5, hidden=0.05)),
    ),
    baseline="lstm",
    seeds=8,
    # when it is measured, and what: each run's last epoch, and beside it what comes built in
    gradient_epochs=(-1,),
    measures=(GradientFlow(), StartHere()),
    hypotheses=(
        Hypothesis(
            name="moves_less",
            statement="With zoneout the hidden state moves less from timestep to timestep.",
            arm="zoneout",
            against="lstm",
            metric="start_here_mean",
        ),
    ),
)
