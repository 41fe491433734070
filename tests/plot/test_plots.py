"""Figures on the caller's axes: what they show is what the numbers are, everything that is written fits, and nothing else is changed."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import zoneout_lab as zl
from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.profiles import gradient_dataset
from zoneout_lab.results import Question, Table, compare_family

QUICKSTART = Path(__file__).parents[2] / "reports" / "quickstart" / "study.nc"
TREE = zl.open_results(QUICKSTART)  # read and never changed
JUDGED = zl.judge(TREE)
OTHERS = ("zoneout", "shared", "per_layer", "static", "recurrent_dropout")
FAMILY = compare_family(TREE, [Question(arm, "lstm", "valid_error", "same", 0.03, "linear") for arm in OTHERS])
LONG = "an arm whose label goes on and on, with $x_1$, {braces} & more"


def paper(width: float = 3.3, height: float = 2.8) -> Axes:
    figure = Figure(figsize=(width, height), layout="constrained", dpi=60)
    FigureCanvasAgg(figure)
    return figure.add_subplot()


def diverged() -> xr.DataTree:
    """The quickstart, as if zoneout had diverged after epoch 7 at seeds 0 to 3."""
    tree = TREE.copy(deep=True)
    for name in ("status", "valid_error"):
        values = tree["metrics"][name]
        fine = (values.arm != "zoneout") | (values.seed > 3)
        tree["metrics"][name] = (
            values.where(fine, "diverged") if name == "status" else values.where(fine | (values.epoch < 8))
        )
    return tree


def flow(seeds: int = 1, layers: int = 2) -> xr.Dataset:
    rng = np.random.default_rng(3)
    made = [
        gradient_dataset(
            np.exp(rng.normal(size=(layers, 2, 2, 12))),
            layers=[f"l{k}" for k in range(layers)],
            states=["cell", "hidden"],
        )
        for _ in range(seeds)
    ]
    return zl.stack(made) if seeds > 1 else made[0]


def long_labels() -> xr.DataTree:
    tree = TREE.copy(deep=True)
    text = tree["provenance"].attrs["study"]
    tree["provenance"].attrs["study"] = text.replace('"label": "zoneout"', f'"label": "{LONG}"')
    return tree


DRAWN: dict[str, Callable[[Axes], Axes]] = {
    "forest of verdicts": lambda ax: zl.plot.forest(JUDGED, ax),
    "forest of one metric": lambda ax: zl.plot.forest(FAMILY, ax),
    "forest, long labels": lambda ax: zl.plot.forest([dataclasses.replace(c, arm_label=LONG) for c in FAMILY[:2]], ax),
    "forest of ratios": lambda ax: zl.plot.forest(zl.compare(TREE, "zoneout", "lstm", metric="early_third_mass_cell"), ax),
    "forest of few seeds": lambda ax: zl.plot.forest(
        zl.compare(TREE.isel(seed=slice(0, 3)), "zoneout", "lstm", metric="valid_error"), ax
    ),
    "forest of nothing": lambda ax: zl.plot.forest([], ax),
    "forest of NaN": lambda ax: zl.plot.forest([("a", math.nan, math.nan, math.nan), ("b", 1, -math.inf, math.inf)], ax),
    "pairs": lambda ax: zl.plot.pairs(TREE, "zoneout", "lstm", "valid_error", ax),
    "pairs of ratios": lambda ax: zl.plot.pairs(TREE, "recurrent_dropout", "static", "early_third_mass_cell", ax),
    "pairs, long labels": lambda ax: zl.plot.pairs(long_labels(), "zoneout", "lstm", "valid_error", ax),
    "curves of six": lambda ax: zl.plot.curves(TREE, "valid_error", ax),
    "curves, long labels": lambda ax: zl.plot.curves(long_labels(), "valid_loss", ax),
    "curves that end": lambda ax: zl.plot.curves(diverged(), "valid_error", ax),
    "curves of one epoch": lambda ax: zl.plot.curves(xr.DataArray([[0.5], [0.4]], dims=("seed", "epoch"), coords={"epoch": [1]}), ax=ax),
    "curves of NaN": lambda ax: zl.plot.curves(xr.DataArray([[math.nan]], dims=("seed", "epoch")), ax=ax),
    "gradient flow of a study": lambda ax: zl.plot.gradient_flow(TREE, ax),
    "gradient flow of a model": lambda ax: zl.plot.gradient_flow(flow(), ax),
    "gradient flow, 40 seeds": lambda ax: zl.plot.gradient_flow(flow(40), ax, quantity="norm", layer="l0"),
    "heat map of a study": lambda ax: zl.plot.heatmap(
        TREE["gradients"]["normalised"].isel(epoch=-1, layer=0, state=0, point=0, seed=0), ax=ax
    ),
    "heat map of units": lambda ax: zl.plot.heatmap(np.random.default_rng(0).normal(size=(100, 64)), "time", "unit", ax),
    "heat map with holes": lambda ax: zl.plot.heatmap([[1e-5, math.nan, 10.0]], ax=ax),
    "heat map of nothing": lambda ax: zl.plot.heatmap([[math.nan, math.nan]], ax=ax),
    "heat map of one value": lambda ax: zl.plot.heatmap([[0.0, 0.0]], ax=ax),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "width"),
    [*((name, 3.3) for name in DRAWN), ("forest of verdicts", 7.0), ("curves of six", 7.0), ("pairs", 7.0)],
)
def test_it_draws_on_the_axes_it_is_given_and_everything_fits(name: str, width: float):
    before, ax = dict(mpl.rcParams), paper(width)
    assert DRAWN[name](ax) is ax
    figure: Any = ax.figure
    figure.canvas.draw()
    assert dict(mpl.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    tight = figure.get_tightbbox()
    assert tight.x0 >= -0.08
    assert tight.y0 >= -0.08
    assert tight.x1 <= width + 0.08
    assert tight.y1 <= 2.8 + 0.08


def boxes(ax: Axes) -> list[Any]:
    ax.figure.canvas.draw()
    return [text.get_window_extent() for text in ax.texts if text.get_text()]


@pytest.mark.parametrize(
    ("name", "width"),
    [
        ("forest of verdicts", 3.3),
        ("forest of one metric", 3.3),
        ("forest, long labels", 3.3),
        ("forest of verdicts", 7.0),
    ],
)
def test_words_in_a_forest_do_not_lie_on_each_other(name: str, width: float):
    ax = paper(width)
    found = boxes(DRAWN[name](ax))
    assert [(a, b) for k, a in enumerate(found) for b in found[:k] if a.overlaps(b)] == []


def test_a_legend_lies_below_the_label_of_its_axis():
    for name in ("curves of six", "gradient flow of a study"):
        ax = DRAWN[name](paper())
        ax.figure.canvas.draw()
        assert ax.get_legend().get_window_extent().y1 <= ax.xaxis.label.get_window_extent().y0 + 1


def test_no_figure_of_pyplot_is_made_unless_there_are_no_axes():
    code = (
        "import sys, matplotlib; matplotlib.use('agg')\nfrom matplotlib.figure import Figure\nimport zoneout_lab as zl\n"
        "zl.plot.forest([('a', 1, 0, 2)], Figure().add_subplot())\nzl.plot.heatmap([[1.0]], ax=Figure().add_subplot())\n"
        "assert 'matplotlib.pyplot' not in sys.modules and 'torch' not in sys.modules\n"
        "ax = zl.plot.heatmap([[1.0, 2.0]])\nassert sys.modules['matplotlib.pyplot'].get_fignums() == [1], ax\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def numbers_of(line: Any) -> list[float]:
    return [float(value) for value in line.get_ydata()]


def test_pairs_shows_every_pair_and_the_means():
    ax = zl.plot.pairs(TREE, "zoneout", "lstm", "valid_error", paper())
    c = zl.compare(TREE, "zoneout", "lstm", metric="valid_error")
    steep = [numbers_of(line) for line in ax.lines if list(line.get_xdata()) == [0, 1]]
    assert steep == [[100 * a, 100 * b] for a, b in zip(c.against_values, c.arm_values, strict=True)]
    assert [text.get_text() for text in ax.texts] == ["21.8", "23.8"]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["LSTM", "zoneout"]
    assert ax.get_ylabel().replace("\n", " ") == "validation error (%)"


def test_a_forest_has_the_means_on_its_axis_and_the_verdicts_beside():
    ax = zl.plot.forest(FAMILY, paper(7))
    dots = [float(line.get_xdata()[0]) for line in ax.lines if line.get_marker() == "o"]
    assert dots == pytest.approx([100 * c.mean_difference for c in FAMILY])
    words = [text.get_text() for text in ax.texts]
    assert [word for word in words if word in {"inconclusive", "contradicted"}] == [c.verdict for c in FAMILY]
    assert "zoneout – LSTM" in words
    assert words[-2:] == ["← better", "worse →"]
    assert ax.get_xlabel() == "difference in validation error (percentage points)"


@pytest.mark.parametrize(
    ("scale", "axis"), [("linear", "difference in pages read (percentage points)"), ("log", "ratio of pages read")]
)
def test_the_axis_of_a_forest_has_one_unit(scale, axis):
    """That of the metric is not that of differences, and a metric of one's own may have no noun."""
    c = dataclasses.replace(FAMILY[0], metric="read", units="%", noun="", long_name="pages read", scale=scale)
    assert zl.plot.forest([c], paper(7)).get_xlabel() == axis


