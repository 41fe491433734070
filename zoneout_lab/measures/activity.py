"""How often the units of a recurrence change from one timestep to the next, and how far.

For a state s_t with H units,

    moved_t = fraction of units with |s_t − s_{t−1}| > θ      step_t = mean |s_t − s_{t−1}|      relative_t = ‖s_t − s_{t−1}‖₂ / ‖s_{t−1}‖₂

each a mean over examples. A unit that moves by no more than a threshold θ is one that a delta network (Neil et al. 2017) would not compute
anew. A unit that a mask preserves does not move at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from zoneout_lab.checked import strength
from zoneout_lab.measures.base import Batch, Measure, Subject
from zoneout_lab.metrics import Metric

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class UpdateActivity(Measure):
    """The fraction of units that move by more than a threshold at each timestep, how far units move, and how far the state moves relative to its norm.

    It starts at the second timestep, number 1: before the first there is no state of the sequence. Under masks with a rate z and a
    threshold of 0, the fraction of units that move is 1 − z where each candidate differs from the state before, and 0 with a rate of 1. Examples
    whose state was zero are left out of the relative step. Nothing is measured of sequences of one timestep.

    The scalars are means over time: those of the output state h over layers too, and the fraction of moved units also over all states.

    Args:
        threshold: θ, in units of the state. The default is a hundredth of the largest hidden state that an LSTM or GRU can have.

    Raises:
        InputRefusedError: a threshold below 0.

    >>> UpdateActivity(threshold=0.1).names()[:4]
    ['moved_units', 'moved_of_all_states', 'mean_step', 'mean_relative_step']
    """

    kind: ClassVar[str] = "update_activity"
    title: ClassVar[str] = "Update activity"
    dims: ClassVar[tuple[str, ...]] = ("layer", "state", "time")
    quantities: ClassVar[Mapping[str, Metric]] = {
        "moved": Metric("fraction of units that move by more than the threshold, mean over examples"),
        "step": Metric("distance that a unit moves, mean over units and examples", "unit of the state"),
        "relative_step": Metric(
            "distance that the state moves, divided by its norm before, mean over examples", scale="log"
        ),
    }
    scalars: ClassVar[Mapping[str, Metric]] = {
        "moved_units": Metric(
            "fraction of units of the output state that move by more than the threshold", noun="moved units"
        ),
        "moved_of_all_states": Metric(
            "fraction of units of all states that move by more than the threshold", noun="moved units of all states"
        ),
        "mean_step": Metric(
            "distance that a unit of the output state moves in a timestep", "unit of the state", "mean step"
        ),
        "mean_relative_step": Metric(
            "distance that the output state moves in a timestep, divided by its norm before",
            noun="mean relative step",
            scale="log",
        ),
    }

    threshold: float = 0.01

    def __post_init__(self) -> None:
        object.__setattr__(self, "threshold", strength(self.threshold, "update_activity's threshold"))

    def measure(self, model: Subject, batch: Batch) -> Sequence[xr.Dataset]:
        """Activity of every state of every layer."""
        import xarray as xr

        with torch.no_grad():
            series = {(layer, state): s for (layer, state, at), s in batch.states(model).items() if at == "state"}
            found = {key: self._activity(s) for key, s in series.items() if s.shape[1] > 1}
        if not found:
            return []
        layers, states = (list(dict.fromkeys(key[part] for key in found)) for part in (0, 1))
        stacked = torch.stack([torch.stack([found[layer, state] for state in states], 1) for layer in layers], 1)
        coords = {"layer": layers, "state": states, "time": range(1, stacked.shape[-1] + 1)}
        return [
            xr.Dataset({name: (self.dims, values) for name, values in zip(self.quantities, row, strict=True)}, coords)
            for row in stacked.movedim(3, 1).cpu().numpy()
        ]

    def _activity(self, s: Tensor) -> Tensor:
        """[R, 3, T − 1], the quantities of a state [R, T, B, H]."""
        before, moved = s[:, :-1].double(), s.diff(dim=1).double()
        norm = torch.linalg.vector_norm(before, dim=-1)
        relative = torch.where(norm > 0, torch.linalg.vector_norm(moved, dim=-1) / norm, torch.nan)
        far = moved.abs()
        return torch.stack([(far > self.threshold).double().mean((2, 3)), far.mean((2, 3)), relative.nanmean(2)], 1)

    def reduce(self, measured: xr.Dataset) -> Mapping[str, Any]:
        output = measured.isel(state=0)
        return {
            "moved_units": output.moved.mean(),
            "moved_of_all_states": measured.moved.mean(),
            "mean_step": output.step.mean(),
            "mean_relative_step": output.relative_step.mean(),
        }
