"""What this package's netCDF-4 files hold: numbers and texts along named dimensions, described by texts and numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy.typing as npt
import xarray as xr
from h5py import h5t

#: a variable: its dimensions, its values, and what it says of itself
Variable = tuple[tuple[str, ...], npt.NDArray[Any], dict[str, Any]]

#: texts as NumPy holds them for h5py, and as HDF5 knows them in memory
TEXT = h5py.string_dtype()
TEXTS = h5t.py_create(TEXT)


#: the attribute by which a variable names the labels that lie beside those of its dimensions
COORDINATES = "coordinates"


class UnfamiliarError(Exception):
    """Something that this package's files do not have."""


@dataclass(frozen=True)
class Group:
    """A group of a file: its attributes, and its variables by name."""

    attrs: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Variable] = field(default_factory=dict)


def group_of(dataset: xr.Dataset) -> Group:
    """A dataset in memory as a group."""
    return Group(
        {str(name): value for name, value in dataset.attrs.items()},
        {
            str(name): (tuple(map(str, each.dims)), each.values, dict(each.attrs))
            for name, each in dataset.variables.items()
        },
    )
