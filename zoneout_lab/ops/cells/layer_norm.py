"""The layer-normalised LSTM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from zoneout_lab.checked import strength
from zoneout_lab.ops.cells.base import Masks, Parameter, States, Weights
from zoneout_lab.ops.cells.normalised import NormalisedLSTM, gains_and_shift, normalised_step


@dataclass(frozen=True)
class LayerNormLSTM(NormalisedLSTM):
    """The layer-normalised LSTM (Ba, Kiros & Hinton 2016, eqs. 20–22). A modern control, the same in training and evaluation.

    With N(a) = (a − mean a) / √(var a + ε) over the entries of one example's product,

        i, f, o, g before their functions = γ_x ⊙ N(W x_t) + γ_h ⊙ N(U h_{t−1}) + b
        c_t = f ⊙ c_{t−1} + i ⊙ g            h_t = o ⊙ tanh(γ_c ⊙ N(c_t) + β_c)

    N'(0) is 1/√ε. Where inputs, states and biases are zero together, as before the first inked pixel of an image, every timestep
    multiplies the gradient by a factor of the order of .1/ε, and a few of those overflow: permuted MNIST diverges with these defaults.

    Args:
        gamma: the gains' initial value.
        epsilon: added to every variance.

    Raises:
        InputRefusedError: ``gamma`` or ``epsilon`` below 0.

    >>> LayerNormLSTM().gamma
    1.0
    """

    kind: ClassVar[str] = "layer_norm_lstm"
    noun: ClassVar[str] = "layer-normalised LSTM"

    gamma: float = 1.0
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        for name in ("gamma", "epsilon"):
            object.__setattr__(self, name, strength(getattr(self, name), f"layer norm's {name}"))

    def parameters(self, inputs: int, units: int) -> Mapping[str, Parameter]:
        return {**super().parameters(inputs, units), **gains_and_shift(self.gamma, units)}

    def step(self, x: Tensor, states: States, weights: Weights, masks: Masks) -> States:
        return normalised_step(x, states, weights, masks, self._normalise)

    def _normalise(self, _point: str, value: Tensor) -> Tensor:
        return F.layer_norm(value, value.shape[-1:], eps=self.epsilon)
