"""From torch's shapes, which a layer is called with, to those that it computes in, and back: inputs [R or 1, T, B, I], states [R, L·D, B, H]."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Shapes(NamedTuple):
    """How one call's tensors lie: R replicas or None, whether there is a batch, and whether it comes before time."""

    replicas: int | None
    batched: bool
    batch_first: bool

    def lift(self, input: Tensor) -> Tensor:
        """The user's input as [R or 1, T, B, I].

        Raises RuntimeError for a sequence without a timestep, or replicas of another number.
        """
        if self.replicas is not None and input.shape[0] not in (1, self.replicas):
            raise RuntimeError(
                f"Expected {self.replicas} replicas (or 1, shared by all) on the first axis, before torch's axes, got a tensor of shape "
                f"{list(input.shape)}"
            )
        x = input[None] if self.replicas is None else input
        if not self.batched:
            x = x[:, :, None]
        elif self.batch_first:
            x = x.transpose(1, 2)
        if x.shape[1] == 0:
            raise RuntimeError("Expected a sequence of at least one timestep, got none")
        return x

    def lower(self, out: Tensor) -> Tensor:
        """Outputs [R, T, B, ·] as the user's input lies."""
        if not self.batched:
            out = out[:, :, 0]
        elif self.batch_first:
            out = out.transpose(1, 2)
        return out if self.replicas is not None else out[0]

    def lower_state(self, state: Tensor) -> Tensor:
        """A state [R, L·D, B, H] as the user's input lies."""
        state = state if self.batched else state[:, :, 0]
        return state if self.replicas is not None else state[0]


def backwards(x: Tensor, lengths: Tensor | None) -> Tensor:
    """x [R, T, B, ·] backwards in time, each example within its own length."""
    if lengths is None:
        return x.flip(1)
    t = torch.arange(x.shape[1], device=x.device)[:, None]
    index = torch.where(t < lengths, lengths - 1 - t, t)
    return x.gather(1, index[None, :, :, None].expand_as(x))
