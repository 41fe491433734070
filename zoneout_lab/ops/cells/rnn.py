"""The plain recurrent network of Elman (1990), with tanh or relu."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from zoneout_lab.ops.arithmetic import drop
from zoneout_lab.ops.cells.base import Cell, Masks, States, Weights
from zoneout_lab.ops.matmul import recur


@dataclass(frozen=True)
class TanhRNN(Cell):
    """The tanh-RNN of Elman (1990), as torch.nn.RNN computes it.

    h̃_t = (1 − d) ⊙ tanh(W x_t + U ((1 − v) ⊙ h_{t−1}) + b), with masks d at ``output`` and v at ``recurrent``.

    >>> TanhRNN.sites
    ('hidden', 'output', 'recurrent')
    """

    kind: ClassVar[str] = "rnn_tanh"
    noun: ClassVar[str] = "tanh-RNN"
    sites: ClassVar[tuple[str, ...]] = ("hidden", "output", "recurrent")
    fast_sites: ClassVar[tuple[str, ...]] = ("hidden", "output")
    held: ClassVar[tuple[int, int]] = (6, 14)

    def step(self, x: Tensor, states: States, weights: Weights, masks: Masks) -> States:
        (h,) = states
        new = torch.tanh(recur(drop(h, masks.get("recurrent")), weights["weight_hh"], x))
        return (drop(new, masks.get("output")),)


@dataclass(frozen=True)
class ReluRNN(Cell):
    """The tanh-RNN with relu in tanh's place, as torch.nn.RNN computes it (Le et al. 2015 start it from the identity).

    >>> ReluRNN().kind
    'rnn_relu'
    """

    kind: ClassVar[str] = "rnn_relu"
    noun: ClassVar[str] = "relu-RNN"
    sites: ClassVar[tuple[str, ...]] = TanhRNN.sites
    fast_sites: ClassVar[tuple[str, ...]] = TanhRNN.fast_sites
    held: ClassVar[tuple[int, int]] = TanhRNN.held

    def step(self, x: Tensor, states: States, weights: Weights, masks: Masks) -> States:
        (h,) = states
        new = torch.relu(recur(drop(h, masks.get("recurrent")), weights["weight_hh"], x))
        return (drop(new, masks.get("output")),)
