"""What was measured after several epochs, stacked: the same as xarray's own concatenation, whatever a measure returns."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from zoneout_lab import netcdf, schema
from zoneout_lab.stacked import stacked_by_epoch


def measured(k: int, **change: Any) -> xr.Dataset:
    """Numbers, integers, texts and truth values along two dimensions, one or none."""
    rng = np.random.default_rng(k)
    variables: dict[str, Any] = {
        "norm": (("layer", "time"), rng.random((2, 3)), {"units": f"{k}", "own": k}),
        "rank": (("time",), rng.integers(0, 9, 3)),
        "half": (("layer",), rng.random(2).astype("f4")),
        "whole": ((), rng.random()),
        "named": ((), "text"),
    }
    labels = {"time": ("time", [0, 1, 2], {"long_name": f"time {k}"}), "layer": ["l0", "l1µ"]}
    return xr.Dataset(variables, labels, {"measure": "{}", "about": f"{k}"}).assign(change)


def by_xarray(epochs: dict[int, xr.Dataset]) -> xr.Dataset:
    parts = [epochs[epoch].expand_dims(epoch=[epoch]) for epoch in sorted(epochs)]
    return xr.concat(parts, "epoch", coords="different", compat="equals", join="exact", combine_attrs="override")


ALIKE = {
    "one epoch": {3: measured(0)},
    "before training": {0: measured(0), 1: measured(1)},
    "in any order": {5: measured(0), 1: measured(1), 2: measured(2)},
    "no labels": {1: xr.Dataset({"one": 1.0}), 2: xr.Dataset({"one": 2.0})},
    "NaN": {1: measured(1, whole=np.nan), 2: measured(2, norm=(("layer", "time"), np.full((2, 3), np.nan)))},
}
UNLIKE = {
    "a coordinate beside the labels": {1: measured(0).assign_coords(fold=1), 2: measured(1).assign_coords(fold=1)},
    "coordinates that differ": {1: measured(0).assign_coords(fold=1), 2: measured(1).assign_coords(fold=2)},
    "integers here, fractions there": {1: measured(0), 2: measured(1, rank=("time", [0.5, 1, 2]))},
    "a dimension without labels": {1: measured(0, own=("free", [1.0])), 2: measured(1, own=("free", [2.0]))},
    "longer texts later": {1: measured(0), 2: measured(1, named="a longer text")},
    "fewer later": {1: measured(0), 2: measured(1).drop_vars("half")},
    "more later": {1: measured(0).drop_vars("half"), 2: measured(1)},
    "in another order": {1: measured(0), 2: measured(1)[["rank", "norm", "whole", "half", "named"]]},
    "labels NaN": {k: xr.Dataset({"one": ("x", [float(k)])}, {"x": [np.nan]}) for k in (1, 2)},
}


@pytest.mark.parametrize("epochs", [*ALIKE.values(), *UNLIKE.values()], ids=[*ALIKE, *UNLIKE])
def test_it_is_what_xarray_gives(epochs: dict[int, xr.Dataset]) -> None:
    before = copy.deepcopy(epochs)
    found = stacked_by_epoch(epochs)
    tree = netcdf.tree_of({"/": found})
    expected = by_xarray(before)
    xr.testing.assert_identical(tree.to_dataset(), expected)
    for name, variable in expected.variables.items():
        assert tree.dataset.variables[name].dtype == variable.dtype
    assert list(tree.dataset.variables) == list(expected.variables)
    for epoch, dataset in epochs.items():
        xr.testing.assert_identical(dataset, before[epoch])  # nothing of what was measured is written to


def test_a_text_beside_a_number_stays_one() -> None:
    epochs = {1: xr.Dataset({"own": "text"}), 2: xr.Dataset({"own": 2.0})}
    xr.testing.assert_identical(stacked_by_epoch(epochs), by_xarray(epochs))


@pytest.mark.parametrize("epochs", ALIKE.values(), ids=ALIKE)
def test_what_is_alike_needs_no_xarray(epochs: dict[int, xr.Dataset]) -> None:
    assert isinstance(stacked_by_epoch(epochs), netcdf.Group)


@pytest.mark.parametrize("labels", [{"x": [0, 2]}, {"x": [0.0, 1.5]}, {"x": [0]}, {"x": ["0", "1"]}], ids=str)
def test_epochs_with_other_labels_are_refused(labels: dict[str, list[Any]]) -> None:
    one = xr.Dataset({"own": ("x", [1.0, 2.0])}, {"x": [0, 1]})
    other = xr.Dataset({"own": ("x", [1.0, 2.0][: len(labels["x"])])}, labels)
    with pytest.raises(ValueError, match="exact"):
        stacked_by_epoch({1: one, 2: other})


@pytest.mark.parametrize("epochs", [*ALIKE.values(), *UNLIKE.values()], ids=[*ALIKE, *UNLIKE])
def test_a_run_has_the_same_file_as_groups_and_as_a_tree(epochs: dict[int, xr.Dataset], tmp_path: Path) -> None:
    fields: dict[str, Any] = {
        "run_id": "1f3a",
        "arm": "zoneout",
        "seed": 3,
        "status": "finished",
        "by_epoch": {"train_loss": [np.nan, 0.5, 0.25]},
        "at_best": {"test_loss": 0.5},
        "best_epoch": 2,
        "seconds": 1.5,
        "provenance": {"score": None, "git": "ü"},
        "measured": {"own": epochs, "none": {}},
    }
    tree = schema.run_tree(**copy.deepcopy(fields))
    schema.write_tree(tree, tmp_path / "tree.nc")
    schema.write_tree(schema.run_groups(**fields), tmp_path / "groups.nc")
    written = schema.read_tree(tmp_path / "groups.nc")
    xr.testing.assert_identical(written, schema.read_tree(tmp_path / "tree.nc"))
    xr.testing.assert_equal(written, tree)
    assert "none" not in written.children
    assert tree["metrics"].dataset["best_epoch"].attrs["long_name"]
    assert tree["own"].dataset.variables[next(iter(tree["own"].dataset.variables))].attrs["long_name"]
