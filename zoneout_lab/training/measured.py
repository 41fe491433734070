"""What is measured of models in training, on the first validation examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zoneout_lab.measures import Batch, Measure, refuse_other_labels, take
from zoneout_lab.tasks.base import Split
from zoneout_lab.training.losses import loss_by_replica
from zoneout_lab.training.model import SequenceModel

if TYPE_CHECKING:
    import xarray as xr

Measured = dict[int, "xr.Dataset"]  # epoch → what was measured after it


def first_batch(split: Split, examples: int) -> Batch:
    """The first examples of a split, as measures take them."""
    inputs, targets = next(split.in_order(examples))
    return Batch(inputs[None], targets[None], loss_by_replica)


def measured(
    measure: Measure, model: SequenceModel, batch: Batch, before: Sequence[Measured], epoch: int
) -> list[xr.Dataset]:
    """What a measure finds in each replica; an empty list where there is nothing to measure.

    Args:
        measure, model, batch: taken of this model on these examples.
        before: of each replica, what was measured after earlier epochs.
        epoch: after which the model is measured.

    Raises InputRefusedError where a measurement differs from an earlier one in the length or the labels of a dimension.
    """
    found = take(measure, model, batch, len(before))
    for dataset, earlier in zip(found, before, strict=False):
        for then, other in earlier.items():
            refuse_other_labels(measure, other, dataset, f"after epoch {then}", f"after epoch {epoch}")
    return found
