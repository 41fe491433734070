"""The LSTM with recurrent batch normalisation, whose statistics are those of each timestep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from zoneout_lab.checked import strength, whole
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.cells.base import Masks, Parameter, States, Step, Weights
from zoneout_lab.ops.cells.normalised import POINTS, NormalisedLSTM, gains_and_shift, normalised_step

RATE = 0.01  # how far the population moves towards the batch at every update


@dataclass(frozen=True)
class BatchNormLSTM(NormalisedLSTM):
    """The batch-normalised LSTM, with statistics of each timestep (Cooijmans et al. 2017, eqs. 6–10).

    With N_t(a) = (a − mean a) / √(var a + ε) over the examples of a batch, at each timestep t separately,

        i, f, o, g before their functions = γ_x ⊙ N_t(W x_t) + γ_h ⊙ N_t(U h_{t−1}) + b
        c_t = f ⊙ c_{t−1} + i ⊙ g            h_t = o ⊙ tanh(γ_c ⊙ N_t(c_t) + β_c)

    γ_x, γ_h and γ_c start at ``gamma``, β_c at 0; γ, β are shared over time. Training uses the batch's mean and biased variance, and
    moves population averages by a hundredth towards them at every update; they start at mean 0 and variance 1. Evaluation uses
    those averages; past the last of ``steps`` timesteps, those of the last. A gradient measurement leaves them alone. With zoneout, states are
    preserved after normalising: the population is one seen under noise.

    Args:
        steps: timesteps with statistics of their own; the length of the training sequences.
        gamma: the gains' initial value.
        epsilon: added to every variance.

    Raises:
        InputRefusedError: ``steps`` below 1, ``gamma`` or ``epsilon`` below 0.

    >>> BatchNormLSTM(steps=784).gamma
    0.1
    """

    kind: ClassVar[str] = "batch_norm_lstm"
    noun: ClassVar[str] = "batch-normalised LSTM"
    mixes_examples: ClassVar[bool] = True

    steps: int = 1
    gamma: float = 0.1
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        steps = whole(self.steps, "recurrent batch norm's steps (the length of the sequences)", 1)
        object.__setattr__(self, "steps", steps)
        for name in ("gamma", "epsilon"):
            object.__setattr__(self, name, strength(getattr(self, name), f"recurrent batch norm's {name}"))

    def parameters(self, inputs: int, units: int) -> Mapping[str, Parameter]:
        return {**super().parameters(inputs, units), **gains_and_shift(self.gamma, units)}

    def buffers(self, units: int) -> Mapping[str, Parameter]:
        return {
            f"population_{point}_{name}": Parameter((self.steps, columns * units), start)
            for point, columns in POINTS.items()
            for name, start in (("mean", 0.0), ("variance", 1.0))
        }

    def caution(self, steps: int) -> str:
        if self.steps >= steps:
            return ""
        return (
            f"The {self.noun} has statistics of its own for {self.steps} of {steps} timesteps; evaluation uses the last one's for the rest. "
            f"Give it the length of the sequences: cells.BatchNormLSTM(steps={steps})."
        )

    def begin(self, weights: Weights, *, training: bool = False, moves: bool = False) -> Step:
        now = -1

        def normalise(point: str, value: Tensor) -> Tensor:
            means, variances = (weights[f"population_{point}_{name}"] for name in ("mean", "variance"))
            if not training:
                mean, variance = (all_t[:, None, min(now, self.steps - 1)] for all_t in (means, variances))
                return (value - mean) * (variance + self.epsilon).rsqrt()
            mean = value.mean(1, keepdim=True)
            centred = value - mean
            variance = centred.square().mean(1, keepdim=True)
            if moves and now < self.steps:
                with torch.no_grad():
                    means[:, now] += RATE * (mean[:, 0] - means[:, now])
                    variances[:, now] += RATE * (variance[:, 0] - variances[:, now])
            return centred * (variance + self.epsilon).rsqrt()

        def step(x: Tensor, states: States, masks: Masks) -> States:
            nonlocal now
            now += 1
            return normalised_step(x, states, weights, masks, normalise)

        return step

    def step(self, x: Tensor, states: States, weights: Weights, masks: Masks) -> States:
        raise InputRefusedError(
            "Each timestep of the batch-normalised LSTM has its own statistics: call begin() and use the step that it returns."
        )
