"""The model under study: a recurrent stack and a linear readout, R of them stacked along a leading axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from zoneout_lab.layers import GRU, LSTM, RNN, Recurrent
from zoneout_lab.layers.recurrent import Evaluation, Options
from zoneout_lab.ops.products import project
from zoneout_lab.regularizers import Regularizer
from zoneout_lab.settings import Model, Seeds

READOUT = 2**16  # which matrix the readout is for weight noise: those of the layers count from 0


class SequenceModel(nn.Module):
    """R models in one: recurrent layers, then a readout of every timestep or of the last.

    Args:
        model: cell, width and depth.
        input_size, output_size: I and C.
        every_step: logits at every timestep, otherwise at the last.
        regularizers, seeds: one for each replica.
        evaluation: ``expectation`` or ``sampled``.

    A replica's initial weights depend on its own seed alone: uniform in [−1/√H, 1/√H], biases 0, the LSTM's forget bias as set.
    """

    def __init__(
        self,
        model: Model,
        input_size: int,
        output_size: int,
        *,
        every_step: bool,
        regularizers: Sequence[Regularizer],
        seeds: Sequence[Seeds],
        evaluation: Evaluation = "expectation",
    ) -> None:
        super().__init__()
        self.every_step = every_step
        self.rnn = _recurrent(model, input_size, regularizers, seeds, evaluation)
        R = len(seeds)
        self.readout_weight = nn.Parameter(torch.empty(R, output_size, model.hidden))
        self.readout_bias = nn.Parameter(torch.empty(R, output_size))
        with torch.no_grad():
            for r, seed in enumerate(seeds):
                self._initialise(r, torch.Generator().manual_seed(seed.init), model)

    def forward(self, x: Tensor, state: tuple[Tensor, ...] | None = None) -> Tensor:
        """x [R or 1, T, B, I] to logits [R, T, B, C] or [R, B, C]."""
        draws = self.rnn.draws()  # of this pass: the next one draws others
        out, _ = self.rnn(x, state)
        weight = draws.noisy(self.readout_weight, READOUT)
        return project(out if self.every_step else out[:, -1], weight, self.readout_bias)

    def read(self, out: Tensor) -> Tensor:
        """Outputs [R, …, H] to logits [R, …, C], without noise on the weights."""
        return project(out, self.readout_weight, self.readout_bias)

    def _initialise(self, r: int, generator: torch.Generator, model: Model) -> None:
        for name, parameter in self.named_parameters():
            row = parameter[r]
            if ".gain_" in name or ".shift_" in name:
                continue  # as the regularizer that has them sets them
            if "bias" in name or "initial" in name:
                row.zero_()
            else:
                bound = 1 / math.sqrt(model.hidden)
                row.copy_(torch.rand(row.shape, generator=generator) * (2 * bound) - bound)
            if model.cell == "lstm" and ".bias_ih" in name:
                row[model.hidden : 2 * model.hidden] = model.forget_bias


def _recurrent(
    model: Model, input_size: int, regularizers: Sequence[Regularizer], seeds: Sequence[Seeds], evaluation: Evaluation
) -> Recurrent:
    options: Options = {
        "regularizer": regularizers,
        "replicas": len(seeds),
        "mask_seed": [seed.masks for seed in seeds],
        "learned_state": model.learned_state,
        "evaluation": evaluation,
    }
    if model.cell == "lstm":
        return LSTM(input_size, model.hidden, model.layers, **options)
    if model.cell == "gru":
        return GRU(input_size, model.hidden, model.layers, **options)
    nonlinearity: Literal["relu", "tanh"] = "relu" if model.cell == "rnn_relu" else "tanh"
    return RNN(input_size, model.hidden, model.layers, nonlinearity, **options)
