"""What is measured of models in training, for each replica: gradient flow, and what is left of a perturbation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from zoneout_lab.measures import growth, norms
from zoneout_lab.measures.unmoved import unmoved
from zoneout_lab.tasks.base import Split
from zoneout_lab.training.model import SequenceModel
from zoneout_lab.training.step import reads
from zoneout_lab.training.sums import loss_by_replica


@dataclass(frozen=True)
class Measured:
    """A measurement of one run under the masks of training and without noise: values [layer, state, …] and their labels."""

    noisy: npt.NDArray[np.float64]
    without_noise: npt.NDArray[np.float64]
    layers: list[str]
    states: list[str]


def gradients(model: SequenceModel, split: Split, examples: int) -> list[Measured]:
    """Norms [layer, state, point, time] on the first examples, each by its own loss; one for each replica."""
    inputs, targets = next(split.in_order(examples))
    found = []
    for noisy in (True, False):
        with _noise(model, on=noisy), unmoved(norms_suffice=True) as trace:
            logits = model(inputs[None], reads=reads(targets[None]))
            # times the number of examples: the norm of one example's gradient must not depend on how many there are
            loss = loss_by_replica(logits, targets[None]).sum() * targets.shape[-1]
        found.append(norms(trace, loss))
    return _by_replica(found)


def perturbations(model: SequenceModel, split: Split, examples: int) -> list[Measured]:
    """What is left of a perturbation halfway through the first examples [layer, state, lag], one for each replica.

    Nothing where sequences have a single timestep. Both halves have the masks of one update, so one that is fixed for a sequence goes
    on; but timesteps are counted from the perturbation, for masks that differ by timestep and for a batch-normalised cell.
    """
    inputs, _ = next(split.in_order(examples))
    half = len(inputs) // 2
    if half == 0:
        return []
    found = []
    for noisy in (True, False):
        with _noise(model, on=noisy):
            with torch.no_grad(), unmoved():
                _, states = model.run(inputs[None, :half])
            found.append(growth(model, inputs[None, half:], states))
    return _by_replica(found)


@contextmanager
def _noise(model: SequenceModel, *, on: bool) -> Iterator[None]:
    """The model as in training, or as in an evaluation by expectations; afterwards it is as before."""
    rnn, training = model.rnn, model.training
    evaluation = rnn.evaluation
    model.train(on)
    rnn.evaluation = "expectation"
    try:
        yield
    finally:
        rnn.evaluation = evaluation
        model.train(training)


def _by_replica(found: list[tuple[npt.NDArray[np.float64], list[str], list[str]]]) -> list[Measured]:
    (noisy, layers, states), (silent, *_) = found
    return [Measured(*both, layers, states) for both in zip(noisy, silent, strict=True)]
