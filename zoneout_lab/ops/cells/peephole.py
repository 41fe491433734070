"""The LSTM whose gates look at its memory cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from zoneout_lab.ops.arithmetic import drop, sigmoid
from zoneout_lab.ops.cells.base import Cell, Masks, Parameter, States, Weights
from zoneout_lab.ops.gates import record_gates
from zoneout_lab.ops.matmul import recur


@dataclass(frozen=True)
class PeepholeLSTM(Cell):
    """The LSTM with peepholes (Gers & Schmidhuber 2000): i and f see c_{t−1}, o sees the new cell.

    With p_i, p_f, p_o [H] of the parameter ``peephole`` [3H],

        i = σ(W_i x_t + U_i h_{t−1} + p_i ⊙ c_{t−1} + b_i)      f likewise with p_f      g = tanh(W_g x_t + U_g h_{t−1} + b_g)
        c̃_t = f ⊙ c_{t−1} + i ⊙ g      o = σ(W_o x_t + U_o h_{t−1} + p_o ⊙ c̃_t + b_o)      h̃_t = o ⊙ tanh(c̃_t)

    Masks act as in the LSTM without peepholes, which it is with ``peephole`` at zero. A mask at ``memory`` acts on c̃_t before o sees it.

    >>> PeepholeLSTM().parameters(inputs=3, units=4)["peephole"].shape
    (12,)
    """

    kind: ClassVar[str] = "peephole_lstm"
    noun: ClassVar[str] = "peephole LSTM"
    gates: ClassVar[int] = 4
    states: ClassVar[Mapping[str, str]] = {"hidden": "hidden", "cell": "cell"}
    sites: ClassVar[tuple[str, ...]] = ("cell", "hidden", "update", "memory", "output", "recurrent")
    forget_gate: ClassVar[int | None] = 1

    def parameters(self, inputs: int, units: int) -> Mapping[str, Parameter]:
        return {**super().parameters(inputs, units), "peephole": Parameter((3 * units,))}

    def step(self, x: Tensor, states: States, weights: Weights, masks: Masks) -> States:
        h, c = states
        p_i, p_f, p_o = weights["peephole"][:, None].chunk(3, -1)
        i, f, g, o = recur(drop(h, masks.get("recurrent")), weights["weight_hh"], x).chunk(4, -1)
        i, f = sigmoid(i + p_i * c), sigmoid(f + p_f * c)
        new_c = drop(f * c + drop(i * torch.tanh(g), masks.get("update")), masks.get("memory"))
        o = sigmoid(o + p_o * new_c)
        record_gates({"cell": drop(f, masks.get("memory"))}, input=i, forget=f, output=o)
        return drop(o * torch.tanh(new_c), masks.get("output")), new_c
