"""The direct reader of netCDF gives what xarray gives, of every file that is written here; of others it says that it does not know them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from test_schema import make_run

from zoneout_lab import netcdf, profiles, schema


def with_xarray(content: bytes) -> xr.DataTree:
    with xr.open_datatree(io.BytesIO(content), engine="h5netcdf") as lazy:
        return xr.DataTree.from_dict({node.path: node.to_dataset(inherit=False).load() for node in lazy.subtree})


def assert_same(found: xr.DataTree, expected: xr.DataTree) -> None:
    """The same in every type and order, too."""
    xr.testing.assert_identical(found, expected)
    assert list(found.children) == list(expected.children)
    for one, other in zip(found.subtree, expected.subtree, strict=True):
        assert {key: type(value) for key, value in one.attrs.items()} == {
            key: type(value) for key, value in other.attrs.items()
        }
        here, there = one.to_dataset(inherit=False), other.to_dataset(inherit=False)
        assert list(here.data_vars) == list(there.data_vars)
        assert {name: v.dtype for name, v in here.variables.items()} == {
            name: v.dtype for name, v in there.variables.items()
        }


def run(**more: Any) -> xr.DataTree:
    said = {"versions": {"torch": "2.11"}, "git": None, "note": "ζ = ½ \ud800", "long": "x" * 100_000}
    return make_run(**({"measured": {}, "provenance": said} | more))


def own(**more: Any) -> dict[str, dict[int, xr.Dataset]]:
    counts = {"count": (("bin", "place"), np.arange(6).reshape(2, 3)), "own": ("bin", np.array([0.5, np.inf], "f4"))}
    return {"own": {1: xr.Dataset(counts, {"bin": ["ä", ""], "place": [1.5, 2.5, 7.0]}, {"measure": "{}"} | more)}}


def gradients(time: int) -> xr.Dataset:
    values = np.random.default_rng(0).random((2, 2, 2, time))
    return profiles.gradient_dataset(values, layers=["l0", "l1_reverse"], states=["cell", "hidden"])


FAMILIAR: dict[str, Callable[[], xr.DataTree]] = {
    "run": run,
    "measured": lambda: run(measured={"gradients": {0: gradients(9), 2: gradients(9)}, **own()}),
    "packed": lambda: run(measured={"gradients": {0: gradients(900)}}),
    "attributes of two bytes, of sixteen, of none": lambda: run(measured=own(a="é", b="x" * 16, c="", d=2.5, e=np.int8(-1))),
    "diverged at once": lambda: run(status="diverged", best_epoch=None, by_epoch={"valid_error": []}, at_best={}),
    "study": lambda: schema.study_tree([(run(), "sha")], arms=["lstm", "zoneout"], seeds=[3, 4], provenance={"a": [1]}),
    "study without a run": lambda: schema.study_tree([], arms=["lstm"], seeds=[0, 1], provenance={}),
}  # fmt: skip


@pytest.mark.parametrize("case", FAMILIAR)
def test_what_is_written_here_is_read_as_xarray_reads_it(case: str, tmp_path: Path) -> None:
    tree = FAMILIAR[case]()
    schema.write_tree(tree, tmp_path / "file.nc")
    content = (tmp_path / "file.nc").read_bytes()
    found = netcdf.tree_of(netcdf.read(content))
    assert_same(found, with_xarray(content))
    assert found.identical(tree)


def test_of_files_that_are_alike_the_first_is_asked() -> None:
    """Values and dimensions are each file's own; what says more, or under other names, is read."""
    alike: netcdf.Described = {}
    trees = [run(), run(seed=4, by_epoch={"train_loss": [5.0], "valid_error": [0.125]})]
    trees[1]["metrics/valid_error"].attrs["noun"] = "the error"
    trees[1]["metrics/test_error"].attrs["units"] = "another"
    first, second = (netcdf.groups(bytes(tree.to_netcdf(None, engine="h5netcdf")), alike) for tree in trees)
    xr.testing.assert_identical(netcdf.tree_of(first), trees[0])
    trees[1]["metrics/test_error"].attrs["units"] = "1"
    xr.testing.assert_identical(netcdf.tree_of(second), trees[1])


@pytest.mark.parametrize("theirs", [False, True], ids=["by h5py", "by xarray"])
def test_groups_that_are_wanted_are_read_and_no_others(theirs: bool, tmp_path: Path) -> None:
    tree = run(measured={"gradients": {0: gradients(9)}})
    if theirs:
        tree["metrics"] = tree["metrics"].to_dataset().assign(own=("epoch", [True] * tree["metrics"].sizes["epoch"]))
    schema.write_tree(tree, tmp_path / "run.nc")
    everything = schema.read_groups(tmp_path / "run.nc")
    for wanted in (schema.ITSELF, {"/gradients"}, set()):
        found = schema.read_groups(tmp_path / "run.nc", only=wanted)
        assert list(found) == [path for path in everything if path == "/" or path in wanted]
        for path, group in found.items():
            assert group.attrs == everything[path].attrs
            assert group.variables.keys() == everything[path].variables.keys()
            for name, (dims, values, attrs) in group.variables.items():
                assert (dims, attrs) == (everything[path].variables[name][0], everything[path].variables[name][2])
                np.testing.assert_array_equal(values, everything[path].variables[name][1])


