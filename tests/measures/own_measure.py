"""A measure of one's own, variants of it that are wrong in some way, and a study of a second that takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import xarray as xr

from zoneout_lab import Arm, Hypothesis, Measure, Metric, Study, Zoneout
from zoneout_lab.frozen import Seeds
from zoneout_lab.measures import Batch, Subject
from zoneout_lab.settings import Model
from zoneout_lab.study.run import Summary, run_study
from zoneout_lab.training.losses import loss_by_replica
from zoneout_lab.training.model import SequenceModel


@dataclass(frozen=True)
class StateLength(Measure):
    """How long the hidden state is, timestep by timestep."""

    kind: ClassVar[str] = "state_length"
    title: ClassVar[str] = "Length of the state"
    dims: ClassVar[tuple[str, ...]] = ("layer", "time")
    quantities: ClassVar[dict[str, Metric]] = {"length": Metric("mean length of the hidden state", "unit of the state")}
    scalars: ClassVar[dict[str, Metric]] = {
        "last_length": Metric("length of the last hidden state", "unit of the state", "last state's length", "higher")
    }

    power: float = 1.0

    def measure(self, model: Subject, batch: Batch) -> Sequence[xr.Dataset]:
        with torch.no_grad():
            states = {
                layer: s for (layer, kind, at), s in batch.states(model).items() if (kind, at) == ("hidden", "state")
            }
        lengths = torch.stack([state.norm(dim=-1).mean(-1) for state in states.values()], 1) ** self.power
        return [xr.Dataset({"length": (("layer", "time"), row)}, {"layer": list(states)}) for row in lengths.numpy()]

    def reduce(self, measured: xr.Dataset) -> dict[str, Any]:
        return {"last_length": measured.length.isel(time=-1).mean()}


@dataclass(frozen=True)
class Mixed(StateLength):
    """The length of what is left of a state without the replicas' mean."""

    kind: ClassVar[str] = "mixed_length"

    def measure(self, model: Any, batch: Any) -> Any:
        states = batch.states(model)["l0", "hidden", "state"].detach()
        return [length(each.norm(dim=-1).mean(-1)[None]) for each in states - states.mean(0)]


def model_and_batch(replicas: int = 2, layers: int = 1, **model: Any) -> tuple[SequenceModel, Batch]:
    generator = torch.Generator().manual_seed(0)
    seeds = [Seeds(init=r, data=r, masks=r) for r in range(replicas)]
    rates = [Zoneout(0.5, 0.2), Zoneout(0.1, 0.1)]
    made = SequenceModel(
        Model(hidden=4, layers=layers, **model), 2, 3, regularizers=[rates[r % 2] for r in range(replicas)], seeds=seeds
    )
    inputs, targets = torch.randn(1, 6, 5, 2, generator=generator), torch.arange(5)[None] % 3
    return made, Batch(inputs, targets, loss_by_replica)


CHANGE = {"model.hidden": 4, "training.epochs": 2, "training.batch": 256}
ARMS = (Arm(name="lstm"), Arm(name="zoneout", regularizer=Zoneout(cell=0.5, hidden=0.5)))
CLAIM = Hypothesis(
    name="longer",
    statement="Its state is longer.",
    arm="zoneout",
    against="lstm",
    metric="last_length",
    direction="higher",
)


def small(**fields: Any) -> Study:
    defaults: dict[str, Any] = {
        "name": "own", "title": "Own", "question": "Does it run?", "arms": ARMS, "baseline": "lstm", "seeds": 2,
        "gradient_epochs": (0, 2), "gradient_examples": 5, "change": CHANGE,
    }  # fmt: skip
    return Study(**(defaults | fields))


def run(study: Study, out: Path, **options: Any) -> Summary:
    return run_study(study, out=out, **({"workers": 1, "tracking": None, "force": True} | options))


def own(**attributes: Any) -> Measure:
    """StateLength with other attributes or methods, under its own name."""
    own_attributes = {"__annotations__": {}, "__module__": __name__, "kind": "state_length"} | attributes
    return dataclass(frozen=True)(type("Own", (StateLength,), own_attributes))()


def length(values: Any, dims: Any = ("layer", "time"), **coords: Any) -> xr.Dataset:
    return xr.Dataset({"length": (dims, np.asarray(values))}, coords)


def raises(error: Exception) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail
