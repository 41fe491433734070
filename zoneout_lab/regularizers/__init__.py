"""Regularizers of recurrent networks. This list is the registry: a new one is a file here and a line below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from zoneout_lab.errors import UsageError, unknown
from zoneout_lab.regularizers.base import Regularizer
from zoneout_lab.regularizers.dropout import CellDropout, RecurrentDropout
from zoneout_lab.regularizers.none import NoRegularizer
from zoneout_lab.regularizers.zoneout import Zoneout

REGULARIZERS: dict[str, type[Regularizer]] = {
    regularizer.kind: regularizer for regularizer in (NoRegularizer, Zoneout, RecurrentDropout, CellDropout)
}


def to_json(regularizer: Regularizer) -> dict[str, Any]:
    """A regularizer as JSON: its kind and its fields.

    >>> to_json(RecurrentDropout(0.25))
    {'kind': 'recurrent_dropout', 'p': 0.25}
    """
    return {"kind": regularizer.kind, **asdict(regularizer)}  # type: ignore[call-overload]


def from_json(value: Mapping[str, Any]) -> Regularizer:
    """The regularizer that :func:`to_json` wrote.

    Raises UsageError for an unknown kind or field, InputRefusedError for a value that cannot be.

    >>> from_json({"kind": "zoneout", "hidden": 0.05})
    Zoneout(cell=0.0, hidden=0.05, share=False, per='unit', resample='step')
    """
    kind = str(value.get("kind"))
    if kind not in REGULARIZERS:
        raise unknown("regularizer", kind, REGULARIZERS)
    options = {name: option for name, option in value.items() if name != "kind"}
    known = {field.name for field in fields(REGULARIZERS[kind])}  # type: ignore[arg-type]
    if set(options) - known:
        raise UsageError(
            f"{kind} has no option {sorted(set(options) - known)[0]!r}. Known: {', '.join(sorted(known))}."
        )
    return REGULARIZERS[kind](**options)


__all__ = [
    "REGULARIZERS",
    "CellDropout",
    "NoRegularizer",
    "RecurrentDropout",
    "Regularizer",
    "Zoneout",
    "from_json",
    "to_json",
]
