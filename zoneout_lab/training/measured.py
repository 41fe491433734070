"""What is measured of models in training, on the first validation examples. A measure that fails costs no trained run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import torch

from zoneout_lab import interrupts
from zoneout_lab.engines.outcome import Outcome
from zoneout_lab.errors import InputRefusedError, LabError, TryAgainError, told
from zoneout_lab.measures import Batch, Measure, group_of, refuse_other_labels, take
from zoneout_lab.settings import Run
from zoneout_lab.tasks.base import Split
from zoneout_lab.training.losses import loss_by_replica
from zoneout_lab.training.model import SequenceModel

if TYPE_CHECKING:
    import xarray as xr


def first_batch(split: Split, examples: int) -> Batch:
    """The first examples of a split, as measures take them."""
    inputs, targets = next(split.in_order(examples))
    # copies: a measure that writes to them is refused, and the data must not have changed by then
    return Batch(inputs[None].clone(), targets[None].clone(), loss_by_replica)


def measure_runs(
    measures: Sequence[Measure],
    model: SequenceModel,
    split: Split,
    outcomes: Sequence[Outcome],
    epoch: int,
    which: Sequence[bool],
) -> None:
    """Measure all replicas on the first examples of a split, and keep the results of some of them, unless those have diverged.

    Where a measure fails, or its labels differ from an earlier epoch's, the run is left without this measurement, and its outcome says
    why.
    """
    runs = [cast(Run, outcome.run) for outcome in outcomes]
    batch = first_batch(split, runs[0].gradient_examples)
    kept = [wanted and outcome.status == "finished" for wanted, outcome in zip(which, outcomes, strict=True)]
    for measure in measures:
        interrupts.check()
        group = group_of(measure)
        found = _found(measure, model, batch, runs, kept)
        for outcome, keep, result in zip(outcomes, kept, found, strict=True):
            if not keep or result is None:
                continue
            earlier = outcome.measured.get(group, {})
            error = result if isinstance(result, LabError) else _other_labels(measure, result, earlier, epoch)
            if error is not None:
                outcome.unmeasured.setdefault(group, {})[epoch] = str(error)
            elif not isinstance(result, LabError):
                outcome.measured.setdefault(group, {})[epoch] = result


def _found(
    measure: Measure, model: SequenceModel, batch: Batch, runs: Sequence[Run], kept: Sequence[bool]
) -> Sequence[xr.Dataset | LabError | None]:
    """What a measure finds in each replica, why it failed, or None where there is nothing to measure."""
    try:
        return take(measure, model, batch, len(runs)) or [None] * len(runs)
    except LabError as error:
        if len(runs) == 1:
            return [error]
    except (MemoryError, RuntimeError) as error:  # too little memory, which `take` does not lay at the measure's door
        if len(runs) == 1:
            return [TryAgainError(f"measure {measure.kind!r} ran out of memory: {told(error)}")]
    # a failure does not say whose it is, and no run may lose anything by its company
    return [
        _found(measure, alone(model, r, run), batch, [run], [True])[0] if kept[r] else None
        for r, run in enumerate(runs)
    ]


def alone(model: SequenceModel, r: int, run: Run) -> SequenceModel:
    """One replica as a model of its own, with the counters and in the mode of the whole."""
    one = SequenceModel(
        run.setting.model,
        model.input_size,
        model.readout_bias.shape[1],
        regularizers=[model.rnn.regularizers[r]],
        seeds=[run.seeds],
        evaluation=model.evaluation,
    ).to(model.readout_bias.device)
    with torch.no_grad():
        for own, shared in zip(
            (*one.parameters(), *one.buffers()), (*model.parameters(), *model.buffers()), strict=True
        ):
            own.copy_(shared[r : r + 1])
    one.rnn.update, one.rnn.draw = int(model.rnn.update), int(model.rnn.draw)
    return one.train(model.training)


def _other_labels(
    measure: Measure, found: xr.Dataset, earlier: dict[int, xr.Dataset], epoch: int
) -> InputRefusedError | None:
    try:
        for then, other in earlier.items():
            refuse_other_labels(measure, other, found, f"after epoch {then}", f"after epoch {epoch}")
    except InputRefusedError as error:
        return error
    return None
