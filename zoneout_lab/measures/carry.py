"""How much of a recurrence's memory is carried over from one timestep to the next, for how long, and how many gates are saturated.

A memory s that a gate f carries over, and of which a mask z preserves a part, is

    s_t = z ⊙ s_{t−1} + (1 − z) ⊙ (f_t ⊙ s_{t−1} + what is written) = a_t ⊙ s_{t−1} + …        a_t = z + (1 − z) ⊙ f_t

a_t is the *effective carry*: this project's own name, for what a zoneout mask and a forget gate do together. Masks that drop what a gate
carries are in f. What is written may depend on s_{t−1} too, through the products; that way is gradient flow's and not counted here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from zoneout_lab.measures.base import Batch, Measure, Subject
from zoneout_lab.metrics import Metric
from zoneout_lab.ops.recurrence import Recurrence

if TYPE_CHECKING:
    import xarray as xr

LEFT, RIGHT = 0.1, 0.9  # a gate below the one or above the other is saturated: Karpathy et al. 2015, section 4.2
NO_GATE = "none"


@dataclass(frozen=True)
class EffectiveCarry(Measure):
    """The part of the memory carried over at each timestep, z + (1 − z) f, its time constants, and the fraction of saturated gates.

    *Memory* are the states that a gate carries over: c of an LSTM (by the forget gate), h of a GRU or a minGRU. In a cell without gates
    it is every state, and the carry is z alone. An sLSTM's memory is c e^m, its normaliser is carried alike, and its exponential input gate,
    which has no upper bound, is not among the gates.

    A unit's time constant is τ = −1 / log ā timesteps, with ā its mean carry over timesteps and examples: after τ timesteps of that carry
    1/e of the memory is left (Mahto et al. 2021 have τ for a forget gate). The mean is arithmetic, because masks are drawn anew: the
    expected product of independent carries is the product of their means, where a geometric mean would be 0 after one carry of 0. A unit
    that is carried whole has an infinite τ and one that is never carried 0. Units are in the order of their time constants.

    A gate is saturated on the left below .1 and on the right above .9 (Karpathy, Johnson & Fei-Fei 2015). Fractions are of all units,
    timesteps and examples; NaN for a cell without gates.

    The scalars are means over layers and memories. The median time constant is that of the median unit; where it is infinite,
    a comparison leaves the run out.

    >>> EffectiveCarry().names()[:4]
    ['mean_carry', 'median_time_constant', 'left_saturation', 'right_saturation']
    """

    kind: ClassVar[str] = "effective_carry"
    title: ClassVar[str] = "Effective carry"
    dims: ClassVar[tuple[str, ...]] = ("layer", "state", "gate", "time", "unit")
    quantities: ClassVar[Mapping[str, Metric]] = {
        "carry": Metric("part of the memory carried over from the timestep before, mean over units and examples"),
        "time_constant": Metric(
            "−1 / log of each unit's mean carry, from the shortest to the longest", "timesteps", scale="log"
        ),
        "left_saturated": Metric("fraction of gate activations below 0.1"),
        "right_saturated": Metric("fraction of gate activations above 0.9"),
    }
    scalars: ClassVar[Mapping[str, Metric]] = {
        "mean_carry": Metric("effective carry of the memory, mean over the sequence", noun="effective carry"),
        "median_time_constant": Metric(
            "time constant of the memory's median unit", "timesteps", "median time constant", scale="log"
        ),
        "left_saturation": Metric(
            "fraction of gate activations below 0.1, mean over gates", noun="left-saturated gates"
        ),
        "right_saturation": Metric(
            "fraction of gate activations above 0.9, mean over gates", noun="right-saturated gates"
        ),
    }

    def measure(self, model: Subject, batch: Batch) -> Sequence[xr.Dataset]:
        """Carry and time constants of every memory, and the saturation of every gate."""
        import xarray as xr

        found = batch.recurrences(model)
        layers = list(found.values())
        memories, gates = _memories(layers[0]), list(layers[0].gates.values) or [NO_GATE]
        coords = {"layer": list(found), "state": memories, "gate": gates}
        in_time, of_units = (
            _stacked([[of(_carry(layer, state)) for state in memories] for layer in layers])
            for of in (lambda carry: carry.mean((2, 3)), _time_constants)
        )
        left, right = (
            _stacked([[_share(layer, gate, saturated) for gate in gates] for layer in layers])
            for saturated in (lambda gate: gate < LEFT, lambda gate: gate > RIGHT)
        )
        return [
            xr.Dataset(
                {
                    "carry": (("layer", "state", "time"), in_time[r]),
                    "time_constant": (("layer", "state", "unit"), of_units[r]),
                    "left_saturated": (("layer", "gate"), left[r]),
                    "right_saturated": (("layer", "gate"), right[r]),
                },
                coords,
            )
            for r in range(len(in_time))
        ]

    def reduce(self, measured: xr.Dataset) -> Mapping[str, Any]:
        return {
            "mean_carry": measured.carry.mean(),
            "median_time_constant": measured.time_constant.median("unit").mean(),
            "left_saturation": measured.left_saturated.mean(),
            "right_saturation": measured.right_saturated.mean(),
        }


def _memories(layer: Recurrence) -> list[str]:
    return list(layer.gates.kept) or list(layer.cell.states)


def _carry(layer: Recurrence, state: str) -> Tensor:
    """z + (1 − z) f of a state, [R, T, B, H]."""
    R, B, H = layer.states[0].shape
    z = layer.preserved(state).double()
    kept = layer.gates.kept.get(state)
    f = z.new_zeros(1) if kept is None else torch.stack(kept, 1).double()
    return (z + (1 - z) * f).expand(R, layer.inputs.shape[1], B, H)


def _time_constants(carry: Tensor) -> Tensor:
    """−1 / log of each unit's mean carry, [R, H], from the shortest to the longest."""
    # the absolute value, because −1 / log 1 has to be +∞ and log 1 is +0
    return (1 / carry.mean((1, 2)).log().abs()).sort(-1).values


def _share(layer: Recurrence, gate: str, saturated: Callable[[Tensor], Tensor]) -> Tensor:
    """Fraction of a gate's activations that are saturated, [R]."""
    if gate == NO_GATE:
        return torch.full((len(layer.states[0]),), torch.nan, dtype=torch.float64)
    return saturated(torch.stack(layer.gates.values[gate], 1)).double().mean((1, 2, 3))


def _stacked(rows: list[list[Tensor]]) -> npt.NDArray[np.float64]:
    """Values [R, …] of each layer and state (or gate) as [R, layer, state, …]."""
    return torch.stack([torch.stack(row, 1) for row in rows], 1).cpu().numpy()
