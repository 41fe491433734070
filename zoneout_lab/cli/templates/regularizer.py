"""Start here: what is done to the network in training, and why that should help.

Look at it:  zoneout-lab plan ./start_here.py
Run it:      zoneout-lab run ./start_here.py
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from zoneout_lab import Arm, Hypothesis, MaskSpec, Regularizer, Study, Zoneout


@dataclass(frozen=True)
class StartHere(Regularizer):
    """What it does, in one line: `zoneout-lab parts ./start_here.py` shows it.

    The fields are its options: numbers, strings, booleans, tuples of these. They are part of every run's identity.
    """

    z: float = 0.1

    def sites(self) -> Mapping[str, MaskSpec]:
        # Where masks act, and their rates. At `cell` and `hidden` a rate z is the probability of *preserving* the previous value; an
        # LSTM also has `update`, `memory`, `output` and `recurrent`, and outside the recurrence there are `input`, `top`, `embedding`.
        # MaskSpec(z) is drawn anew for each site, update, timestep, example and unit. MaskSpec(z, frozenset({...})) varies over fewer of these
        # axes: without "timestep" it is kept for a sequence, without "unit" all units of a layer share it.
        return {"cell": MaskSpec(self.z), "hidden": MaskSpec(self.z / 2)}

    # What else a regularizer can do, each nothing by default: `weight_noise`, a property; `penalty(out)`, added to the loss;
    # `for_training(updates)`, where something depends on the length of training.


STUDY = Study(
    name="start_here",
    title="Start here",
    question="Does it lower the error on scanned digits, and by more than zoneout does?",
    task="digits",
    change={"training.epochs": 20},
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(name="zoneout", label="zoneout", regularizer=Zoneout(cell=0.1, hidden=0.05)),
        Arm(name="mine", label="start here", regularizer=StartHere(z=0.1)),
    ),
    baseline="lstm",
    seeds=8,
    hypotheses=(
        Hypothesis(
            name="helps",
            statement="It has a lower test error than the LSTM.",
            arm="mine",
            against="lstm",
            metric="test_score",
        ),
        Hypothesis(
            name="beats_zoneout",
            statement="It has a lower test error than zoneout.",
            arm="mine",
            against="zoneout",
            metric="test_score",
        ),
    ),
)