def test_metrics_without_a_common_unit_are_drawn_in_standard_deviations():
    ax = zl.plot.forest(JUDGED, paper(7))
    dots = [float(line.get_xdata()[0]) for line in ax.lines if line.get_marker() == "o"]
    assert dots == pytest.approx([judgement.comparison.d_z for judgement in JUDGED])
    assert "standard deviation" in ax.get_xlabel()
    assert [text.get_text() for text in ax.texts][-2:] == ["← lower", "higher →"]


def test_the_mean_of_a_curve_leaves_out_what_diverged_and_marks_it():
    ax = zl.plot.curves(diverged(), "valid_error", paper())
    values = 100 * TREE["metrics"]["valid_error"].sel(arm="zoneout")
    bold = [line for line in ax.lines if line.get_linewidth() == 1.8]
    assert numbers_of(bold[1]) == pytest.approx(values.sel(seed=slice(4, 9)).mean("seed").values)
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert [float(line.get_xdata()[0]) for line in crosses] == [7.0] * 4
    assert [text.get_text() for text in ax.get_legend().get_texts()][:2] == ["LSTM", "zoneout"]


def test_a_mean_is_drawn_only_where_every_run_has_a_value():
    loss = xr.DataArray([[4.0, 2.0, 1.0], [6.0, 4.0, np.nan]], dims=("seed", "epoch"), coords={"epoch": [1, 2, 3]})
    (bold,) = [line for line in zl.plot.curves(loss, ax=paper()).lines if line.get_linewidth() == 1.8]
    assert numbers_of(bold)[:2] == [5.0, 3.0]
    assert math.isnan(numbers_of(bold)[2])


