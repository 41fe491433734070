"""Datasets of one's own put together along a new dimension: several gradient flows, say, one for each seed."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import xarray as xr

from zoneout_lab.errors import InputRefusedError


def stack(
    datasets: Sequence[Any] | Mapping[Any, Any], dim: str = "seed", labels: Sequence[Hashable] | None = None
) -> Any:
    """Datasets, or arrays, of the same variables as one, along a new dimension.

    What :func:`xarray.concat` does with exact joins: nothing is filled in with NaN, and no label is lost. Attributes on which they differ are left out.

    Args:
        datasets: one for each label, or a mapping from labels to them.
        dim: the new dimension, which comes first.
        labels: of the new dimension, all of them texts, or numbers, or dates; by default 0, 1, ….

    Raises:
        InputRefusedError: nothing to stack, other things than datasets, datasets that differ in variables, coordinates, dimensions or labels, or a dimension
            that is called like one of their variables.

    >>> flows = [xr.Dataset({"norm": ("time", [1.0, seed])}, {"time": [0, 1]}) for seed in (2.0, 3.0)]
    >>> stack(flows, labels=[7, 8]).norm.sel(seed=8).values
    array([1., 3.])
    >>> stack({"lstm": flows[0], "zoneout": flows[1].isel(time=[0])}, dim="arm")
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: These do not fit together: arm 'lstm' has 2 labels along time, and arm 'zoneout' has 1. Select what they share first: dataset.sel(time=...).
    """
    if isinstance(datasets, Mapping) and not isinstance(datasets, xr.Dataset):
        if labels is not None:
            raise InputRefusedError(
                "The labels are given twice: as keys of the datasets, and as labels=. Leave one out."
            )
        datasets, labels = list(datasets.values()), list(datasets)
    if isinstance(datasets, xr.Dataset | xr.DataArray | str) or not isinstance(datasets, Sequence):
        raise InputRefusedError(
            f"stack takes a list of datasets, or a mapping from labels to them; got {type(datasets).__name__}."
        )
    if not datasets:
        raise InputRefusedError("There is nothing to stack: the list of datasets is empty.")
    if not isinstance(dim, str) or not dim:
        raise InputRefusedError(f"dim is {dim!r}; give the name of the new dimension.")
    names = _checked(range(len(datasets)) if labels is None else labels)
    if len(names) != len(datasets):
        raise InputRefusedError(f"There are {len(datasets)} datasets and {len(names)} labels; give one label for each.")
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise InputRefusedError(f"A label names one dataset, and {twice[0]!r} is given twice.")
    kind = type(datasets[0])
    for name, each in zip(names, datasets, strict=True):
        if not isinstance(each, xr.Dataset | xr.DataArray) or type(each) is not kind:
            raise InputRefusedError(
                f"stack takes xarray datasets, or arrays, all of one type; {dim} {name!r} is of type {type(each).__name__}."
            )
        if dim in each.dims:
            raise InputRefusedError(
                f"{dim} {name!r} has a dimension {dim!r} already. Choose another dim, or select one: dataset.isel({dim}=0)."
            )
        variables = set(each.data_vars) if isinstance(each, xr.Dataset) else {each.name}
        if dim in variables or (dim in each.coords and each.coords[dim].ndim):
            raise InputRefusedError(
                f"{dim} {name!r} has a variable {dim!r}, which the new dimension would replace. Choose another dim, or rename the variable."
            )
        _check_alike(datasets[0], each, f"{dim} {names[0]!r}", f"{dim} {name!r}", dim)
    bare = [each.drop_vars(dim, errors="ignore") for each in datasets]
    whole = xr.concat(
        bare,
        xr.Variable(dim, np.asarray(names)),
        join="exact",
        coords="different",
        compat="equals",
        combine_attrs="drop_conflicts",
    )
    return whole.transpose(dim, ...)


def _checked(labels: Any) -> list[Any]:
    """Labels that an axis can have: all of them texts, or numbers, or dates."""
    if isinstance(labels, str) or not isinstance(labels, Iterable):
        raise InputRefusedError(f"labels is {labels!r}; give a list, one label for each dataset.")
    names = list(labels)
    kinds: tuple[Any, ...] = (str, (int, float, np.number, np.bool_), (date, np.datetime64))
    of = [next((k for k, kind in enumerate(kinds) if isinstance(name, kind)), None) for name in names]
    for name, kind in zip(names, of, strict=True):
        if kind is None or name != name:  # NaN is not itself
            raise InputRefusedError(f"A label is a text, a number or a date, and {name!r} is none.")
        if kind != of[0]:
            raise InputRefusedError(f"Labels are of one kind, and {names[0]!r} and {name!r} are of two.")
    return names


def _check_alike(first: Any, other: Any, one: str, another: str, dim: str) -> None:
    """Raise InputRefusedError, naming the first difference, where two cannot be stacked along ``dim``."""
    if isinstance(first, xr.Dataset):
        if differ := sorted(set(map(str, first.data_vars)) ^ set(map(str, other.data_vars))):
            having, lacking = (one, another) if differ[0] in first else (another, one)
            raise InputRefusedError(f"These do not fit together: {having} has {differ[0]!r}, and {lacking} lacks it.")
        variables = [(f"{name} of ", first[name], other[name]) for name in first.data_vars]
    else:
        variables = [("", first, other)]
    if lacking_one := sorted((set(map(str, first.coords)) ^ set(map(str, other.coords))) - {dim}):
        name = lacking_one[0]
        having, lacking = (one, another) if name in first.coords else (another, one)
        raise InputRefusedError(
            f"These do not fit together: {having} has the coordinate {name!r}, and {lacking} lacks it. Leave it out: dataset.drop_vars({name!r})."
        )
    for what, mine, theirs in variables:
        if set(mine.dims) != set(theirs.dims):
            raise InputRefusedError(
                f"These do not fit together: {what}{one} has the dimensions {_listed(mine.dims)}, and {what}{another} {_listed(theirs.dims)}."
            )
    for along in first.dims:
        here, there = first.sizes[along], other.sizes[along]
        if here != there:
            raise InputRefusedError(
                f"These do not fit together: {one} has {here} labels along {along}, and {another} has {there}. "
                f"Select what they share first: dataset.sel({along}=...)."
            )
        if along in first.indexes and along in other.indexes:
            differs = [(a, b) for a, b in zip(first.indexes[along], other.indexes[along], strict=True) if a != b]
            if differs:
                raise InputRefusedError(
                    f"These do not fit together: along {along} {one} has the label {differs[0][0]!r} where {another} has {differs[0][1]!r}."
                )


def _listed(dims: Sequence[Hashable]) -> str:
    return f"({', '.join(map(str, dims))})"
