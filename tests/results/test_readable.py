"""What opened and exported results call their variables: axis labels that fit, the arms' labels, no unit on names, one order of states."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import zoneout_lab as zl
from zoneout_lab import schema
from zoneout_lab.profiles import perturbation_dataset
from zoneout_lab.results.readable import readable

REPORTS = Path(__file__).parents[2] / "reports"
PUBLISHED = sorted(path.parent.name for path in REPORTS.glob("*/study.nc"))


@pytest.fixture(scope="module", params=PUBLISHED)
def tree(request):
    return zl.open_results(REPORTS / request.param)


def test_names_are_short_and_say_the_rest_beside(tree):
    for group in tree.children.values():
        for name, variable in group.to_dataset().variables.items():
            # as xarray writes them beside an axis
            words = f"{variable.attrs['long_name']} [{variable.attrs.get('units', '')}]"
            assert len(textwrap.wrap(words, 30)) <= 2, name
            assert variable.attrs.get("description") != variable.attrs["long_name"]
            if name in group.coords or variable.dtype.kind in "OSU":
                assert "units" not in variable.attrs, name
            else:
                assert "units" in variable.attrs, name
    about = tree["metrics"]["valid_loss"].attrs
    assert (about["long_name"], about["units"]) == ("validation loss", "nats")


def test_every_group_has_the_arms_labels_and_the_cell_first(tree):
    labels = {arm["name"]: arm["label"] for arm in schema.study_of(tree)["arms"]}
    for group in tree.children.values():
        assert group["arm_label"].dims == ("arm",)
        assert dict(zip(group["arm"].values.tolist(), group["arm_label"].values.tolist(), strict=True)) == labels
        if "state" in group.coords:
            assert group["state"].values.tolist() == sorted(group["state"].values.tolist())


def test_no_number_is_moved_from_its_label():
    path = REPORTS / "quickstart" / "study.nc"
    opened = zl.open_results(path)
    with xr.open_datatree(path, engine="h5netcdf", driver_kwds={"locking": False}) as plain:
        assert plain["dynamics"]["state"].values.tolist() == ["hidden", "cell"]
        assert opened["dynamics"]["state"].values.tolist() == ["cell", "hidden"]
        for name, group in plain.children.items():
            for variable in group.data_vars:
                mine, theirs = opened[name][variable], group[variable].load()
                for state in theirs["state"].values if "state" in theirs.dims else [None]:
                    at = {} if state is None else {"state": state}
                    np.testing.assert_array_equal(mine.sel(at).values, theirs.sel(at).values)


def test_an_export_is_so_for_plain_xarray_and_opened_again_the_same(tmp_path):
    opened = zl.open_results(REPORTS / "quickstart" / "study.nc")
    schema.write_tree(opened, tmp_path / "study.nc")
    with xr.open_datatree(tmp_path / "study.nc", engine="h5netcdf", driver_kwds={"locking": False}) as plain:
        assert plain["metrics"].coords["arm_label"].values.tolist()[:2] == ["LSTM", "zoneout"]
        assert plain["gradients"].dataset["norm"].attrs["long_name"] == "gradient norm"
        assert "arm_label" not in plain["metrics"].data_vars
    again = zl.open_results(tmp_path / "study.nc")
    assert again.identical(opened)
    assert readable(again).identical(again)
    assert schema.read_groups(tmp_path / "study.nc")["/metrics"].variables["arm_label"][1].tolist()[0] == "LSTM"
    assert zl.judge(again) == zl.judge(opened)


def test_labels_by_default_fit_a_figure_of_four_inches():
    tree = zl.open_results(REPORTS / "quickstart" / "study.nc")
    for group, name, along in (
        ("metrics", "gradient_norm", "epoch"),
        ("metrics", "valid_error", "epoch"),
        ("gradients", "normalised_without_noise", "time"),
        ("dynamics", "growth_without_noise", "lag"),
    ):
        values = tree[group][name]
        one = values.isel({dim: 0 for dim in values.dims if dim != along})
        figure = Figure(figsize=(4, 3), layout="constrained", dpi=60)
        canvas, ax = FigureCanvasAgg(figure), figure.add_subplot()
        one.plot.line(ax=ax)
        ax.set_title("")
        canvas.draw()
        tight = figure.get_tightbbox()
        assert tight.x0 >= -0.05, name
        assert tight.y0 >= -0.05, name
        assert tight.x1 <= 4.05, name
        assert tight.y1 <= 3.05, name


def test_one_arm_or_seed_selected_is_still_compared():
    tree = zl.open_results(REPORTS / "quickstart" / "study.nc")
    assert len(zl.compare(tree.isel(seed=[0, 1, 2]), "zoneout", "lstm", metric="valid_error").seeds) == 3
    assert readable(schema.by_arm_and_seed(tree.isel(arm=0)))["metrics"]["arm_label"].values.tolist() == ["LSTM"]


def test_a_measurement_has_its_states_in_that_order_too():
    dataset = perturbation_dataset([[[0.1, 0.2], [0.3, 0.4]]], layers=["l0"], states=["hidden", "cell"])
    assert dataset["state"].values.tolist() == ["cell", "hidden"]
    assert dataset["growth"].sel(state="hidden", layer="l0").values.tolist() == [0.1, 0.2]


def test_written_again_it_has_the_same_bytes(tmp_path):
    first = schema.write_tree(zl.open_results(REPORTS / "quickstart" / "study.nc"), tmp_path / "first.nc")
    assert schema.write_tree(zl.open_results(tmp_path / "first.nc"), tmp_path / "again.nc") == first
