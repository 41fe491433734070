"""Loss and score of every replica on a split: in batches, or as one sequence with carried state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from zoneout_lab import interrupts
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.metrics import Score, as_score
from zoneout_lab.ops.reference import versions
from zoneout_lab.tasks.base import Carried, Data, Examples, Split, Stream
from zoneout_lab.training.losses import averaged_loss, each_loss, means
from zoneout_lab.training.model import SequenceModel, States
from zoneout_lab.training.step import reads

Values = npt.NDArray[np.float64]
BATCH = 64
WINDOW = 512


def evaluate(
    model: SequenceModel,
    split: Split,
    score: str | Score,
    *,
    first: int | None = None,
    samples: int = 1,
    batch: int = BATCH,
) -> dict[str, Values]:
    """Loss and score of each replica on a split, or on about its first ``first`` examples: name → [R].

    Carried streams are read side by side, each from a zero state to its end.

    Args:
        model: R replicas. It is left in evaluation mode.
        split: on the model's device.
        score: a task's own, or the name of a built-in one (:data:`~zoneout_lab.metrics.SCORES`).
        first: examples, chunks or, of carried streams, windows, each stream's counted.
        samples: passes whose predictions are averaged: probabilities, or real values.
        batch: examples read at once.

    Sampled evaluation starts from the same draw each time, so that it is as repeatable as the expectation.
    """
    batches = split.in_order(min(batch, first or batch))
    return _over(model, batches, score, first=first, samples=samples, carried=isinstance(split, Carried))


def evaluate_whole(
    model: SequenceModel, stream: Stream | Carried, score: str | Score, *, samples: int = 1
) -> dict[str, Values]:
    """Loss and score of each replica over the whole stream, read as one sequence at batch 1 with carried state: name → [R].

    Averaged passes carry a state each.
    """
    return _over(model, stream.whole(WINDOW), score, first=None, samples=samples, carried=True)


def evaluate_selected(model: SequenceModel, data: Data, score: str | Score, *, samples: int = 1) -> dict[str, Values]:
    """What is reported of a selected checkpoint, metric → [R].

    Examples: the test split. A stream: the test split in chunks, and every split as one sequence. Carried streams: the test split as
    one sequence, as Zaremba et al. 2014 test, and in as many streams as the validation split; the other splits as one sequence. Of the
    training text that is its beginning, as much as there is for validation.
    """
    score = as_score(score)
    wholes: dict[str, Stream | Carried] = {}
    if not isinstance(data.valid, Examples) and not isinstance(data.train, Examples):
        beginning = replace(data.valid, symbols=data.train.symbols[: len(data.valid)])
        wholes = {"train_eval": beginning, "valid": data.valid}
    if isinstance(data.test, Carried) and isinstance(data.valid, Carried):
        tested = evaluate_whole(model, data.test, score, samples=samples)
        side_by_side = replace(data.test, streams=min(data.valid.streams, len(data.test) - 1))
        found = {f"test_{score.name}_streams": evaluate(model, side_by_side, score, samples=samples)[score.name]}
    else:
        tested = evaluate(model, data.test, score, samples=samples)
        found = {}
        if isinstance(data.test, Stream):
            wholes["test"] = data.test
    found |= {f"test_{name}": value for name, value in tested.items()}
    for split, stream in wholes.items():
        found[f"{split}_{score.name}_full"] = evaluate_whole(model, stream, score, samples=samples)[score.name]
    return found


@torch.no_grad()
def _over(
    model: SequenceModel,
    batches: Iterable[tuple[Tensor, Tensor]],
    given: str | Score,
    *,
    first: int | None,
    samples: int,
    carried: bool,
) -> dict[str, Values]:
    score = as_score(given)
    model.eval()
    model.rnn.draw = 0
    loss: Values = np.zeros(model.readout_bias.shape[0])
    tallied: Values | None = None
    count = 0
    states: list[States | None] = [None] * samples
    with _seeds_of_evaluation(model):
        for inputs, targets in batches:
            interrupts.check()
            each, guess, states = _predicted(model, inputs[None], targets[None], states, carried)
            loss += means(each).double().cpu().numpy() * targets.numel()
            if score.tally is not None:
                tallied = _added(tallied, score, guess, targets[None])
            count += targets.numel()
            if first is not None and count >= first * (targets.numel() // targets.shape[-1]):
                break
    mean = loss / count
    return {"loss": mean, score.name: _value(score, mean, None if tallied is None else tallied / count)}


def _added(before: Values | None, score: Score, guess: Tensor, targets: Tensor) -> Values:
    """What a score counts, added to what it counted before; InputRefusedError unless it is one number or array for each replica."""
    assert score.tally is not None
    before_it = versions((targets,))
    found = score.tally(guess, targets)
    if versions((targets,)) != before_it:
        raise InputRefusedError(
            f"The score {score.name!r} changed the targets in place: let its tally compute new tensors, or work on targets.clone()."
        )
    if not isinstance(found, Tensor) or found.is_complex() or found.shape[:1] != guess.shape[:1]:
        what = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise InputRefusedError(
            f"The score {score.name!r} counts {what}; its tally has to return a real tensor [R] or [R, …], here with R = {len(guess)}."
        )
    counted = found.double().cpu().numpy()
    if before is not None and before.shape != counted.shape:
        raise InputRefusedError(
            f"The score {score.name!r} counts shape {list(counted.shape)} in one batch and {list(before.shape)} in those before: its tally "
            "has to return the same shape for every batch."
        )
    return counted if before is None else before + counted


def _value(score: Score, loss: Values, tallied: Values | None) -> Values:
    if score.value is None:
        raise InputRefusedError(
            f"The score {score.name!r} does not say how it is computed; give it a function, value=."
        )
    value = np.asarray(score.value(loss, tallied), dtype=np.float64)
    if value.shape != loss.shape:
        raise InputRefusedError(
            f"The score {score.name!r} computes shape {list(value.shape)} from the losses of {len(loss)} models; its value has to be one "
            "number for each."
        )
    return value


@contextmanager
def _seeds_of_evaluation(model: SequenceModel) -> Iterator[None]:
    """Masks from keys that training never uses where the evaluation is ``fresh``; otherwise from training's, whose counters differ."""
    seeds = model.rnn.mask_seeds
    if model.evaluation == "fresh":
        model.rnn.mask_seeds = tuple((seed + 2**63) % 2**64 for seed in seeds)
    try:
        yield
    finally:
        model.rnn.mask_seeds = seeds


def _predicted(
    model: SequenceModel, inputs: Tensor, targets: Tensor, states: list[States | None], carried: bool
) -> tuple[Tensor, Tensor, list[States | None]]:
    """Each prediction's loss [R, predictions], what orders the classes [R, …, C], and the states after it, over the passes."""
    losses: list[Tensor] = []
    after: list[States | None] = []
    total: Tensor | None = None
    real = targets.is_floating_point()
    for state in states:
        logits, final = model.forward_with_states(inputs, state, reads(targets))
        after.append(final if carried else None)
        if len(states) == 1:
            return each_loss(logits, targets), logits, after
        part = logits if real else torch.softmax(logits, -1)
        total = part if total is None else total + part
        if not real:
            losses.append(each_loss(logits, targets))
    assert total is not None
    mean = total / len(states)
    return each_loss(mean, targets) if real else averaged_loss(losses), mean, after
