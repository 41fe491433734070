"""The metrics of a table: which columns they are, what they are called in a file of results, and how they are described."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.metrics import RESERVED as OF_RUNS
from zoneout_lab.metrics import Better, Metric
from zoneout_lab.results.legible import legible

Metrics = Mapping[str, Metric | str] | Sequence[str] | str

#: what results call something else by these names: of runs, and what else they have along an axis
RESERVED = OF_RUNS | {"group", "time", "lag", "layer", "state", "point", "replica"}
MOST_METRICS = 200
_LONGEST = 80


def described(metrics: Metrics) -> dict[str, Metric]:
    """Metrics as a person gives them, by column: descriptions, or ``higher`` or ``lower`` alone, or names.

    Raises InputRefusedError for anything else, or none.

    >>> described({"acc": "higher"})["acc"].better, described(["acc", "loss"])["loss"].long_name
    ('higher', 'loss')
    """
    if isinstance(metrics, str):
        metrics = [metrics]
    if not isinstance(metrics, Iterable):
        raise InputRefusedError(
            f"metrics is {metrics!r}; give names of columns, or a mapping from them to descriptions."
        )
    given: dict[str, Any] = (
        dict(metrics) if isinstance(metrics, Mapping) else {str(name): plain(str(name)) for name in metrics}
    )
    out = {}
    for name, about in given.items():
        if isinstance(about, str) and about in get_args(Better):
            about = plain(str(name), about)  # type: ignore[arg-type]
        if not isinstance(about, Metric):
            raise InputRefusedError(
                f'The metric {legible(name)!r} is described by {about!r}; give a zoneout_lab.Metric, or "higher" or "lower", whichever is better.'
            )
        out[str(name)] = about
    if not out:
        raise InputRefusedError("No metric is named: give metrics, the columns of the table that hold results.")
    if len(out) > MOST_METRICS:
        raise InputRefusedError(f"{len(out)} metrics are named, and up to {MOST_METRICS} are read at once.")
    return out


def plain(name: str, better: Better | None = None) -> Metric:
    """A metric of which no more is known than its column's name, and perhaps which way is better."""
    return Metric(legible(name.replace("_", " ")), unit="", better=better)


def stored(columns: Sequence[str]) -> dict[str, str]:
    """Column → the name that its metric has in results: letters, digits, ``_``, ``-`` and ``.``, each name once. A column that can keep its own name does.

    Raises InputRefusedError for a column whose name has another meaning there.

    >>> stored(["val/acc", "val acc", "f1"])
    {'val/acc': 'val_acc', 'val acc': 'val_acc_2', 'f1': 'f1'}
    >>> stored(["val acc", "val_acc"])
    {'val acc': 'val_acc_2', 'val_acc': 'val_acc'}
    >>> stored(["epoch"])
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: A metric cannot be called 'epoch', which means something else in results. Rename the column.
    """
    wanted = {column: _storable(column) for column in columns}
    for column, name in wanted.items():
        if name.lower() in RESERVED:
            raise InputRefusedError(
                f"A metric cannot be called {legible(column)!r}, which means something else in results. Rename the column."
            )
    taken = {column for column, name in wanted.items() if column == name}
    out: dict[str, str] = {}
    for column, wish in wanted.items():
        name, count = wish, 2
        while column != name and name in taken:
            name, count = f"{wish}_{count}", count + 1
        taken.add(name)
        out[column] = name
    return out


def _storable(column: str) -> str:
    name = re.sub(r"[^\w.\-]+", "_", column)[:_LONGEST].strip("_.-") or "metric"
    return f"metric_{name}" if name[0].isdigit() else name
