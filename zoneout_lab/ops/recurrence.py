"""One pass of a recurrent layer over a sequence, with all that is needed to inspect it or to run it again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zoneout_lab.ops.cells import Cell, Masks, States, Weights
from zoneout_lab.ops.gates import Gates


@dataclass(frozen=True)
class Recurrence:
    """What ran in one layer and direction. Shapes: R replicas, T timesteps, B examples, H units.

    Attributes:
        cell: which cell.
        inputs: what its :meth:`~zoneout_lab.ops.cells.base.Cell.project` made of the inputs, [R, T, B, ·].
        states: those it began from, [R, B, H] each.
        weights: stem → parameter or buffer, weight noise included.
        masks: site → mask or its expectation, broadcastable to [R, T, B, H].
        training: whether it was a training pass.
        gates: what the cell's steps recorded.
    """

    cell: Cell
    inputs: Tensor
    states: States
    weights: Weights
    masks: Masks
    training: bool
    gates: Gates

    def preserved(self, state: str) -> Tensor:
        """z of a state, broadcastable to [R, T, B, H]: the mask at its site, or its expectation; 0 without one."""
        return self.masks.get(self.cell.states[state], torch.zeros(1, device=self.inputs.device))
