"""The LSTM of the permuted-MNIST code: a learned shift inside the output's tanh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from zoneout_lab.ops.cells.base import Masks, Parameter, States, Weights
from zoneout_lab.ops.cells.normalised import NormalisedLSTM, normalised_step


@dataclass(frozen=True)
class ShiftedLSTM(NormalisedLSTM):
    """The LSTM with a learned shift inside the output's tanh: h̃_t = o ⊙ tanh(c̃_t + β), with β [H] that starts at zero.

    A reading: the code behind Krueger et al. 2017, §4.3, comes from recurrent batch normalisation (Cooijmans et al. 2017, eq. 8)
    and keeps its shift of the normalised cell in every arm, where nothing is normalised too. The paper does not mention it.

    >>> from zoneout_lab import Recurrent
    >>> Recurrent(ShiftedLSTM(), 1, 3).shift_cell_l0.shape
    torch.Size([3])
    """

    kind: ClassVar[str] = "shifted_lstm"
    noun: ClassVar[str] = "LSTM with a shifted cell"

    def parameters(self, inputs: int, units: int) -> Mapping[str, Parameter]:
        return {**super().parameters(inputs, units), "shift_cell": Parameter((units,), 0.0)}

    def step(self, x: Tensor, states: States, weights: Weights, masks: Masks) -> States:
        return normalised_step(x, states, weights, masks, lambda _point, value: value)
