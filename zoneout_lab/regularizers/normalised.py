"""Cells whose products are normalised: recurrent batch normalisation and layer normalisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from zoneout_lab.checked import strength, whole
from zoneout_lab.ops.masks import Mask
from zoneout_lab.regularizers.base import Regularizer


@dataclass(frozen=True)
class RecurrentBatchNorm(Regularizer):
    """The batch-normalised LSTM, with statistics of each timestep (Cooijmans et al. 2017, eqs. 6–10); LSTM only.

    With N_t(a) = (a − mean a) / √(var a + ε) over the examples of a batch, at timestep t apart from the others,

        i, f, o, g before their functions = γ_x ⊙ N_t(W x_t) + γ_h ⊙ N_t(U h_{t−1}) + b
        c_t = f ⊙ c_{t−1} + i ⊙ g            h_t = o ⊙ tanh(γ_c ⊙ N_t(c_t) + β_c)

    γ_x, γ_h and γ_c start at ``gamma``, β_c at 0; γ, β are shared over time. Training uses the batch's mean and biased variance, and
    moves population averages by a hundredth towards them at every update; they start at mean 0 and variance 1. Evaluation uses
    those, past the last of ``steps`` timesteps those of the last. A gradient measurement leaves them alone. With zoneout, states are
    preserved after normalising: the population is one seen under noise.

    Args:
        steps: timesteps with statistics of their own; the length of the training sequences.
        gamma: the gains' initial value.
        epsilon: added to every variance.

    Raises:
        InputRefusedError: ``steps`` below 1, ``gamma`` or ``epsilon`` below 0.

    >>> RecurrentBatchNorm(steps=784).gamma
    0.1
    """

    kind: ClassVar[str] = "recurrent_batch_norm"
    cells: ClassVar[tuple[str, ...]] = ("lstm",)

    steps: int = 1
    gamma: float = 0.1
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        steps = whole(self.steps, "recurrent batch norm's steps (the length of the sequences)", 1)
        object.__setattr__(self, "steps", steps)
        for name in ("gamma", "epsilon"):
            object.__setattr__(self, name, strength(getattr(self, name), f"recurrent batch norm's {name}"))

    def sites(self) -> Mapping[str, Mask]:
        return {}


@dataclass(frozen=True)
class LayerNorm(Regularizer):
    """The layer-normalised LSTM (Ba, Kiros & Hinton 2016, eqs. 20–22); LSTM only. A modern control, the same in training and evaluation.

    With N(a) = (a − mean a) / √(var a + ε) over the entries of one example's product,

        i, f, o, g before their functions = γ_x ⊙ N(W x_t) + γ_h ⊙ N(U h_{t−1}) + b
        c_t = f ⊙ c_{t−1} + i ⊙ g            h_t = o ⊙ tanh(γ_c ⊙ N(c_t) + β_c)

    N'(0) is 1/√ε. Where inputs, states and biases are zero together, as before the first inked pixel of an image, every timestep
    multiplies the gradient by the order of .1/ε, and a few of them overflow: permuted MNIST diverges with these defaults.

    Args:
        gamma: the gains' initial value.
        epsilon: added to every variance.

    Raises:
        InputRefusedError: ``gamma`` or ``epsilon`` below 0.

    >>> LayerNorm().gamma
    1.0
    """

    kind: ClassVar[str] = "layer_norm"
    cells: ClassVar[tuple[str, ...]] = ("lstm",)

    gamma: float = 1.0
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        for name in ("gamma", "epsilon"):
            object.__setattr__(self, name, strength(getattr(self, name), f"layer norm's {name}"))

    def sites(self) -> Mapping[str, Mask]:
        return {}
