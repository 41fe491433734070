"""The LSTM whose update mask also mixes its output gate with the one before: the variant of Krueger et al. 2017, section 3.3."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.arithmetic import drop, preserve, sigmoid
from zoneout_lab.ops.cells.base import Cell, Masks, States, Step, Weights
from zoneout_lab.ops.gates import record_gates
from zoneout_lab.ops.matmul import recur

Reading = Literal["printed", "intended"]


@dataclass(frozen=True)
class OutputGateLSTM(Cell):
    """The LSTM whose dropped updates keep the output gate too (Krueger et al. 2017, section 3.3).

    c_t = f ⊙ c_{t−1} + d ⊙ i ⊙ g, and the same d mixes o_t with o_{t−1}. With d ~ Bernoulli(1 − p), 1 where recurrent dropout keeps the update,

        h_t = (d ⊙ o_{t−1} + (1 − d) ⊙ o_t) ⊙ tanh(c_t)    as printed
        h_t = (d ⊙ o_t + (1 − d) ⊙ o_{t−1}) ⊙ tanh(c_t)    as intended

    The text motivates it as preserving the output gate *where the update is dropped*, which is the second; the printed sign does the
    opposite. The first timestep of a sequence has no gate before it and uses its own. Without a mask nothing is dropped, and the
    printed formula still uses o_{t−1} everywhere. ``update`` is the only site.

    Args:
        reading: ``intended`` or ``printed``.

    Raises:
        InputRefusedError: another reading.

    >>> OutputGateLSTM().reading
    'intended'
    """

    kind: ClassVar[str] = "output_gate_lstm"
    noun: ClassVar[str] = "LSTM that mixes output gates"
    gates: ClassVar[int] = 4
    states: ClassVar[Mapping[str, str]] = {"hidden": "", "cell": ""}
    sites: ClassVar[tuple[str, ...]] = ("update",)
    forget_gate: ClassVar[int | None] = 1
    states_suffice: ClassVar[bool] = False  # a timestep also needs the output gate before it

    reading: Reading = "intended"

    def __post_init__(self) -> None:
        if self.reading not in get_args(Reading):
            raise InputRefusedError(
                f"the output-gate LSTM's reading is {self.reading!r}; choose one of {', '.join(get_args(Reading))}."
            )

    def begin(self, weights: Weights, *, training: bool = False, moves: bool = False) -> Step:
        before: list[Tensor] = []

        def step(x: Tensor, states: States, masks: Masks) -> States:
            gate, c = self._gate_and_cell(x, states, weights, masks)
            dropped = masks.get("update", x.new_zeros(1))
            mixed = (
                preserve(before.pop(), gate, 1 - dropped if self.reading == "printed" else dropped) if before else gate
            )
            before.append(gate)
            return mixed * torch.tanh(c), c

        return step

    def step(self, x: Tensor, states: States, weights: Weights, masks: Masks) -> States:
        """The first timestep of a sequence."""
        gate, c = self._gate_and_cell(x, states, weights, masks)
        return gate * torch.tanh(c), c

    @staticmethod
    def _gate_and_cell(x: Tensor, states: States, weights: Weights, masks: Masks) -> tuple[Tensor, Tensor]:
        h, c = states
        i, f, g, o = recur(h, weights["weight_hh"], x).chunk(4, -1)
        i, f, o = sigmoid(i), sigmoid(f), sigmoid(o)
        record_gates({"cell": f}, input=i, forget=f, output=o)
        return o, f * c + drop(i * torch.tanh(g), masks.get("update"))
