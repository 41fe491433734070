"""Regularizers of recurrent networks. This list is the registry: a new one is a file here and a line below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from zoneout_lab.errors import InputRefusedError, UsageError, unknown
from zoneout_lab.regularizers.base import INVERTED, STACK_SITES, Combined, Regularizer
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
    """A regularizer as JSON: its kind and its fields, without those that are None.

    >>> to_json(RecurrentDropout(0.25))
    {'kind': 'recurrent_dropout', 'p': 0.25}
    """
    if isinstance(regularizer, Combined):
        return {"kind": regularizer.kind, "parts": [to_json(part) for part in regularizer.parts]}
    values = asdict(regularizer)  # type: ignore[call-overload]
    return {"kind": regularizer.kind} | {
        name: list(v) if isinstance(v, tuple) else v for name, v in values.items() if v is not None
    }


def from_json(value: Mapping[str, Any]) -> Regularizer:
    """The regularizer that :func:`to_json` wrote.

    Raises UsageError for an unknown kind or field, InputRefusedError for a value that cannot be.

    >>> from_json({"kind": "recurrent_dropout", "p": 0.05})
    RecurrentDropout(p=0.05)
    """
    kind = str(value.get("kind"))
    if kind in FORMERLY:
        return FORMERLY[kind](**{name: option for name, option in value.items() if name != "kind"})
    if kind not in REGULARIZERS:
        raise unknown("regularizer", kind, REGULARIZERS)
    options = {name: option for name, option in value.items() if name != "kind"}
    known = {field.name for field in fields(REGULARIZERS[kind])}  # type: ignore[arg-type]
    if set(options) - known:
        raise UsageError(
            f"{kind} has no option {sorted(set(options) - known)[0]!r}. Known: {', '.join(sorted(known))}."
        )
    if kind == Combined.kind:
        parts = options.get("parts", ())
        if not isinstance(parts, list | tuple) or not all(isinstance(part, Mapping) for part in parts):
            raise InputRefusedError(f"combined's parts are {parts!r}; give a list of regularizers.")
        return Combined(tuple(from_json(part) for part in parts))
    return REGULARIZERS[kind](**options)


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
]
