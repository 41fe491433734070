"""A training function that takes no time, for studies whose records are looked at."""

from __future__ import annotations

from typing import Any

from zoneout_lab import Arm, Hypothesis, Study, Tuning
from zoneout_lab.metrics import Metric


def train(run: Any) -> dict[str, float]:
    """The fewer are dropped, the better."""
    accuracy = 1 - run.params["dropout"] + 0.001 * (run.seed % 7) + 0.01 * run.params["width"] / 64
    for epoch in range(1, 4):
        run.log(epoch, train_loss=1 / epoch, test_accuracy=accuracy * epoch / 4)
    return {"valid_accuracy": accuracy - 0.01, "test_accuracy": accuracy}


def study(**fields: Any) -> Study:
    """Two arms, one of which is searched, with two metrics; the second by name is the one that is tuned."""
    width = {"name": "IntDistribution", "attributes": {"low": 8, "high": 64, "log": False, "step": 8}}
    defaults: dict[str, Any] = {
        "name": "own_training",
        "title": "Own",
        "question": "Does it run?",
        "train": train,
        "params": {"dropout": 0.5, "width": 8, "seed": 3},
        "metrics": {
            "valid_accuracy": Metric("validation accuracy", better="higher"),
            "test_accuracy": Metric("test accuracy", better="higher"),
        },
        "arms": (Arm(name="full"), Arm(name="tuned", search={"dropout": (0.0, 0.5), "width": width})),
        "baseline": "full",
        "seeds": 6,
        "hypotheses": (
            Hypothesis(name="helps", statement="Tuning helps.", arm="tuned", against="full", metric="test_accuracy", direction="higher"),
        ),
        "tuning": Tuning(trials=3, seeds=2, metric="valid_accuracy"),
    }  # fmt: skip
    return Study(**(defaults | fields))
