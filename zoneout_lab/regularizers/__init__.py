"""Regularizers of recurrent networks. This list is the registry: a new one is a file here and a line below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoneout_lab.parts import from_json as part_from_json
from zoneout_lab.parts import to_json as part_as_json
from zoneout_lab.regularizers.base import INVERTED, STACK_SITES, Combined, Regularizer, trained_for
from zoneout_lab.regularizers.dropout import CellDropout, HiddenDropout, NonRecurrentDropout, RecurrentDropout
from zoneout_lab.regularizers.formerly import FORMERLY, CellShift, InputMask, LayerNorm, RecurrentBatchNorm, separated
from zoneout_lab.regularizers.none import NoRegularizer
from zoneout_lab.regularizers.norm_stabilizer import NormStabilizer
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
        Combined,
    )
}


def to_json(regularizer: Regularizer) -> dict[str, Any]:
    """A regularizer as JSON: its kind, or where it comes from, and its fields, without those that are None.

    >>> to_json(RecurrentDropout(0.25))
    {'kind': 'recurrent_dropout', 'p': 0.25}
    """
    return part_as_json(regularizer, REGULARIZERS)


def from_json(value: Mapping[str, Any] | str) -> Regularizer:
    """The regularizer that :func:`to_json` wrote.

    Raises UsageError for an unknown kind or field, InputRefusedError for an impossible value.

    >>> from_json({"kind": "recurrent_dropout", "p": 0.05})
    RecurrentDropout(p=0.05)
    """
    return part_from_json(value, REGULARIZERS, Regularizer, formerly=FORMERLY)


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
    "RecurrentBatchNorm",
    "RecurrentDropout",
    "Regularizer",
    "RnnDrop",
    "VariationalDropout",
    "WeightNoise",
    "Zoneout",
    "from_json",
    "separated",
    "to_json",
    "trained_for",
]
