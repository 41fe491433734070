"""Files written with h5py directly: what xarray makes of them is what it makes of those that it writes itself."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import pytest
import xarray as xr

from zoneout_lab import netcdf, schema
from zoneout_lab.netcdf import writing


def run(epochs: int = 3, times: int = 600) -> xr.DataTree:
    """A run's tree with metrics, texts, and numbers that are compressed."""
    rng = np.random.default_rng(0)
    measured = xr.Dataset(
        {"norm": (("layer", "time"), rng.standard_normal((2, times))), "rank": (("time",), np.arange(times))},
        coords={"layer": ["l0", "l1µ"], "time": np.arange(times)},
        attrs={"measure": "{}", "about": ""},
    )
    return schema.run_tree(
        run_id="1f3a",
        arm="zoneout",
        seed=3,
        status="finished",
        by_epoch={"train_loss": [float("nan"), *rng.random(epochs - 1)]},
        at_best={"test_loss": 0.5},
        best_epoch=2,
        measured={"gradients": {1: measured, 2: measured * 2}},
        seconds=1.5,
        provenance={"spec": {"text": "ü" * 70_000}, "git": None},
    )


def packed(_dims: tuple[str, ...], values: np.ndarray) -> tuple[int, ...] | None:
    return values.shape if values.size > 1000 else None


def opened(content: bytes) -> xr.DataTree:
    with xr.open_datatree(io.BytesIO(content), engine="h5netcdf") as tree:
        return xr.DataTree.from_dict({node.path: node.to_dataset(inherit=False).load() for node in tree.subtree})


def test_xarray_reads_what_it_would_have_written() -> None:
    ours, theirs = (opened(each) for each in (netcdf.written(run(), packed), bytes(run().to_netcdf(None))))
    xr.testing.assert_identical(ours, theirs)
    for node in ours.subtree:
        for name, variable in node.dataset.variables.items():
            other = theirs[node.path].dataset.variables[name]
            assert (variable.dtype, variable.dims) == (other.dtype, other.dims), name
            assert variable.values.tobytes() == other.values.tobytes(), name  # to the bit
            assert variable.encoding.get("_FillValue", "") is not None
        assert list(node.dataset.variables) == list(theirs[node.path].dataset.variables)


def test_any_program_for_netcdf_finds_the_dimensions() -> None:
    with h5netcdf.File(io.BytesIO(netcdf.written(run(), packed)), "r") as file:
        assert dict(file["gradients"].dimensions.items()).keys() == {"epoch", "layer", "time"}
        assert file["gradients/norm"].dimensions == ("epoch", "layer", "time")
        assert file["gradients/norm"].attrs["_FillValue"] != file["gradients/norm"].attrs["_FillValue"]  # NaN


def test_no_two_dimensions_of_a_file_have_one_number() -> None:
    numbers: list[int] = []
    with h5py.File(io.BytesIO(netcdf.written(run(), packed)), "r") as file:
        for group in ("metrics", "gradients"):
            scales = [each for each in file[group].values() if each.attrs.get("CLASS") == b"DIMENSION_SCALE"]
            numbers += [int(each.attrs["_Netcdf4Dimid"]) for each in scales]
    assert sorted(numbers) == [0, 1, 2, 3]


def test_each_variable_says_which_dimensions_it_has() -> None:
    """By their numbers, for netCDF's own library; h5netcdf and xarray ask the scales."""
    with h5py.File(io.BytesIO(netcdf.written(run(), packed)), "r") as file:
        for group in ("metrics", "gradients"):
            number = {name: int(each.attrs["_Netcdf4Dimid"]) for name, each in file[group].items() if each.is_scale}
            for each in file[group].values():
                dims = [name.rpartition("/")[2] for name in along(each)]
                assert list(each.attrs.get("_Netcdf4Coordinates", ())) == [number[dim] for dim in dims]
                assert [each.attrs["_Netcdf4Dimid"] for _ in dims[:1]] == [number[dim] for dim in dims[:1]]


def along(each: h5py.Dataset) -> list[str]:
    return [each.name] if each.is_scale else [dim[0].name for dim in each.dims]


def test_attributes_keep_their_order() -> None:
    """More than eight, which HDF5 stores in another way: netCDF's own library asks for them by age."""
    many = {f"name {(5 * k) % 11}": k for k in range(11)}
    tree = run()
    metrics = tree["metrics"].to_dataset()
    metrics["train_loss"].attrs = many
    tree["metrics"] = metrics.assign_attrs(many)
    tree.attrs = many
    with h5py.File(io.BytesIO(netcdf.written(tree, packed)), "r") as file:
        for place in ("/", "metrics", "metrics/train_loss"):
            assert [name for name in in_order(file[place]) if name in many] == list(many)


