"""Runs stacked along ``arm`` and ``seed``, and what was measured of one run along ``epoch``: what ``xarray.concat`` gives, sooner, and in time
proportional to the number of runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from zoneout_lab.errors import IntegrityError
from zoneout_lab.netcdf import Group, Variable


def stacked_group(cells: Mapping[tuple[str, int], Group], arms: Sequence[str], seeds: Sequence[int]) -> xr.Dataset:
    """One group of all runs as a dataset [arm, seed, …], NaN where a run is missing or has no value.

    The labels of a dimension are those of any run. Integers become floats, and texts objects, where something has to be NaN. Variables are
    taken out of the groups meanwhile, so that the numbers are not in memory twice.

    Args:
        cells: the runs that have the group, by arm and seed; at least one.
        arms: in their order.
        seeds: the same.

    Raises IntegrityError where a variable has other dimensions in one run than in another, a dimension without labels another length, or
    one with other labels some label twice.

    >>> loss = Group({}, {"loss": (("epoch",), np.array([2.0, 1.0]), {}), "epoch": (("epoch",), np.array([1, 2]), {})})
    >>> stacked_group({("lstm", 1): loss}, ["lstm"], [0, 1])["loss"].values
    array([[[nan, nan],
            [ 2.,  1.]]])
    """
    order = [
        (cells[arm, seed], (row, column))
        for row, arm in enumerate(arms)
        for column, seed in enumerate(seeds)
        if (arm, seed) in cells
    ]
    names = list(dict.fromkeys(name for group, _ in order for name in group.variables))
    coords: dict[str, Variable] = {
        "arm": (("arm",), np.asarray(list(arms)), {}),
        "seed": (("seed",), np.asarray(seeds), {}),
    }
    labels: dict[str, _Labels] = {}
    for name in names:
        found = [group.variables[name] for group, _ in order if name in group.variables]
        if found[0][0] == (name,):
            labels[name] = _Labels(name, found)
            coords[name] = (name,), labels[name].union, found[0][2]
    variables = {name: _stacked(name, order, labels, (len(arms), len(seeds))) for name in names if name not in labels}
    return xr.Dataset(variables, coords, order[0][0].attrs)


def stacked_by_epoch(measured: Mapping[int, xr.Dataset]) -> Group | xr.Dataset:
    """What was measured after each of some epochs as one group; as a dataset where a group cannot say it all.

    Its attributes are those of the first epoch. Raises what xarray raises where epochs differ in their labels.

    >>> early, late = (xr.Dataset({"norm": ("time", norm)}, {"time": [0, 1]}) for norm in ([6.0, 3.0], [2.0, 1.0]))
    >>> stacked_by_epoch({4: late, 1: early}).variables["norm"][1].tolist()
    [[6.0, 3.0], [2.0, 1.0]]
    """
    epochs = sorted(measured)
    first, *others = (measured[epoch] for epoch in epochs)
    if "epoch" in first.variables or not all(_alike(first, other) for other in (first, *others)):
        parts = [measured[epoch].expand_dims(epoch=[epoch]) for epoch in epochs]
        return xr.concat(parts, "epoch", coords="different", compat="equals", join="exact", combine_attrs="override")
    variables: dict[str, Variable] = {}
    names = set(first.data_vars)
    found = [measured[epoch].variables for epoch in epochs]
    for name, each in first.variables.items():
        if name in names:
            values = np.stack([part[name].values for part in found])
            variables[str(name)] = ("epoch", *map(str, each.dims)), values, each.attrs
    variables["epoch"] = ("epoch",), np.array(epochs), {}
    for name in first.coords:
        labels = first.variables[name]
        variables[str(name)] = (str(name),), labels.values, labels.attrs
    return Group(first.attrs, variables)


def _alike(first: xr.Dataset, other: xr.Dataset) -> bool:
    """True where two datasets have the same variables and labels, and no coordinates that are not a dimension's labels."""
    labels, one, two = set(first.coords), first.variables, other.variables
    if list(one) != list(two) or set(other.coords) != set(other.dims):
        return False
    for name, here in one.items():
        there = two[name]
        if here is there:
            continue
        if (here.dims, here.shape, here.dtype) != (there.dims, there.shape, there.dtype):
            return False
        if name in labels and not np.array_equal(here.values, there.values):
            return False
    return True


class _Labels:
    """The labels that a dimension has in any run, and where those of each run are among them."""

    def __init__(self, name: str, found: Sequence[Variable]) -> None:
        distinct: dict[Any, npt.NDArray[Any]] = {}
        for dims, values, _ in found:
            if dims != (name,):
                raise _unlike(name)
            distinct.setdefault(_key(values), values)
        indices = {key: pd.Index(values) for key, values in distinct.items()}
        if len(indices) > 1 and not all(index.is_unique for index in indices.values()):
            raise IntegrityError(
                f"The runs do not fit together: {name!r} has one label twice in some run, and other labels in another."
            )
        union = reduce(pd.Index.union, indices.values())
        self.union = np.asarray(union).astype(np.result_type(*distinct.values()))
        self._places = {
            key: None if index.equals(union) else union.get_indexer(index) for key, index in indices.items()
        }

    def places(self, values: npt.NDArray[Any]) -> npt.NDArray[np.intp] | None:
        """Where a run's labels are among all; None where they are all."""
        return self._places[_key(values)]


def _key(values: npt.NDArray[Any]) -> Any:
    return tuple(values.tolist()) if values.dtype == object else (values.dtype, values.tobytes())


def _stacked(
    name: str,
    order: Sequence[tuple[Group, tuple[int, int]]],
    labels: Mapping[str, _Labels],
    cells: tuple[int, int],
) -> Variable:
    found = [(cell, group, group.variables.pop(name)) for group, cell in order if name in group.variables]
    dims, first, attrs = found[0][2]
    lengths = [
        len(labels[dim].union) if dim in labels else length for dim, length in zip(dims, first.shape, strict=True)
    ]
    parts = []
    for cell, group, (along, values, _) in found:
        if along != dims:
            raise _unlike(name)
        places: list[npt.NDArray[np.intp] | None] = []
        for dim, length, there in zip(dims, lengths, values.shape, strict=True):
            has = group.variables.get(dim)
            if (dim in labels) != (has is not None) or (has is None and there != length):
                raise _unlike(name)
            places.append(None if has is None else labels[dim].places(has[1]))
        parts.append((cell, values, places))
    whole = len(parts) == math.prod(cells) and all(place is None for *_, places in parts for place in places)
    dtype = np.result_type(*{values.dtype for _, values, _ in parts})
    shape = (*cells, *lengths)
    stacked = np.empty(shape, dtype) if whole else np.full(shape, np.nan, _with_nan(dtype))
    for cell, values, places in parts:
        if all(place is None for place in places):
            stacked[cell] = values
        else:
            full = zip(places, lengths, strict=True)
            stacked[cell][np.ix_(*(np.arange(length) if place is None else place for place, length in full))] = values
    return ("arm", "seed", *dims), stacked, attrs


def _with_nan(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type that holds such values and NaN, as xarray chooses it."""
    if dtype.kind in "iu":
        return np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)
    return dtype if dtype.kind in "fc" else np.dtype(object)


def _unlike(name: str) -> IntegrityError:
    return IntegrityError(
        f"The runs do not fit together: {name!r} has other dimensions, or other lengths without labels, in one run than in another."
    )
