"""The sLSTM of the xLSTM: exponential gates, kept in range by a normaliser and a stabiliser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from zoneout_lab.ops.arithmetic import drop, preserve, sigmoid
from zoneout_lab.ops.cells.base import Cell, Masks, States, Weights
from zoneout_lab.ops.gates import record_gates
from zoneout_lab.ops.matmul import recur


@dataclass(frozen=True)
class SLSTM(Cell):
    """sLSTM (Beck et al. 2024, section 2.2 and eqs. 8–17), with one head and a logistic forget gate.

    With ĩ, f̃, g̃, õ the blocks of W x_t + U h_{t−1} + b, masks u, d at ``update`` and ``output``, and e^m the scale that c and n are kept in,

        m̃_t = max(log σ(f̃) + m_{t−1}, ĩ)      i' = exp(ĩ − m̃_t)      f' = exp(log σ(f̃) + m_{t−1} − m̃_t)
        c̃_t = f' ⊙ c_{t−1} + (1 − u) ⊙ i' ⊙ tanh(g̃)      ñ_t = f' ⊙ n_{t−1} + i'
        h̃_t = (1 − d) ⊙ σ(õ) ⊙ c̃_t / ñ_t

    Where n_{t−1} is 0 nothing is remembered yet, and m̃_t = ĩ, so that ñ_t is never 0. What the cell remembers is c e^m and n e^m: zoneout at
    ``cell`` preserves c, n and m together,

        c_t = (z ⊙ c_{t−1} e^{m_{t−1}} + (1 − z) ⊙ c̃_t e^{m̃_t}) e^{−m_t}      n_t likewise,

    with m_t the larger of the two scales that have a part in it. Under a mask of zeros and ones that is the old c, n, m or the new ones;
    where z is a mean it is the mean of the memories, which mixing c, n and m each by itself would not be.

    >>> list(SLSTM().states.items())
    [('hidden', 'hidden'), ('cell', 'cell'), ('normaliser', 'cell'), ('stabiliser', 'cell')]
    """

    kind: ClassVar[str] = "slstm"
    noun: ClassVar[str] = "sLSTM"
    gates: ClassVar[int] = 4
    states: ClassVar[Mapping[str, str]] = {
        "hidden": "hidden",
        "cell": "cell",
        "normaliser": "cell",
        "stabiliser": "cell",
    }
    sites: ClassVar[tuple[str, ...]] = ("cell", "hidden", "update", "output", "recurrent")
    forget_gate: ClassVar[int | None] = 1
    states_suffice: ClassVar[bool] = False  # (c e^a, n e^a, m − a) is the same memory for every a

    def step(self, x: Tensor, states: States, weights: Weights, masks: Masks) -> States:
        h, c, n, m = states
        i, f, g, o = recur(drop(h, masks.get("recurrent")), weights["weight_hh"], x).chunk(4, -1)
        forgotten = F.logsigmoid(f) + m
        new_m = torch.where(n == 0, i, torch.maximum(forgotten, i))
        # at most 1 each; where nothing is remembered there is nothing to scale
        write, keep = torch.exp(i - new_m), torch.exp((forgotten - new_m).clamp(max=0))
        new_c = keep * c + drop(write * torch.tanh(g), masks.get("update"))
        new_n = keep * n + write
        forget, o = sigmoid(f), sigmoid(o)
        # of what is remembered, c e^m: the scale is not part of it, and the exponential input gate has no upper bound
        record_gates({"cell": forget}, forget=forget, output=o)
        return drop(o * new_c / new_n, masks.get("output")), new_c, new_n, new_m

    def preserve(self, states: States, candidates: States, masks: Masks) -> States:
        h, c, n, m = states
        new_h, new_c, new_n, new_m = candidates
        z = masks.get("cell")
        h = preserve(h, new_h, masks.get("hidden"))
        if z is None:
            return h, new_c, new_n, new_m
        has_old, has_new = (z > 0) & (n != 0), z < 1
        scale = torch.where(has_old & has_new, torch.maximum(m, new_m), torch.where(has_new, new_m, m))
        old, new = torch.exp((m - scale).clamp(max=0)), torch.exp((new_m - scale).clamp(max=0))
        return h, preserve(c * old, new_c * new, z), preserve(n * old, new_n * new, z), scale
