"""Measurements that a training function records, checked so that those of all runs can be stored and stacked."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import xarray as xr

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.netcdf import remarks
from zoneout_lab.profiles import DYNAMICS, GRADIENTS

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TAKEN = ("metrics", "provenance")
_ALONG = {"arm", "seed", "epoch"}
MOST_NUMBERS = 10_000_000
#: what the functions of this package measure, known by its variables → its group in results
_KNOWN = ({"norm", "normalised"}, GRADIENTS), ({"growth"}, DYNAMICS)


def group_named(dataset: Any, name: str) -> str:
    """What a measurement is called in results. Raises InputRefusedError for a name that it cannot have, and for what is no dataset.

    >>> group_named(xr.Dataset(), "attention"), group_named(xr.Dataset({"norm": 1.0, "normalised": 1.0}), "")
    ('attention', 'gradients')
    """
    if isinstance(dataset, xr.DataArray) and dataset.name is not None:
        raise InputRefusedError(
            f"run.record takes an xarray.Dataset; this is an array: record({dataset.name}.to_dataset())."
        )
    if not isinstance(dataset, xr.Dataset):
        raise InputRefusedError(f"run.record takes an xarray.Dataset, not {type(dataset).__name__}.")
    known = (group for variables, group in _KNOWN if variables <= set(map(str, dataset.data_vars)))
    called = name or next(known, "recorded")
    if not _NAME.fullmatch(called) or called in _TAKEN:
        raise InputRefusedError(
            f"A measurement cannot be called {called!r}: use lower-case letters, digits and _, beginning with a letter"
            f"{', and not ' + ' or '.join(_TAKEN)}."
        )
    return called


def check_dataset(dataset: xr.Dataset, group: str, earlier: xr.Dataset | None) -> xr.Dataset:
    """A measurement in memory, with numbers only and labels that files can hold.

    Raises InputRefusedError where it has something else, or other dimensions and labels than ``earlier``, which was recorded under the same name.
    """
    if taken := _ALONG & {str(name) for name in (*dataset.dims, *dataset.variables)}:
        raise InputRefusedError(
            f"{group} has {', '.join(sorted(taken))}: results have that along their runs. Leave it out, or give it another name."
        )
    # without what its file, if it was read from one, did to its numbers
    whole = dataset.load().copy(deep=True).drop_encoding()
    for label in (*whole.variables, *whole.dims):
        if not isinstance(label, str) or not label.isprintable() or "/" in label or not 0 < len(label) <= 200:
            raise InputRefusedError(
                f"{group}: a variable or dimension cannot be called {label!r:.100}; use letters, digits and _."
            )
    numbers = sum(each.size for each in whole.variables.values())
    if numbers > MOST_NUMBERS:
        raise InputRefusedError(
            f"{group} has {numbers:,} numbers; a run can record {MOST_NUMBERS:,}. Record a summary."
        )
    for name, each in whole.variables.items():
        known = "biuf" if name in whole.data_vars else "biufUO"
        if each.dtype.kind not in known or (
            each.dtype.kind == "O" and not all(isinstance(v, str) for v in each.values.flat)
        ):
            raise InputRefusedError(
                f"{group}: {name} holds {each.dtype}; record numbers, with numbers or texts as labels."
            )
    for name in whole.data_vars:
        whole[name] = whole[name].astype(np.float64) if whole[name].dtype.kind != "f" else whole[name]
    drop = [name for name, each in whole.coords.items() if each.dims != (name,)]
    whole = whole.drop_vars(drop)
    holders: list[Any] = [whole, *whole.variables.values()]
    for holder in holders:
        said = remarks(holder.attrs).items()
        holder.attrs = {key: _as_unicode(value) for key, value in said if _can_be_written(key, value)}
    for name, each in whole.coords.items():
        texts = each.values.flat if each.dtype.kind in "UO" else ()
        if wrong := [text for text in texts if "\0" in text or _as_unicode(text) != text]:
            raise InputRefusedError(
                f"{group}: the label {str(wrong[0])!r:.100} of {name} has a zero byte or half a character in it; write it without."
            )
    if earlier is not None and not _fit(whole, earlier):
        raise InputRefusedError(
            f"{group} was recorded before with other variables, dimensions or labels; give this another name."
        )
    return whole


def _can_be_written(key: str, value: Any) -> bool:
    """True for an attribute that a file can hold; others are left out."""
    if not key.isprintable() or "/" in key or not key:
        return False
    if isinstance(value, str):
        return "\0" not in value
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**62


def _as_unicode(value: Any) -> Any:
    """A text with ? for surrogates that are not in pairs, as undecodable names of files have, and which no file can hold."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _fit(one: xr.Dataset, other: xr.Dataset) -> bool:
    """True where two datasets have the same variables, dimensions and labels, NaN among them."""
    shapes = ({name: (each.dims, each.shape) for name, each in whole.variables.items()} for whole in (one, other))
    return next(shapes) == next(shapes) and all(one[name].equals(other[name]) for name in one.coords)
