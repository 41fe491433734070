"""The gated recurrent unit, in torch's form and gate order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from zoneout_lab.ops.arithmetic import drop, sigmoid
from zoneout_lab.ops.cells.base import Cell, Masks, States, Weights
from zoneout_lab.ops.gates import record_gates
from zoneout_lab.ops.matmul import project, recur


@dataclass(frozen=True)
class GRU(Cell):
    """The GRU as ``torch.nn.GRU`` computes it: r acts after the product (Cho et al. 2014 apply it before).

    With masks u, d at ``update`` and ``output``, and v at ``recurrent``, where h is (1 − v) ⊙ h_{t−1} inside the products,

        r, k = σ of W x_t + U h + b        n = tanh(W_n x_t + b + r ⊙ (U_n h + b'))
        h̃_t = (1 − d) ⊙ (k ⊙ h_{t−1} + (1 − k) ⊙ (1 − u) ⊙ n)

    >>> GRU().gates
    3
    """

    kind: ClassVar[str] = "gru"
    noun: ClassVar[str] = "GRU"
    gates: ClassVar[int] = 3
    sites: ClassVar[tuple[str, ...]] = ("hidden", "update", "output", "recurrent")
    fast_sites: ClassVar[tuple[str, ...]] = ("hidden", "update", "output")
    held: ClassVar[tuple[int, int]] = (12, 38)

    def project(self, x: Tensor, weights: Weights) -> Tensor:
        # the reset gate acts on the recurrent bias, which stays with the recurrent product
        return project(x, weights["weight_ih"], weights.get("bias_ih"))

    def step(self, x: Tensor, states: States, weights: Weights, masks: Masks) -> States:
        (h,) = states
        bias = weights.get("bias_hh")
        zero = x.new_zeros(1, 1, 1) if bias is None else bias[:, None]
        recurrent = recur(drop(h, masks.get("recurrent")), weights["weight_hh"], zero.expand_as(x))
        x_r, x_k, x_n = x.chunk(3, -1)
        h_r, h_k, h_n = recurrent.chunk(3, -1)
        reset, keep = sigmoid(x_r + h_r), sigmoid(x_k + h_k)
        n = torch.tanh(x_n + reset * h_n)
        record_gates({"hidden": drop(keep, masks.get("output"))}, reset=reset, keep=keep)
        return (drop(keep * h + (1 - keep) * drop(n, masks.get("update")), masks.get("output")),)
