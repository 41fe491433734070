"""The model under study: encoded symbols, a recurrent stack and a linear readout, R of them stacked along a leading axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.frozen import Seeds
from zoneout_lab.layers import Recurrent
from zoneout_lab.layers.noise import Noise
from zoneout_lab.ops.matmul import project
from zoneout_lab.regularizers import Regularizer
from zoneout_lab.settings import Model
from zoneout_lab.training.initial import initialise

States = tuple[Tensor, ...]
Evaluation = Literal["expectation", "sampled", "monte_carlo", "fresh"]

#: symbols above which a one-hot encoding is refused: its memory and products grow with the vocabulary
MOST_ONE_HOT = 1000

READOUT, EMBEDDING = 2**16, 2**16 + 1  # which matrices these are for weight noise: those of the layers count from 0


class SequenceModel(nn.Module):
    """R models in one: symbols encoded, recurrent layers, a readout of the last timesteps.

    Args:
        model: cell, width, depth, embedding and initialisation.
        input_size, output_size: I features or V symbols, and C.
        regularizers, seeds: one for each replica.
        evaluation: ``expectation``, or masks that are drawn in evaluation too. Averaging over draws, and drawing from other seeds
            than training's, is :mod:`zoneout_lab.training.evaluate`'s.

    Attributes:
        evaluation: as given.
        rnn: the recurrent layers.
        embedding: [R, V, E], or None where symbols go in one-hot.
        readout_weight, readout_bias: [R, C, H] and [R, C].

    A replica's initial parameters depend on its own seed alone (:mod:`zoneout_lab.training.initial`). What a regularizer does outside
    the recurrence is done here: weight noise on readout and embedding, whole symbols dropped.
    """

    def __init__(
        self,
        model: Model,
        input_size: int,
        output_size: int,
        *,
        regularizers: Sequence[Regularizer],
        seeds: Sequence[Seeds],
        evaluation: Evaluation = "expectation",
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.evaluation = evaluation
        with torch.random.fork_rng(
            devices=[]
        ):  # layers draw first weights from the caller's generator, and lose them below
            self.rnn = _recurrent(model, model.embedding or input_size, regularizers, seeds, evaluation)
        R = len(seeds)
        self.readout_weight = nn.Parameter(torch.empty(R, output_size, model.hidden))
        self.readout_bias = nn.Parameter(torch.empty(R, output_size))
        self.embedding: nn.Parameter | None = None
        if model.embedding:
            self.embedding = nn.Parameter(torch.empty(R, input_size, model.embedding))
        for r, seed in enumerate(seeds):
            initialise(self, r, model, torch.Generator().manual_seed(seed.init))

    def forward(self, x: Tensor, state: States | None = None, reads: int | None = None) -> Tensor:
        """Logits of the last timestep, [R, B, C], or with ``reads`` of the last so many, [R, reads, B, C].

        Args:
            x: float [R or 1, T, B, I], or integer symbols [R or 1, T, B] below V.
            state: initial states in the order of the cell's, (h, c) of an LSTM, [R, L, B, H] each; by default learned or zero.
            reads: None, or from 1 to T.

        Raises:
            InputRefusedError: an embedding of inputs that are not symbols, or too many symbols to encode one-hot.
        """
        return self.forward_with_states(x, state, reads)[0]

    def forward_with_states(
        self, x: Tensor, state: States | None = None, reads: int | None = None
    ) -> tuple[Tensor, States]:
        """As :meth:`forward`, with the final states."""
        with self.rnn.one_pass() as noise:
            encoded = self._encode(x, noise)
            weight = noise.noisy(self.readout_weight, READOUT)
            out, final = self.rnn(encoded, state)
        return project(out[:, -1] if reads is None else out[:, -reads:], weight, self.readout_bias), final

    def read(self, out: Tensor) -> Tensor:
        """Outputs [R, …, H] to logits [R, …, C], without noise on the weights."""
        return project(out, self.readout_weight, self.readout_bias)

    def _encode(self, x: Tensor, noise: Noise) -> Tensor:
        samples = self.training or self.rnn.evaluation == "sampled"
        drops = samples and any("embedding" in regularizer.sites() for regularizer in noise.regularizers)
        if x.is_floating_point():
            if self.embedding is not None or drops:
                raise InputRefusedError(
                    "Only symbols have an embedding, and this task's inputs are real numbers: set model.embedding=0, and drop inputs "
                    "with a regularizer's input rate."
                )
            return x
        if self.embedding is not None:
            table = noise.noisy(self.embedding, EMBEDDING)
            encoded = torch.stack([F.embedding(x[r % len(x)], row) for r, row in enumerate(table)])
        elif self.input_size > MOST_ONE_HOT:
            raise InputRefusedError(
                f"{self.input_size:,} symbols are too many to go in one-hot (at most {MOST_ONE_HOT:,}): give the model an embedding, "
                "for example model.embedding=200."
            )
        else:
            # torch's one_hot would look at the data first, and wait for the device to do so
            encoded = (x[..., None] == torch.arange(self.input_size, device=x.device)).to(self.readout_weight.dtype)
        if not drops:
            return encoded
        kept = noise.stacked("embedding", 0, self.readout_weight.new_ones(1, 1, x.shape[2], self.input_size))
        symbols = x.expand(len(kept), -1, -1).transpose(1, 2)
        return encoded * kept[:, 0].gather(2, symbols).transpose(1, 2)[..., None]


def _recurrent(
    model: Model, input_size: int, regularizers: Sequence[Regularizer], seeds: Sequence[Seeds], evaluation: Evaluation
) -> Recurrent:
    return Recurrent(
        model.cell,
        input_size,
        model.hidden,
        model.layers,
        regularizer=regularizers,
        replicas=len(seeds),
        mask_seed=[seed.masks for seed in seeds],
        learned_state=model.learned_state,
        evaluation="expectation" if evaluation == "expectation" else "sampled",
    )
