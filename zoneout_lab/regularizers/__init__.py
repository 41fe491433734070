"""Regularizers of recurrent networks. This list is the registry: a new one is a file here and a line below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoneout_lab import parts
from zoneout_lab.ops.reference import CELLS
from zoneout_lab.regularizers.base import INVERTED, STACK_SITES, Regularizer
from zoneout_lab.regularizers.cell_shift import CellShift
from zoneout_lab.regularizers.combined import Combined, OtherCell, cell_of, part_of
from zoneout_lab.regularizers.dropout import CellDropout, HiddenDropout, NonRecurrentDropout, RecurrentDropout
from zoneout_lab.regularizers.input_mask import InputMask
from zoneout_lab.regularizers.none import NoRegularizer
from zoneout_lab.regularizers.norm_stabilizer import NormStabilizer
from zoneout_lab.regularizers.normalised import LayerNorm, RecurrentBatchNorm
from zoneout_lab.regularizers.sequence_dropout import RnnDrop, VariationalDropout
from zoneout_lab.regularizers.weight_noise import WeightNoise
from zoneout_lab.regularizers.zoneout import Zoneout

REGULARIZERS: dict[str, type[Regularizer]] = {
    regularizer.kind: regularizer
    for regularizer in (
        NoRegularizer,
        Zoneout,
        RecurrentDropout,
        CellDropout,
        HiddenDropout,
        RnnDrop,
        VariationalDropout,
        NonRecurrentDropout,
        WeightNoise,
        NormStabilizer,
        InputMask,
        CellShift,
        RecurrentBatchNorm,
        LayerNorm,
        Combined,
    )
}


def to_json(regularizer: Regularizer) -> dict[str, Any]:
    """A regularizer as JSON: its kind and its fields, without those that are None.

    >>> to_json(RecurrentDropout(0.25))
    {'kind': 'recurrent_dropout', 'p': 0.25}
    """
    return parts.to_json(regularizer, REGULARIZERS)


def from_json(value: Mapping[str, Any] | str) -> Regularizer:
    """The regularizer that :func:`to_json` wrote.

    Raises UsageError for an unknown kind or field, InputRefusedError for a value that cannot be.

    >>> from_json({"kind": "recurrent_dropout", "p": 0.05})
    RecurrentDropout(p=0.05)
    """
    return parts.from_json(value, REGULARIZERS, Regularizer)  # type: ignore[type-abstract]


def structure(regularizer: Regularizer, cell: str) -> str:
    """What replicas of one model have to agree in: the cell that computes them, and whether a fast path may.

    >>> (
    ...     structure(Zoneout(0.5), "lstm"),
    ...     structure(VariationalDropout(recurrent=0.1), "lstm"),
    ...     structure(LayerNorm(), "lstm"),
    ... )
    ('fast', 'reference', 'LayerNorm(gamma=1.0, epsilon=1e-05)')
    """
    other = cell_of(regularizer)
    if other is not None:
        return f"{other.kind} {other.reading}" if isinstance(other, InputMask) else repr(other)
    return "fast" if regularizer.for_training(1).masks(cell).keys() <= set(CELLS[cell][2]) else "reference"


__all__ = [
    "INVERTED",
    "REGULARIZERS",
    "STACK_SITES",
    "CellDropout",
    "CellShift",
    "Combined",
    "HiddenDropout",
    "InputMask",
    "LayerNorm",
    "NoRegularizer",
    "NonRecurrentDropout",
    "NormStabilizer",
    "OtherCell",
    "RecurrentBatchNorm",
    "RecurrentDropout",
    "Regularizer",
    "RnnDrop",
    "VariationalDropout",
    "WeightNoise",
    "Zoneout",
    "cell_of",
    "from_json",
    "part_of",
    "structure",
    "to_json",
]
