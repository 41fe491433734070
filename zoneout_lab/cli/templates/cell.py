"""Start here: what the cell computes, and what it is meant to be better at.

Look at it:  zoneout-lab plan ./start_here.py
Run it:      zoneout-lab run ./start_here.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from zoneout_lab import Arm, Cell, Hypothesis, Study, Zoneout
from zoneout_lab.ops.cells import Masks, States, Weights
from zoneout_lab.ops.matmul import recur


@dataclass(frozen=True)
class StartHere(Cell):
    """A gate between the old state and a new one, in one line: `zoneout-lab parts ./start_here.py` shows it.

    The fields are its options: numbers, strings, booleans, tuples of these. They are part of every run's identity.
    """

    # blocks of H columns that the weights have: here one for the gate, one for the new state
    gates: ClassVar[int] = 2
    # state → the site whose mask preserves it. The first is the output. An LSTM has {"hidden": "hidden", "cell": "cell"}.
    states: ClassVar[dict[str, str]] = {"hidden": "hidden"}
    sites: ClassVar[tuple[str, ...]] = ("hidden",)

    sharpness: float = 1.0

    def step(self, x: Tensor, states: States, weights: Weights, masks: Masks) -> States:
        # One timestep. Shapes: R replicas, B examples, H units, G gates.
        # x [R, B, G·H] is W x_t + b for this timestep; weights["weight_hh"] [R, G·H, H]; states [R, B, H] each.
        # Zoneout does not happen here: the loop around it preserves every state whose site has a mask.
        (h,) = states
        gate, new = recur(h, weights["weight_hh"], x).chunk(2, dim=-1)
        keep = torch.sigmoid(self.sharpness * gate)
        return (keep * h + (1 - keep) * torch.tanh(new),)

    # Other parameters, their initial values and what needs no state: `parameters`, `buffers`, `project`, `begin`.


STUDY = Study(
    name="start_here",
    title="Start here",
    question="Does the cell do better than an LSTM on scanned digits, and does zoneout help it?",
    task="digits",
    change={"training.epochs": 20, "model.cell": StartHere},
    arms=(
        Arm(name="lstm", label="LSTM", change={"model.cell": "lstm"}),
        Arm(name="mine", label="start here"),
        Arm(name="zoneout", label="start here with zoneout", regularizer=Zoneout(hidden=0.1)),
    ),
    baseline="mine",
    seeds=8,
    hypotheses=(
        Hypothesis(
            name="beats_lstm",
            statement="It has a lower test error than the LSTM.",
            arm="mine",
            against="lstm",
            metric="test_score",
        ),
        Hypothesis(
            name="zoneout_helps",
            statement="With zoneout it has a lower test error than without.",
            arm="zoneout",
            against="mine",
            metric="test_score",
        ),
    ),
)
