"""Datasets of one's own along a new dimension: exactly, or refused with the first thing in which they differ."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
import xarray as xr

import zoneout_lab as zl
from zoneout_lab.errors import InputRefusedError


def flow(scale: float = 1.0, steps: int = 3, **attrs: str) -> xr.Dataset:
    norm = ("layer", "time"), scale * np.arange(2.0 * steps).reshape(2, steps), {"units": "nats", **attrs}
    return xr.Dataset({"norm": norm}, {"layer": ["l0", "l1"], "time": np.arange(steps)}, {"made": "here", **attrs})


def test_values_labels_and_attributes():
    whole = zl.stack([flow(k) for k in (1.0, 2.0, 5.0)], labels=[3, 4, 9])
    assert whole.norm.dims == ("seed", "layer", "time")
    assert whole.seed.values.tolist() == [3, 4, 9]
    np.testing.assert_array_equal(whole.norm.sel(seed=9), flow(5.0).norm)
    assert (whole.attrs, whole.norm.attrs) == ({"made": "here"}, {"units": "nats"})
    assert zl.stack([flow(), flow()]).seed.values.tolist() == [0, 1]


def test_a_mapping_has_the_labels():
    whole = zl.stack({"lstm": flow(), "zoneout": flow(2.0)}, dim="arm")
    np.testing.assert_array_equal(whole.norm.sel(arm="zoneout"), flow(2.0).norm)


def test_arrays_stay_arrays_and_attributes_that_differ_are_left_out():
    whole = zl.stack([flow(by="a").norm, flow(by="b").norm])
    assert isinstance(whole, xr.DataArray)
    assert (whole.name, whole.attrs) == ("norm", {"units": "nats"})


def test_one_is_enough_and_a_scalar_coordinate_of_that_name_is_replaced():
    assert zl.stack([flow().assign_coords(seed=7)], labels=[1]).seed.values.tolist() == [1]


def test_a_scalar_coordinate_that_differs_is_kept_of_each():
    whole = zl.stack([flow().assign_coords(epoch=k) for k in (3, 5)], labels=[date(2026, 1, k) for k in (1, 2)])
    assert whole.epoch.dims == ("seed",)
    assert whole.epoch.values.tolist() == [3, 5]


def test_other_variables_differ_without_harm():
    whole = zl.stack([flow().assign(other=("step", [1, 2])), flow().assign(other=("step", [3, 4]))])
    assert whole.other.values.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("given", "more", "said"),
    [
        ([], {}, "nothing to stack"),
        (flow(), {}, "a list of datasets.*got Dataset"),
        ([flow(), 3], {}, "seed 1 is of type int"),
        ([flow(), flow().norm], {}, "seed 1 is of type DataArray"),
        ([flow()], {"dim": "time"}, "time 0 has a dimension 'time' already"),
        ([flow(), flow()], {"labels": [1]}, "2 datasets and 1 labels"),
        ([flow(), flow()], {"labels": [1, 1]}, "1 is given twice"),
        (
            [flow(), flow()],
            {"labels": [(1, 2), (3, 4)]},
            r"A label is a text, a number or a date, and \(1, 2\) is none",
        ),
        ([flow(), flow()], {"labels": [[1], [2]]}, r"and \[1\] is none"),
        ({(1, 2): flow(), None: flow()}, {}, r"and \(1, 2\) is none"),
        ([flow(), flow()], {"labels": [1.0, np.nan]}, "and nan is none"),
        ([flow(), flow()], {"labels": [np.datetime64("NaT"), np.datetime64("2026-01-01")]}, "NaT.* is none"),
        ([flow(), flow()], {"labels": [1, "1"]}, "1 and '1' are of two"),
        ([flow(), flow()], {"labels": 3}, "labels is 3; give a list"),
        ([flow(), flow()], {"labels": "ab"}, "labels is 'ab'; give a list"),
        ([flow(), flow()], {"dim": 3}, "dim is 3; give the name"),
        ([flow(), flow()], {"dim": "norm"}, "norm 0 has a variable 'norm', which the new dimension would replace"),
        ([flow().norm, flow().norm], {"dim": "norm"}, "norm 0 has a variable 'norm'"),
        ([flow().assign_coords(seed=("time", [1, 2, 3]))], {}, "seed 0 has a variable 'seed'"),
        ([flow(), flow().assign_coords(epoch=3)], {}, "seed 1 has the coordinate 'epoch', and seed 0 lacks it"),
        ([flow(), flow().drop_vars("time")], {}, "seed 0 has the coordinate 'time', and seed 1 lacks it"),
        ([flow().norm, flow().norm.assign_coords(epoch=3)], {}, "seed 1 has the coordinate 'epoch'"),
        ({"a": flow()}, {"labels": ["a"]}, "labels are given twice"),
        ([flow(), flow(steps=4)], {}, "seed 0 has 3 labels along time, and seed 1 has 4"),
        ([flow(), flow().assign_coords(time=[0, 1, 5])], {}, "along time seed 0 has the label 2 where seed 1 has 5"),
        ([flow(), flow().rename(norm="other")], {}, "has 'norm', and seed 1 lacks it"),
        (
            [flow(), flow().isel(layer=0)],
            {},
            r"norm of seed 0 has the dimensions \(layer, time\), and norm of seed 1 \(time\)",
        ),
    ],
)
def test_what_does_not_fit_is_named(given, more, said):
    with pytest.raises(InputRefusedError, match=said):
        zl.stack(given, **more)
