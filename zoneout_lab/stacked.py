"""Runs stacked along ``arm`` and ``seed``, and what was measured of one run along ``epoch``: what ``xarray.concat`` gives, sooner, and in time
proportional to the number of runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from zoneout_lab.errors import IntegrityError
from zoneout_lab.netcdf import Group, Variable


def stacked_group(
    cells: Mapping[tuple[str, int], Group],
    arms: Sequence[str],
    seeds: Sequence[int],
    left_out: dict[str, str] | None = None,
) -> xr.Dataset:
    """One group of all runs as a dataset [arm, seed, …], NaN where a run is missing or has no value.

    The labels of a dimension are those of any run; one without labels is as long as the longest. Integers become floats, and texts objects, where
    something has to be NaN. Variables are taken out of the groups meanwhile, so that the numbers are not in memory twice.

    Args:
        cells: the runs that have the group, by arm and seed; at least one.
        arms: in their order.
        seeds: the same.
        left_out: what is told of variables that differ between runs so that they cannot be stacked, by their names; None: no variable may.

    Raises IntegrityError where a variable has other dimensions in one run than in another, is without labels that another has, or has labels of which
    one is there twice and that differ between runs, unless it may be left out.

    >>> loss = Group({}, {"loss": (("epoch",), np.array([2.0, 1.0]), {}), "epoch": (("epoch",), np.array([1, 2]), {})})
    >>> stacked_group({("lstm", 1): loss}, ["lstm"], [0, 1])["loss"].values
    array([[[nan, nan],
            [ 2.,  1.]]])
    """
    order = [
        _Run(arm, seed, cells[arm, seed], (row, column))
        for row, arm in enumerate(arms)
        for column, seed in enumerate(seeds)
        if (arm, seed) in cells
    ]
    names = list(dict.fromkeys(name for run in order for name in run.group.variables))
    unlike = _unlike(names, order)
    if unlike and left_out is None:
        name, why = next(iter(unlike.items()))
        raise IntegrityError(f"The runs do not fit together: {name!r} {why}.")
    if left_out is not None:
        left_out.update(unlike)
    coords: dict[str, Variable] = {
        "arm": (("arm",), np.asarray(list(arms)), {}),
        "seed": (("seed",), np.asarray(seeds), {}),
    }
    labels: dict[str, _Labels] = {}
    lengths: dict[str, int] = {}
    for name in names:
        found = [run.group.variables[name] for run in order if name in run.group.variables and name not in unlike]
        if found and found[0][0] == (name,):
            labels[name] = _Labels([values for _, values, _ in found])
            coords[name] = (name,), labels[name].union, found[0][2]
        for dims, values, _ in found:
            for dim, length in zip(dims, values.shape, strict=True):
                lengths[dim] = max(length, lengths.get(dim, 0))
    lengths |= {name: len(each.union) for name, each in labels.items()}
    variables = {
        name: _stacked(name, order, labels, lengths, (len(arms), len(seeds)))
        for name in names
        if name not in labels and name not in unlike
    }
    return xr.Dataset(variables, coords, order[0].group.attrs)


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


class _Run(NamedTuple):
    """What a run has of a group, and its place among all."""

    arm: str
    seed: int
    group: Group
    cell: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.arm} seed {self.seed}"


def _unlike(names: Sequence[str], order: Sequence[_Run]) -> dict[str, str]:
    """The variables that differ between runs so that they cannot be stacked, and how, with two runs that do."""
    labelled: dict[str, _Run] = {}
    for run in order:
        for name, (dims, _, _) in run.group.variables.items():
            if dims == (name,):
                labelled.setdefault(name, run)
    faults = {name: why for name in labelled if (why := _labels_unlike(name, order))}
    found = {name: faults.get(name) or _shape_unlike(name, order, labelled, faults) for name in names}
    return {name: why for name, why in found.items() if why}


def _shape_unlike(name: str, order: Sequence[_Run], labelled: Mapping[str, _Run], faults: Mapping[str, str]) -> str:
    shapes: dict[tuple[tuple[str, bool], ...], _Run] = {}
    for run in order:
        if (each := run.group.variables.get(name)) is not None:
            shapes.setdefault(tuple((dim, dim in run.group.variables) for dim in each[0]), run)
    (dims, first), *others = shapes.items()
    for these, other in others:
        one, two = (", ".join(dim for dim, _ in along) for along in (dims, these))
        if one != two:
            return f"has dimensions ({one}) in {first}, and ({two}) in {other}"
    for dim, _ in dims:
        if dim in faults:
            return faults[dim]
        bare = next((run for along, run in shapes.items() if (dim, False) in along), None)
        if bare is not None and dim in labelled:
            return f"is along {dim!r}, which has no labels in {bare}, and some in {labelled[dim]}"
    return ""


def _labels_unlike(dim: str, order: Sequence[_Run]) -> str:
    """How the labels of a dimension differ between runs so that nothing along it can be stacked; empty where it can be."""
    found: dict[Any, tuple[_Run, npt.NDArray[Any]]] = {}
    for run in order:
        if (there := run.group.variables.get(dim)) is None:
            continue
        if there[0] != (dim,):
            return f"is along {dim!r}, which is no dimension in {run} and is one elsewhere"
        found.setdefault(_key(there[1]), (run, there[1]))
    (first, values), *others = found.values()
    for other, these in others:
        if (values.dtype.kind in "UO") != (these.dtype.kind in "UO"):
            return f"is along {dim!r}, whose labels are texts in one of {first} and {other}, and numbers in the other"
    for twice, these in found.values() if others else ():
        if not pd.Index(these).is_unique:
            other = others[0][0] if twice is first else first
            return f"is along {dim!r}, which has one label twice in {twice}, and other labels in {other}"
    return ""


class _Labels:
    """The labels that a dimension has in any run, and where those of each run are among them."""

    def __init__(self, found: Sequence[npt.NDArray[Any]]) -> None:
        distinct: dict[Any, npt.NDArray[Any]] = {}
        for values in found:
            distinct.setdefault(_key(values), values)
        indices = {key: pd.Index(values) for key, values in distinct.items()}
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
    order: Sequence[_Run],
    labels: Mapping[str, _Labels],
    lengths: Mapping[str, int],
    cells: tuple[int, int],
) -> Variable:
    found = [(run, run.group.variables.pop(name)) for run in order if name in run.group.variables]
    dims, _, attrs = found[0][1]
    full = [lengths[dim] for dim in dims]
    parts = []
    for run, (_, values, _) in found:
        places: list[npt.NDArray[np.intp] | None] = []
        for dim, length in zip(dims, values.shape, strict=True):
            if dim in labels:
                places.append(labels[dim].places(run.group.variables[dim][1]))
            else:
                places.append(None if length == lengths[dim] else np.arange(length))
        parts.append((run.cell, values, places))
    whole = len(parts) == math.prod(cells) and all(place is None for *_, places in parts for place in places)
    dtype = np.result_type(*{values.dtype for _, values, _ in parts})
    shape = (*cells, *full)
    stacked = np.empty(shape, dtype) if whole else np.full(shape, np.nan, _with_nan(dtype))
    for cell, values, places in parts:
        if all(place is None for place in places):
            stacked[cell] = values
        else:
            along = zip(places, full, strict=True)
            stacked[cell][np.ix_(*(np.arange(length) if place is None else place for place, length in along))] = values
    return ("arm", "seed", *dims), stacked, attrs


def _with_nan(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type that holds such values and NaN, as xarray chooses it."""
    if dtype.kind in "iu":
        return np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)
    return dtype if dtype.kind in "fc" else np.dtype(object)
