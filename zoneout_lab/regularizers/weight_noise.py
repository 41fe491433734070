"""Noise on the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from zoneout_lab.checked import strength
from zoneout_lab.regularizers.base import Regularizer


@dataclass(frozen=True)
class WeightNoise(Regularizer):
    """W + ε with ε ~ N(0, σ²), drawn once for each training update (Graves 2011; Krueger et al. 2017, section 4.1, σ = .075).

    On the weight matrices of every layer and of the model's readout and embedding; never on biases, and never in
    evaluation, whatever its kind. The gradient at W + ε is used for W. The numbers are a function of the mask seed and the update
    (:mod:`zoneout_lab.ops.noise`).

    Args:
        sigma: σ, the standard deviation, in the weights' units.

    Raises:
        InputRefusedError: a sigma below 0.

    >>> WeightNoise(0.075).weight_noise
    0.075
    """

    kind: ClassVar[str] = "weight_noise"

    sigma: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigma", strength(self.sigma, "weight noise's sigma"))

    @property
    def weight_noise(self) -> float:
        return self.sigma
