"""What quantities are: the long name and the unit that every variable of a result file has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from zoneout_lab import profiles
from zoneout_lab.metrics import METRICS, RESERVED, Metric
from zoneout_lab.netcdf import UNIT, counts_time, remarks

#: every quantity that this package gives a name, described
QUANTITIES: dict[str, Metric] = METRICS | profiles.QUANTITIES


def describe(dataset: xr.Dataset, own: Mapping[str, Metric] | None = None, *, by_name: bool = False) -> xr.Dataset:
    """Give every variable and coordinate its ``long_name`` and ``units``, and return the dataset.

    A quantity of ours is described as our list has it. Any other keeps the description it has; without one it is called by its name, and has no unit.
    A loss is in nats, and in squared units where the dataset has squared errors. A unit by which xarray would make times of numbers is called ``unit``
    instead. Attributes to which netCDF gives a meaning are left out everywhere, the dataset's own too: what was read from another file would change
    these numbers.

    Args:
        dataset: what is described, in place.
        own: descriptions that come before ours, by name: those of a task's own score, for example.
        by_name: call all other variables by their names, even those on our list: in results of somebody's own, a name means what they mean by it.
    """
    attributes = {str(name): each.attrs for name, each in dataset.variables.items()}
    if by_name:
        own = {
            name: Metric(name.replace("_", " "), "") for name in map(str, dataset.data_vars) if name not in RESERVED
        } | dict(own or {})
    for name, attrs in described(attributes, own).items():
        dataset.variables[name].attrs = attrs
    dataset.attrs = remarks(dataset.attrs)
    return dataset


def described(
    attributes: Mapping[str, Mapping[Any, Any]], own: Mapping[str, Metric] | None = None
) -> dict[str, dict[str, Any]]:
    """The attributes that :func:`describe` gives variables, by what they say of themselves."""
    squared = any(name.endswith("_mse") for name in attributes)
    told = {}
    for name, attrs in attributes.items():
        about = (own or {}).get(name) or description(name, attrs)
        units = "squared unit" if squared and about.unit == "nats" else about.unit
        kept = {key: value for key, value in attrs.items() if not (key == UNIT and counts_time(value))}
        told[name] = remarks(kept | {"long_name": about.long_name, "units": units})
    return told


def units_of(attrs: Mapping[Any, Any], otherwise: str = "") -> str:
    """The unit that a variable has, by either name.

    >>> units_of({"units": "%"}), units_of({"unit": "hours"}), units_of({}, "s")
    ('%', 'hours', 's')
    """
    return str(attrs.get("units", attrs.get(UNIT, otherwise)) or "")


def description(name: str, attrs: Mapping[Any, Any]) -> Metric:
    """What a quantity is, from the list of ours or from its own attributes.

    >>> description("valid_error", {}).long_name, description("my_score", {}).long_name, description("acc", {}).unit
    ('validation examples classified wrongly', 'my score', '')
    """
    if name in QUANTITIES:
        return QUANTITIES[name]
    return Metric(
        str(attrs.get("description") or attrs.get("long_name") or name.replace("_", " ")),
        units_of(attrs),
        str(attrs.get("noun") or ""),
        "higher" if attrs.get("better") == "higher" else "lower" if attrs.get("better") == "lower" else None,
    )
