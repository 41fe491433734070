"""A penalty on changes of the hidden state's norm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from zoneout_lab.checked import strength
from zoneout_lab.regularizers.base import Regularizer


@dataclass(frozen=True)
class NormStabilizer(Regularizer):
    """Loss + β · mean_b Σ_{t=2…T} (‖h_t‖ − ‖h_{t−1}‖)² / (T − 1) (Krueger & Memisevic 2016, eq. 1), h_0 left out.

    In training mode ``rnn.penalty`` [R] holds the penalty, summed over layers: add it to the loss, as studies do. A function that is
    checkpointed with ``use_reentrant=True`` has to return the penalty: read from ``rnn.penalty`` it would have no gradient.

    Args:
        beta: β, at least 0; the paper's 50.

    Raises:
        InputRefusedError: a beta below 0.

    >>> h = torch.tensor([3.0, 1.0, 2.0]).view(3, 1, 1)
    >>> NormStabilizer(2.0).penalty(h)
    tensor(5.)
    """

    kind: ClassVar[str] = "norm_stabilizer"

    beta: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", strength(self.beta, "the norm stabilizer's beta"))

    def penalty(self, out: Tensor) -> Tensor | None:
        if self.beta == 0:
            return None
        if len(out) == 1:
            return out.new_zeros(())
        norms = torch.linalg.vector_norm(out, dim=-1)
        changes: Tensor = (norms[1:] - norms[:-1]).square()
        return self.beta * changes.mean()