def in_order(each: h5py.Group | h5py.Dataset) -> list[str]:
    """Names of attributes, the oldest first."""
    ids = [h5py.h5a.open(each.id, index=k, index_type=h5py.h5.INDEX_CRT_ORDER) for k in range(len(each.attrs))]
    return [one.name.decode() for one in ids]


def test_labels_beside_those_of_a_dimension_are_named_as_xarray_names_them() -> None:
    tree = run()
    arms = tree["gradients"].to_dataset().expand_dims(arm=["a", "b"], place=[0, 1, 2])
    beside = {"arm_label": ("arm", ["A", "B"]), "where": (("place", "arm"), np.zeros((3, 2)))}
    tree["gradients"] = arms.assign_coords(beside).assign(alone=("layer", [1.0, 2.0]), half=("arm", [1.0, 2.0]))
    content = netcdf.written(tree, packed)
    xr.testing.assert_identical(opened(content), tree)
    ours, theirs = (h5py.File(io.BytesIO(each)) for each in (content, bytes(tree.to_netcdf(None))))
    for name in tree["gradients"].variables:
        said = [file["gradients"][name].attrs.get("coordinates") for file in (ours, theirs)]
        assert said[0] == said[1], name
    assert theirs["gradients/norm"].attrs["coordinates"] == "arm_label where"


def test_the_same_tree_has_the_same_bytes() -> None:
    assert netcdf.written(run(), packed) == netcdf.written(run(), packed)


def group(x: object, **attrs: object) -> dict[str, netcdf.Group]:
    """A number, or a text."""
    return {"/g": netcdf.Group({}, {"x": ((), np.array(x), attrs)})}


def labelled(labels: list[str], values: Sequence[float] = (1.0, 2.0)) -> dict[str, netcdf.Group]:
    """Numbers by a dimension with texts as labels."""
    return {"/g": netcdf.Group({}, {"x": (("s",), np.array(values), {}), "s": (("s",), np.array(labels), {})})}


def numbered(values: np.ndarray) -> dict[str, netcdf.Group]:
    """Numbers of two dimensions with whole numbers as labels."""
    labels: dict[str, netcdf.Variable] = {
        dim: ((dim,), np.arange(length), {}) for dim, length in zip("ab", values.shape, strict=True)
    }
    return {"/g": netcdf.Group({}, {"x": (("a", "b"), values, {}), **labels})}


def turned(groups: dict[str, netcdf.Group], dims: tuple[str, ...]) -> dict[str, netcdf.Group]:
    """The same numbers along dimensions in this order."""
    variables = groups["/g"].variables
    return {"/g": netcdf.Group({}, {**variables, "x": (dims, *variables["x"][1:])})}


