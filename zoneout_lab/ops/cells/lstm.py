"""The long short-term memory, in torch's form and gate order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from zoneout_lab.ops.arithmetic import drop, sigmoid
from zoneout_lab.ops.cells.base import Cell, Masks, States, Weights
from zoneout_lab.ops.gates import record_gates
from zoneout_lab.ops.matmul import recur


@dataclass(frozen=True)
class LSTM(Cell):
    """The LSTM of Hochreiter & Schmidhuber (1997) with forget gates (Gers et al. 2000), as ``torch.nn.LSTM`` computes it.

    With masks m, u, d at ``memory``, ``update`` and ``output``, and v at ``recurrent``,

        i, f, g, o = σ, σ, tanh, σ of W x_t + U ((1 − v) ⊙ h_{t−1}) + b
        c̃_t = (1 − m) ⊙ (f ⊙ c_{t−1} + (1 − u) ⊙ i ⊙ g)      h̃_t = (1 − d) ⊙ o ⊙ tanh(c̃_t)

    Zoneout: Krueger et al. 2017, eqs. 4–6 (h̃ from the candidate c̃, not from c); u: Semeniuta et al. 2016, eqs. 13–15; m: dropout
    on the memory cell itself.

    >>> list(LSTM().states), LSTM.gates
    (['hidden', 'cell'], 4)
    """

    kind: ClassVar[str] = "lstm"
    noun: ClassVar[str] = "LSTM"
    gates: ClassVar[int] = 4
    states: ClassVar[Mapping[str, str]] = {"hidden": "hidden", "cell": "cell"}
    sites: ClassVar[tuple[str, ...]] = ("cell", "hidden", "update", "memory", "output", "recurrent")
    forget_gate: ClassVar[int | None] = 1
    fast_sites: ClassVar[tuple[str, ...]] = ("cell", "hidden", "update", "memory", "output")
    held: ClassVar[tuple[int, int]] = (13, 45)

    def step(self, x: Tensor, states: States, weights: Weights, masks: Masks) -> States:
        h, c = states
        i, f, g, o = recur(drop(h, masks.get("recurrent")), weights["weight_hh"], x).chunk(4, -1)
        i, f, o = sigmoid(i), sigmoid(f), sigmoid(o)
        new_c = drop(f * c + drop(i * torch.tanh(g), masks.get("update")), masks.get("memory"))
        record_gates({"cell": drop(f, masks.get("memory"))}, input=i, forget=f, output=o)
        return drop(o * torch.tanh(new_c), masks.get("output")), new_c
