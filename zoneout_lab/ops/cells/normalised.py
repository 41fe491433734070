"""What the LSTMs with normalised products have in common: gains, a shift, and one timestep around a normalisation.

With N a normalisation to mean 0 and variance 1 (+ ε) and a gain γ for each column,

    i, f, o, g before their functions = γ_x ⊙ N(W x_t) + γ_h ⊙ N(U h_{t−1}) + b
    c̃_t = f ⊙ c_{t−1} + i ⊙ g            h̃_t = o ⊙ tanh(γ_c ⊙ N(c̃_t) + β_c)

Only the way to h̃ sees the normalised cell. Masks act as in :class:`zoneout_lab.ops.cells.lstm.LSTM`; preserving comes after normalising.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from zoneout_lab.ops.arithmetic import drop, sigmoid
from zoneout_lab.ops.cells.base import Cell, Masks, Parameter, States, Weights, bias_of
from zoneout_lab.ops.gates import record_gates
from zoneout_lab.ops.matmul import project, recur

#: what is normalised, and how many columns it has in units
POINTS = {"input": 4, "hidden": 4, "cell": 1}

#: N as a function of a point (a key of :data:`POINTS`) and values [R, B, columns]
Normalise = Callable[[str, Tensor], Tensor]


class NormalisedLSTM(Cell):
    """An LSTM with normalised products, whatever the normalisation. ``bias_ih`` and ``bias_hh`` are added after it."""

    gates: ClassVar[int] = 4
    states: ClassVar[Mapping[str, str]] = {"hidden": "hidden", "cell": "cell"}
    sites: ClassVar[tuple[str, ...]] = ("cell", "hidden", "update", "memory", "output", "recurrent")
    forget_gate: ClassVar[int | None] = 1

    def project(self, x: Tensor, weights: Weights) -> Tensor:
        return project(x, weights["weight_ih"])


def gains_and_shift(gamma: float, units: int) -> dict[str, Parameter]:
    """γ_x, γ_h [4H] and γ_c [H], which start at ``gamma``, and β_c [H], which starts at 0."""
    gains = {f"gain_{point}": Parameter((columns * units,), gamma) for point, columns in POINTS.items()}
    return gains | {"shift_cell": Parameter((units,), 0.0)}


def normalised_step(x: Tensor, states: States, weights: Weights, masks: Masks, normalise: Normalise) -> States:
    """One timestep around a normalisation: arguments and result as for :meth:`zoneout_lab.ops.cells.base.Cell.step`."""
    h, c = states
    from_h = recur(drop(h, masks.get("recurrent")), weights["weight_hh"], torch.zeros_like(x))
    gates = _scaled(normalise("input", x), weights, "input") + _scaled(normalise("hidden", from_h), weights, "hidden")
    bias = bias_of(weights)
    i, f, g, o = (gates if bias is None else gates + bias[:, None]).chunk(4, -1)
    i, f, o = sigmoid(i), sigmoid(f), sigmoid(o)
    new_c = drop(f * c + drop(i * torch.tanh(g), masks.get("update")), masks.get("memory"))
    record_gates({"cell": drop(f, masks.get("memory"))}, input=i, forget=f, output=o)
    seen = _scaled(normalise("cell", new_c), weights, "cell") + weights["shift_cell"][:, None]
    return drop(o * torch.tanh(seen), masks.get("output")), new_c


def _scaled(value: Tensor, weights: Weights, point: str) -> Tensor:
    gain = weights.get(f"gain_{point}")
    return value if gain is None else gain[:, None] * value