@pytest.mark.parametrize(
    "others",
    [
        [run(), run(times=5000)],
        [group(1.0, units="1"), group(2.0, units="1"), group(np.float32(1.0), units="1"), group("1", units="1")],
        [group(1.0, of=value) for value in (1, 1.0, np.float32(1.0), np.int32(1), 0.0, -0.0, "1", "1.0")],
        [group(1.0, of="a", at="b"), group(1.0, at="b", of="a"), group(1.0, of="a")],
        [group("short"), group("longer"), group(np.array("none", object))],
        [labelled(["h", "c"]), labelled(["c", "h"]), labelled(["hidden", "cell"]), labelled(["h", "c"], [2.0, 1.0])],
        [labelled([f"{first}{k}" for k in range(100)], range(100)) for first in "ab"],
        [numbered(np.arange(6.0).reshape(2, 3)[:, order]) for order in (slice(None), slice(None, None, -1))],
        [numbered(np.asfortranarray(np.arange(6.0).reshape(2, 3))), numbered(np.arange(6).reshape(2, 3))],
        [numbered(first + np.arange(30_000).reshape(2, -1)) for first in (0, 1)],
        [turned(numbered(np.arange(9.0).reshape(3, 3)), dims) for dims in (("a", "b"), ("b", "a"))],
        [{"/g": netcdf.Group({}, {name: ((), np.array(5.0), {})})} for name in ("x", "y")],
        [{f"/{name}": netcdf.Group({}, {"x": ((), np.array(5.0), {})})} for name in ("g", "h")],
    ],
    ids=[
        "runs",
        "types",
        "attributes",
        "order",
        "texts",
        "labels",
        "many labels",
        "views",
        "orders",
        "large",
        "dimensions",
        "names",
        "groups",
    ],
)
def test_what_was_written_before_changes_nothing(others: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of one form share what is made of it; others, however much alike, do not."""
    by_itself = []
    for each in others:
        monkeypatch.setattr(writing, "_FORMS", {})
        by_itself.append(netcdf.written(each, packed))
    monkeypatch.setattr(writing, "_FORMS", {})
    for _ in range(2):
        assert [netcdf.written(each, packed) for each in others] == by_itself
    for each, content in zip(others, by_itself, strict=True):
        xr.testing.assert_identical(opened(content), each if isinstance(each, xr.DataTree) else netcdf.tree_of(each))


def test_as_many_forms_are_kept_as_are_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_FORMS", {})
    first = netcdf.written(group(1.0, of=0), packed)
    for number in range(100):
        netcdf.written(group(1.0, of=number), packed)
    assert len(writing._FORMS) <= 16
    assert netcdf.written(group(1.0, of=0), packed) == first


def test_what_cannot_be_written_is_refused_each_time() -> None:
    listed = np.empty(1, object)
    listed[0] = ["a"]
    for _ in range(2):
        netcdf.written({"/g": netcdf.Group({}, {"x": ((), np.array("text", object), {})})}, packed)
        with pytest.raises(netcdf.UnfamiliarError, match="x holds 1"):
            netcdf.written({"/g": netcdf.Group({}, {"x": ((), np.array(1, object), {})})}, packed)
        with pytest.raises(netcdf.UnfamiliarError, match="x holds \\['a'\\]"):
            netcdf.written({"/g": netcdf.Group({}, {"x": (("x",), listed, {})})}, packed)
        with pytest.raises(netcdf.UnfamiliarError, match="the attribute own"):
            netcdf.written({"/g": netcdf.Group({"own": [1]}, {"x": ((), np.array(1.0), {})})}, packed)


def test_large_numbers_are_compressed() -> None:
    tree = run(times=5000)
    tree["gradients/norm"][:] = 0.0
    content = netcdf.written(tree, packed)
    assert len(content) < len(netcdf.written(tree, lambda *_: None)) - 100_000
    xr.testing.assert_identical(opened(content), tree)


def _without_labels(tree: xr.DataTree) -> None:
    tree["metrics"] = tree["metrics"].to_dataset().assign(own=("unit", [1.0, 2.0]))


def _of_truth_values(tree: xr.DataTree) -> None:
    tree["metrics"] = tree["metrics"].to_dataset().assign(own=("epoch", [True, False, True]))


def _without_epochs(tree: xr.DataTree) -> None:
    tree["metrics"] = tree["metrics"].to_dataset().isel(epoch=slice(0, 0))


def _of_dates(tree: xr.DataTree) -> None:
    tree["metrics"] = tree["metrics"].to_dataset().assign(own=("epoch", np.array(["2020-01-01"] * 3, "datetime64[ns]")))


def _listed(tree: xr.DataTree) -> None:
    tree["metrics"].attrs["own"] = [1, 2]


def _of_small_integers(tree: xr.DataTree) -> None:
    tree["metrics"].attrs["own"] = np.int8(1)


def _scalar_coordinate(tree: xr.DataTree) -> None:
    tree["metrics"] = tree["metrics"].to_dataset().assign_coords(fold=1)


def _coordinate_of_no_variable(tree: xr.DataTree) -> None:
    tree["own"] = xr.Dataset({"x": 1.0}, {"arm": ["a", "b"], "label": ("arm", ["A", "B"])})


def _said_to_have_coordinates(tree: xr.DataTree) -> None:
    tree["metrics/train_loss"].attrs["coordinates"] = "none"


@pytest.mark.parametrize(
    "change",
    [
        _without_labels,
        _of_truth_values,
        _without_epochs,
        _of_dates,
        _listed,
        _of_small_integers,
        _scalar_coordinate,
        _coordinate_of_no_variable,
        _said_to_have_coordinates,
    ],
)
def test_what_is_not_known_is_left_to_xarray(change: Callable[[xr.DataTree], None], tmp_path: Path) -> None:
    tree = run()
    change(tree)
    with pytest.raises(netcdf.UnfamiliarError):
        netcdf.written(tree, packed)
    schema.write_tree(tree, tmp_path / "run.nc")
    xr.testing.assert_equal(schema.read_tree(tmp_path / "run.nc"), tree)


def test_a_dimension_has_one_length() -> None:
    group = netcdf.Group({}, {"x": (("x",), np.arange(2), {}), "y": (("x",), np.arange(3), {})})
    with pytest.raises(ValueError, match="y has 3 values along 'x', and others have 2"):
        netcdf.written({"/": group}, packed)
