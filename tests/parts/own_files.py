"""Study files with parts of one's own, as a person would write them, and ways to change them."""

from __future__ import annotations

from pathlib import Path

HELPERS = """
def half(rate):
    return rate / 2
"""

TASK = '''
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from zoneout_lab.tasks import Data, Examples, Task


@dataclass(frozen=True)
class Majority(Task):
    """Are most of the bits ones?"""

    score = "error"

    length: int = 5
    sizes: tuple[int, ...] = (64, 32, 32)
    note: str | None = None

    @property
    def input_size(self) -> int:
        return 1

    @property
    def output_size(self) -> int:
        return 2

    def load(self, folder: Path | None = None) -> Data:
        generator = torch.Generator().manual_seed(0)
        splits = []
        for size in self.sizes:
            bits = torch.randint(0, 2, (size, self.length, 1), generator=generator)
            splits.append(Examples(bits.float(), (bits.sum((1, 2)) > self.length / 2).long()))
        return Data.of(*splits)
'''

HALF = '''
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from majority import Majority
from zoneout_lab import Arm, Study, WeightNoise
from zoneout_lab.ops.masks import MaskSpec
from zoneout_lab.regularizers import Regularizer


@dataclass(frozen=True)
class HalfZoneout(Regularizer):
    """Zoneout of hidden states at half the rate."""

    z: float = 0.5

    def sites(self) -> Mapping[str, MaskSpec]:
        from helpers import half  # not before it is needed

        return {"hidden": MaskSpec(half(self.z))}


STUDY = Study(
    name="half",
    title="Half",
    question="Is half enough?",
    task=Majority(length=7),
    change={"model.hidden": 3, "training.epochs": 2},
    arms=(
        Arm(name="lstm"),
        Arm(name="half", regularizer=HalfZoneout(0.4)),
        Arm(name="noisy", regularizer=HalfZoneout(0.2) + WeightNoise(0.01)),
    ),
    baseline="lstm",
    seeds=2,
)
'''
CELL = '''
from __future__ import annotations

from dataclasses import dataclass

import torch

from zoneout_lab.ops.cells import Cell


@dataclass(frozen=True)
class Leaky(Cell):
    """A leaky integrator."""

    leak: float = 0.1

    def step(self, x, states, weights, masks):
        (h,) = states
        return ((1 - self.leak) * h + self.leak * torch.tanh(x),)
'''
MEASURE = '''
from __future__ import annotations

from dataclasses import dataclass

import torch
import xarray as xr

from zoneout_lab.measures import Measure
from zoneout_lab.metrics import Metric


@dataclass(frozen=True)
class Length(Measure):
    """How long hidden states are."""

    kind = "length"
    dims = ("time",)
    quantities = {"length": Metric("mean length of the hidden state", "")}
    scalars = {"last_length": Metric("length of the last hidden state", "")}

    def measure(self, model, batch):
        with torch.no_grad():
            hidden = batch.states(model)["l0", "hidden", "state"]
        return [xr.Dataset({"length": ("time", row)}) for row in hidden.norm(dim=-1).mean(-1).cpu().numpy()]

    def reduce(self, measured):
        return {"last_length": measured.length[-1]}
'''


def written(folder: Path, **files: str) -> Path:
    """The three files in a folder, others beside them or in their place; the study's path."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in ({"half": HALF, "majority": TASK, "helpers": HELPERS} | files).items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder / "half.py"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