def test_gradient_flow_draws_the_labels_that_are_chosen():
    dataset = flow()
    ax = zl.plot.gradient_flow(dataset, paper())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "l0, cell",
        "l0, hidden",
        "l1, cell",
        "l1, hidden",
    ]
    ax = zl.plot.gradient_flow(dataset, paper(), quantity="norm", layer="l1", state="hidden", point="state")
    assert ax.get_legend() is None
    np.testing.assert_array_equal(numbers_of(ax.lines[0]), dataset.norm.sel(layer="l1", state="hidden", point="state"))
    ax = zl.plot.gradient_flow(
        zl.stack({"lstm": dataset, "mine": dataset}, dim="arm"), paper(), layer="l0", state="cell"
    )
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["lstm", "mine"]


def test_a_heat_map_has_its_values_where_its_labels_say():
    array = xr.DataArray(
        [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dims=("layer", "time"), coords={"layer": ["l0", "l1"], "time": [5, 6, 7]}
    )
    for given in (array, array.transpose(), array.expand_dims(seed=[0])):
        ax = zl.plot.heatmap(given, ax=paper())
        (mesh,) = ax.collections
        np.testing.assert_array_equal(mesh.get_array(), array.values)
        assert ax.get_xlim() == (4.5, 7.5)
        assert ax.get_xlabel() == "time"
    turned = zl.plot.heatmap(array, x="layer", y="time", ax=paper())
    np.testing.assert_array_equal(turned.collections[0].get_array(), array.values.T)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: zl.plot.forest(3, paper()), InputRefusedError, "of comparisons"),
        (lambda: zl.plot.forest([("a", 1)], paper()), InputRefusedError, r"tuples \(label, difference, low, high\)"),
        (lambda: zl.plot.forest([*FAMILY, ("a", 1, 0, 2)], paper()), InputRefusedError, "all of one kind"),
        (lambda: zl.plot.pairs(TREE, "zoneout", "lsmt", "valid_error", paper()), UsageError, "lstm"),
        (lambda: zl.plot.pairs(3, "a", "b", "c", paper()), InputRefusedError, "results of a study.*got int"),
        (lambda: zl.plot.curves(TREE, "valid_eror", paper()), UsageError, "valid_error"),
        (lambda: zl.plot.curves(TREE, "test_error", paper()), UsageError, "at each epoch"),
        (lambda: zl.plot.curves(xr.DataArray([1.0], dims="time"), ax=paper()), InputRefusedError, "no dimension epoch"),
        (lambda: zl.plot.curves(xr.DataArray([[1.0]], dims=("epoch", "layer")), ax=paper()), InputRefusedError, "has layer too"),
        (lambda: zl.plot.gradient_flow(flow(), paper(), quantity="nrom"), UsageError, "norm"),
        (lambda: zl.plot.gradient_flow(flow(), paper(), layer="l7"), UsageError, "l1"),
        (lambda: zl.plot.gradient_flow(flow(layers=9), paper()), InputRefusedError, "18 lines .9 of layer, 2 of state.*layer="),
        (lambda: zl.plot.gradient_flow(xr.Dataset(), paper()), InputRefusedError, "no gradient flow"),
        (lambda: zl.plot.heatmap(flow(), ax=paper()), InputRefusedError, r"dataset\['norm'\]"),
        (lambda: zl.plot.heatmap(flow().norm, ax=paper()), InputRefusedError, "average: array.mean"),
        (lambda: zl.plot.heatmap(flow().norm, x="tiem", ax=paper()), InputRefusedError, "no dimension 'tiem'"),
        (lambda: zl.plot.heatmap([["a"]], ax=paper()), InputRefusedError, "of numbers"),
        (lambda: zl.plot.heatmap([1.0], ax=paper()), InputRefusedError, "this array has 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_said(call: Callable[[], Any], error: type[Exception], said: str):
    with pytest.raises(error, match=said):
        call()


def test_an_empty_table_and_an_array_of_arms():
    assert zl.plot.forest(Table(()), paper()).texts[0].get_text() == "no comparison"
    loss = xr.DataArray(np.ones((2, 3)), dims=("arm", "epoch"), coords={"arm": ["a", "b"]})
    ax = zl.plot.curves(loss, ax=paper())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
