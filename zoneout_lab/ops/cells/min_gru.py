"""The minimal gated recurrent unit, whose gate and candidate see the input alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from zoneout_lab.ops.arithmetic import drop, sigmoid
from zoneout_lab.ops.cells.base import Cell, Masks, Parameter, States, Weights
from zoneout_lab.ops.gates import record_gates


@dataclass(frozen=True)
class MinGRU(Cell):
    """minGRU (Feng et al. 2024, section 3.1): a GRU without its reset gate, whose products take no state.

    With masks u, d at ``update`` and ``output``, and k the gate that the paper calls z, which is the zoneout rate here,

        k_t = σ(W_k x_t + b_k)      n_t = W_n x_t + b_n
        h̃_t = (1 − d) ⊙ ((1 − k_t) ⊙ h_{t−1} + (1 − u) ⊙ k_t ⊙ n_t)

    There are no recurrent weights, so ``recurrent`` is not a site, and one bias. The paper trains it as a parallel scan; this is the same
    recurrence, timestep by timestep, which masks on the state need.

    >>> sorted(MinGRU().parameters(inputs=3, units=4))
    ['bias_ih', 'weight_ih']
    """

    kind: ClassVar[str] = "min_gru"
    noun: ClassVar[str] = "minGRU"
    gates: ClassVar[int] = 2
    sites: ClassVar[tuple[str, ...]] = ("hidden", "update", "output")

    def parameters(self, inputs: int, units: int) -> Mapping[str, Parameter]:
        return {"weight_ih": Parameter((2 * units, inputs)), "bias_ih": Parameter((2 * units,))}

    def step(self, x: Tensor, states: States, weights: Weights, masks: Masks) -> States:
        (h,) = states
        gate, candidate = x.chunk(2, -1)
        write = sigmoid(gate)
        record_gates({"hidden": drop(1 - write, masks.get("output"))}, write=write)
        return (drop((1 - write) * h + drop(write * candidate, masks.get("update")), masks.get("output")),)
