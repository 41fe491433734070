"""Start here: what is to be learned, and why it is a good test.

Look at it:  zoneout-lab plan ./start_here.py
Run it:      zoneout-lab run ./start_here.py
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from zoneout_lab import Arm, Data, Examples, Hypothesis, Study, Task, Zoneout


@dataclass(frozen=True)
class StartHere(Task):
    """Are most of the bits of a sequence ones? In one line: `zoneout-lab parts ./start_here.py` shows it.

    The fields are its options: numbers, strings, booleans, tuples of these. They are part of every run's identity.
    """

    # what it is judged by: "error" for classes, "mse" for a real value, "bpc" and "ppl" for texts (see Stream and Carried)
    score = "error"

    length: int = 20
    examples: int = 1000
    seed: int = 1

    @property
    def input_size(self) -> int:
        # features of each timestep
        return 1

    @property
    def output_size(self) -> int:
        # classes; 1 for a real value
        return 2

    def load(self, folder: Path | None = None) -> Data:
        # `folder` is what --data names; a task that makes its own data, as this one does, ignores it.
        # Inputs are float32 [examples, timesteps, input_size]; targets int64 [examples], or float32 for "mse".
        generator = torch.Generator().manual_seed(self.seed)
        splits = []
        for count in (self.examples, self.examples // 4, self.examples // 4):
            bits = torch.randint(0, 2, (count, self.length, 1), generator=generator)
            splits.append(Examples(bits.float(), (bits.sum((1, 2)) > self.length / 2).long()))
        train, valid, test = splits
        return Data.of(train, valid, test)


STUDY = Study(
    name="start_here",
    title="Start here",
    question="Does zoneout help an LSTM on this task?",
    # a class, or a value whose fields are then the options; `settings` of the class would give it presets of its own
    task=StartHere(length=20),
    change={"model.hidden": 16, "training.epochs": 10},
    arms=(
        Arm(name="lstm", label="LSTM"),
        Arm(name="zoneout", label="zoneout", regularizer=Zoneout(cell=0.2, hidden=0.05)),
    ),
    baseline="lstm",
    seeds=8,
    hypotheses=(
        Hypothesis(
            name="helps",
            statement="Zoneout has a lower test error than the LSTM.",
            arm="zoneout",
            against="lstm",
            metric="test_score",
        ),
    ),
)