@pytest.mark.parametrize("published", sorted((Path(__file__).parents[1] / "reports").glob("*/study.nc")), ids=str)
def test_what_older_versions_wrote_too(published: Path) -> None:
    content = published.read_bytes()
    assert_same(netcdf.tree_of(netcdf.read(content)), with_xarray(content))


def dataset(values: Any, **attrs: Any) -> xr.Dataset:
    return xr.Dataset({"x": ("t", values, attrs)}, {"t": np.arange(len(values))})


FOREIGN: dict[str, xr.Dataset] = {
    "truths": dataset([True, False]),
    "dates": dataset(np.array(["2026-01-01", "2026-01-02"], "M8[ns]")),
    "spans": dataset(np.array([1, 2], "m8[s]")),
    "texts of fixed length": xr.Dataset({"x": ("t", np.array([b"one", b"two"]))}),
    "no labels": xr.Dataset({"x": (("t", "u"), np.zeros((2, 3)))}),
    "many in an attribute": dataset([1.0, 2.0], sizes=[1.0, 2.0]),
    "texts in an attribute": dataset([1.0, 2.0], names=["a", "b"]),
}  # fmt: skip
PACKED = {"x": {"dtype": "i2", "scale_factor": 0.5, "add_offset": 1.0, "_FillValue": -9}}


@pytest.mark.parametrize("case", [*FOREIGN, "packed", "large numbers first"])
def test_what_it_does_not_know_is_read_by_xarray(case: str, tmp_path: Path) -> None:
    encoding = {"packed": PACKED, "large numbers first": {"x": {"dtype": ">f8"}}}.get(case, {})
    tree = xr.DataTree.from_dict({"/metrics": FOREIGN.get(case, dataset([1.0, np.nan]))})
    tree.attrs["schema"] = schema.VERSION
    tree.to_netcdf(tmp_path / "theirs.nc", engine="h5netcdf", encoding={"/metrics": encoding})
    content = (tmp_path / "theirs.nc").read_bytes()
    with pytest.raises(netcdf.UnfamiliarError):
        netcdf.read(content)
    assert_same(schema.read_tree(tmp_path / "theirs.nc"), with_xarray(content))


@pytest.mark.parametrize("units", ["days since 2000-01-01", "hours"])
@pytest.mark.parametrize("also", [[1.0, 2.0], [True, False]], ids=["by h5py", "by xarray"])
def test_numbers_whose_unit_alone_says_that_they_are_times_stay_numbers(
    units: str, also: list[Any], tmp_path: Path
) -> None:
    tree = xr.DataTree.from_dict({"/metrics": dataset([1.5, 300.0], units=units).assign(also=("t", also))})
    tree.attrs["schema"] = schema.VERSION
    tree.to_netcdf(tmp_path / "theirs.nc", engine="h5netcdf")
    content = (tmp_path / "theirs.nc").read_bytes()
    lazy = netcdf.lazy_tree(io.BytesIO(content), len(content))
    for found in (schema.read_tree(tmp_path / "theirs.nc"), lazy):
        assert found["metrics/x"].values.tolist() == [1.5, 300.0]
        assert found["metrics/x"].attrs["units"] == units
        assert found["metrics/also"].values.tolist() == also


@pytest.mark.parametrize(
    "other",
    [
        xr.Dataset({"x": ("t", [1.0, 2.0]), "y": 3.0}, {"name": ("t", ["a", "b"]), "t": [1, 2]}),
        xr.Dataset({"x": ("t", [1.0])}, {"t": [0], "run": 4}),
    ],
    ids=["along a dimension", "a scalar"],
)
def test_other_labels_are_coordinates_and_in_groups_variables(other: xr.Dataset, tmp_path: Path) -> None:
    tree = xr.DataTree.from_dict({"/metrics": other})
    tree.attrs["schema"] = schema.VERSION
    tree.to_netcdf(tmp_path / "theirs.nc", engine="h5netcdf")
    content = (tmp_path / "theirs.nc").read_bytes()
    assert_same(netcdf.tree_of(netcdf.read(content)), with_xarray(content))
    groups = schema.read_groups(tmp_path / "theirs.nc")
    assert set(groups["/metrics"].variables) == set(other.variables)
    assert not any("coordinates" in attrs for _, _, attrs in groups["/metrics"].variables.values())


def test_dimensions_are_not_taken_for_others() -> None:
    """Of equal length, written in another order than they are numbered."""
    file = io.BytesIO()
    tree = xr.DataTree.from_dict(
        {"/a": xr.Dataset({"x": (("v", "u"), np.arange(4.0).reshape(2, 2))}, {"u": [1, 2], "v": [3, 4]})}
    )
    content = bytes(tree.to_netcdf(None, engine="h5netcdf"))
    assert_same(netcdf.tree_of(netcdf.read(content)), with_xarray(content))
    file.write(content)
    for other in (np.array([7, 8], "i4"), np.array([0], "i4"), None):
        with h5py.File(file, "r+") as opened:
            del opened["a/x"].attrs["_Netcdf4Coordinates"]
            if other is not None:
                opened["a/x"].attrs["_Netcdf4Coordinates"] = other
        with pytest.raises(netcdf.UnfamiliarError):
            netcdf.read(file.getvalue())
    assert_same(netcdf.tree(file.getvalue()), with_xarray(content))
