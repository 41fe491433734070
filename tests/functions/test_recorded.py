"""What is recorded keeps its numbers, to the last bit, through checkpoints, runs' files and the exported file, whatever is said beside them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from zoneout_lab import schema
from zoneout_lab.frozen import Seeds
from zoneout_lab.functions.running import Running
from zoneout_lab.functions.saved import packed, unpacked
from zoneout_lab.netcdf.familiar import RESERVED
from zoneout_lab.results import open_results

HARMLESS = ("note", "valid_min", "standard_name", "bounds", "cell_methods", "ü", "positive", "flag_values")
MEANINGFUL = (*sorted(RESERVED), "units", "long_name")
VALUES = ("text", "", "ü\U0001f600", "two\nlines", "half \ud800", "days", "minutes since 1999-12-31", "x", 3, 0, -2.5, float("nan"), 2**61)  # fmt: skip


def running(seed: int = 0) -> Running:
    return Running(arm="a", seed=seed, params={}, seeds=Seeds(init=1, data=2, masks=3), device="cpu")


def exported(runs: list[Running], folder: Path) -> Path:
    """The file of a study, by way of the files of its runs."""
    folder.mkdir(exist_ok=True)
    read = []
    for run in runs:
        curves, epochs, measured = run.result()
        fields: dict[str, Any] = {"by_epoch": curves, "epochs": epochs, "measured": measured, "provenance": {}}
        fields |= {"at_best": {"error": 0.5}, "best_epoch": None, "seconds": 1.0, "status": "finished"}
        file = folder / f"{run.seed}.nc"
        schema.write_tree(schema.run_groups(run_id=f"{run.seed}", arm="a", seed=run.seed, **fields), file)
        read.append((schema.read_groups(file), "0"))
    study = folder / "study.nc"
    tree = schema.study_tree(read, arms=["a"], seeds=[run.seed for run in runs], provenance={"study": {"name": "x"}})
    schema.write_tree(tree, study)
    schema.write_tree(open_results(study), study)
    return study


def said(rng: random.Random, names: tuple[str, ...]) -> dict[str, Any]:
    return {rng.choice(names): rng.choice(VALUES) for _ in range(rng.choice((0, 1, 3)))}


def drawn(rng: random.Random, names: tuple[str, ...]) -> xr.Dataset:
    """Bits of any kind, NaN with payloads and −0 among them, along dimensions with labels of any kind or none."""
    bits = np.random.default_rng(rng.randrange(2**32))
    sizes = {"tap": rng.randint(1, 4), "unit": rng.randint(1, 3)}
    whole = xr.Dataset(attrs=said(rng, names))
    for name in rng.sample(("a", "b", "loss", "ü", "a b"), rng.randint(1, 3)):
        dims = tuple(rng.sample(sorted(sizes), rng.randint(0, 2)))
        raw = bits.integers(0, 2**64, [sizes[dim] for dim in dims], dtype=np.uint64)
        whole[name] = xr.Variable(dims, np.asarray(raw).view(np.float64), said(rng, names))
    for dim in set(map(str, whole.dims)):
        labels: list[Any] = rng.choice(([2, 5, 7, 9], [0.5, 1.5, np.nan, 4], ["p", "ü", "", "p q"], [None]))
        if labels != [None]:
            whole = whole.assign_coords({dim: xr.Variable(dim, labels[: sizes[dim]], said(rng, names))})
    return whole


@pytest.mark.parametrize("names", [HARMLESS, MEANINGFUL], ids=["harmless", "meaningful"])
@pytest.mark.parametrize("number", range(12))
def test_bits_are_the_same_in_the_exported_file(names: tuple[str, ...], number: int, tmp_path: Path) -> None:
    """Seen to fail where the attributes ``scale_factor`` and ``units`` were written as they are."""
    rng = random.Random(number)
    dataset = drawn(rng, names)
    runs = [running(seed) for seed in (0, 1)]
    for run in runs:
        run.record(dataset, "own", epoch=1)
    runs[1]._go_on(unpacked(packed({"state": 1, "said": runs[1]._said()})))
    with xr.open_datatree(exported(runs, tmp_path), engine="h5netcdf", decode_timedelta=True) as tree:
        found = tree["own"].to_dataset().load()
    assert set(found.data_vars) == set(dataset.data_vars)
    for name, values in dataset.data_vars.items():
        for seed in (0, 1):
            there = found[name].sel(arm="a", seed=seed, epoch=1)
            assert there.dtype == np.float64
            assert there.values.tobytes() == values.values.tobytes(), name
        assert not set(found[name].attrs) & set(RESERVED)
    for dim in dataset.coords:
        np.testing.assert_array_equal(found[dim].values, dataset[dim].values)


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_attributes_with_a_meaning_of_their_own_are_left_out(name: str, tmp_path: Path) -> None:
    """``DIMENSION_LIST`` ended the process."""
    dataset = xr.Dataset({"x": ("t", [1.0, 2.0])}, {"t": [3, 4]}, {name: "t", "kept": "k"})
    for each, value in (("x", 2.0), ("t", "t")):
        dataset[each].attrs = {name: value, "kept": each}
    run = running()
    run.record(dataset, "own", epoch=1)
    tree = open_results(exported([run], tmp_path))
    assert tree["own/x"].values.tolist() == [[[[1.0, 2.0]]]]
    for attrs, kept in ((tree["own"].attrs, "k"), (tree["own/x"].attrs, "x"), (tree["own"].coords["t"].attrs, "t")):
        assert attrs["kept"] == kept
        assert name not in attrs


@pytest.mark.parametrize("name", [*sorted(RESERVED), "units"])
@pytest.mark.parametrize("how", ["h5py", "xarray"])
def test_a_tree_that_has_such_attributes_is_written_without_them(name: str, how: str, tmp_path: Path) -> None:
    """Whoever made the tree: xarray, which writes what is not familiar, is not told of them, and the tree keeps them."""
    values = [1.0, 300.0] if how == "h5py" else [True, False]
    own = xr.Dataset({"x": ("t", [1.5, 300.0], {name: "hours"}), "y": ("t", values)}, {"t": [0, 1]}, {name: "hours"})
    tree = xr.DataTree.from_dict({"/own": own})
    tree.attrs.update(kind="run", schema=schema.VERSION)
    schema.write_tree(tree, tmp_path / "run.nc")
    assert tree["own/x"].attrs == {name: "hours"}
    with xr.open_datatree(tmp_path / "run.nc", engine="h5netcdf", decode_timedelta=True) as found:
        assert found["own/x"].values.tolist() == [1.5, 300.0]
        assert found["own/y"].values.tolist() == values
        assert found["own/x"].attrs == ({"unit": "hours"} if name == "units" else {})


@pytest.mark.parametrize("unit", ["hours since 1970-01-01", "milliseconds", "since the start"])
def test_a_unit_of_time_is_kept_as_a_text_beside_numbers(unit: str, tmp_path: Path) -> None:
    labels = xr.Variable("t", [0, 10], {"units": unit})
    runs = [running(seed) for seed in (0, 1)]
    for run in runs:
        run.record(xr.Dataset({"x": ("t", [0.25, 1e12], {"units": unit})}, {"t": labels}), "own", epoch=1)
    runs[0]._go_on(unpacked(packed({"state": 1, "said": runs[0]._said()})))
    runs[0].record(xr.Dataset({"x": ("t", [0.5, -1.0], {"units": unit})}, {"t": labels}), "own", epoch=2)
    study = exported(runs, tmp_path)
    ours = open_results(study)["own"].to_dataset()
    with xr.open_datatree(study, engine="h5netcdf", decode_timedelta=True) as tree:
        theirs = tree["own"].to_dataset().load()
    for found in (ours, theirs):
        assert found["x"].sel(seed=0).values.tolist() == [[[0.25, 1e12], [0.5, -1.0]]]
        assert found["t"].values.tolist() == [0, 10]
        assert found["x"].attrs["unit"] == found["t"].attrs["unit"] == unit
        assert "units" not in found["x"].attrs
