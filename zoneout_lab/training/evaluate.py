"""Loss and score of every replica on a split: in batches, or as one sequence with carried state."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch

from zoneout_lab.tasks.base import Split, Stream
from zoneout_lab.training.model import SequenceModel
from zoneout_lab.training.sums import loss_by_replica

Values = npt.NDArray[np.float64]
BATCH = 64
WINDOW = 512


@torch.no_grad()
def evaluate(model: SequenceModel, split: Split, score: str, *, first: int | None = None) -> dict[str, Values]:
    """Loss (nats) and score of each replica on a split, or on about its first ``first`` examples: name → [R].

    Sampled evaluation starts from the same draw each time, so that it is as repeatable as the expectation.
    """
    model.eval()
    model.rnn.draw = 0
    loss: Values = np.zeros(model.readout_bias.shape[0])
    wrong: Values = np.zeros_like(loss)
    count = 0
    for inputs, targets in split.in_order(min(BATCH, first or BATCH)):
        logits = model(inputs[None])
        loss += loss_by_replica(logits, targets[None]).double().cpu().numpy() * targets.numel()
        wrong += (logits.argmax(-1) != targets).flatten(1).sum(1).cpu().numpy()
        count += targets.numel()
        if first is not None and count >= first * (targets.numel() // targets.shape[-1]):
            break
    value = {"error": wrong / count, "bpc": loss / count / math.log(2)}[score]
    return {"loss": loss / count, score: value}


@torch.no_grad()
def evaluate_whole(model: SequenceModel, stream: Stream) -> Values:
    """Bits per character of each replica, [R], over the whole stream read as one sequence at batch 1 with carried state."""
    model.eval()
    model.rnn.draw = 0
    loss: Values = np.zeros(model.readout_bias.shape[0])
    count = 0
    state = None
    for inputs, targets in stream.whole(WINDOW):
        out, state = model.rnn(inputs[None], state)
        loss += loss_by_replica(model.read(out), targets[None]).double().cpu().numpy() * targets.numel()
        count += targets.numel()
    return loss / count / math.log(2)
