"""What this package's netCDF-4 files hold: numbers and texts along named dimensions, described by texts and numbers."""

from __future__ import annotations

from collections.abc import Mapping
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

#: attributes by which netCDF-4 keeps its dimensions in HDF5
OF_DIMENSIONS = frozenset(
    ("CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "_Netcdf4Dimid", "_Netcdf4Coordinates", "_NCProperties", "_nc3_strict")
)  # fmt: skip
#: attributes by which xarray makes other values of those in the file
CODED = frozenset(
    ("missing_value", "scale_factor", "add_offset", "calendar", "dtype", "grid_mapping", "_Unsigned", "_Encoding")
)
#: attributes that are no remarks of anybody's: netCDF, HDF5 or xarray give them a meaning of their own
RESERVED = OF_DIMENSIONS | CODED | {COORDINATES, "_FillValue"}
#: the attribute that has the unit where ``units`` would make dates or spans of time of the numbers
UNIT = "unit"
_SPANS = frozenset(("days", "hours", "minutes", "seconds", "milliseconds", "microseconds", "nanoseconds"))


class UnfamiliarError(Exception):
    """Something that this package's files do not have."""


def counts_time(units: Any) -> bool:
    """True for units by which xarray makes dates or spans of time of numbers.

    >>> counts_time("hours since 1970-01-01"), counts_time("seconds"), counts_time("s")
    (True, True, False)
    """
    return isinstance(units, str) and ("since" in units or units in _SPANS)


def remarks(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Attributes that say something of numbers and change nothing about them: without those of :data:`RESERVED`, and with units by which numbers
    would be read as times under another name.

    >>> remarks({"units": "days", "scale_factor": 0.1, "note": "x"})
    {'unit': 'days', 'note': 'x'}
    """
    return {
        UNIT if name == "units" and counts_time(value) else str(name): value
        for name, value in attrs.items()
        if name not in RESERVED
    }


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
