"""Tables and figures of results from elsewhere: of runs that are not paired, and of blocks."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import zoneout_lab as zl
from zoneout_lab.errors import InputRefusedError

METRICS = {
    "acc": zl.Metric("test accuracy", unit="%", better="higher"),
    "loss": zl.Metric("test loss", unit="", better="lower", scale="log"),
}


def apart(runs=(6, 7), metrics=("acc", "loss")):
    rng = np.random.default_rng(0)
    rows = [
        (arm, 80 + 3 * k + rng.normal(), math.exp(0.1 * rng.normal() - k))
        for k, (arm, n) in enumerate(zip(("full", "none"), runs, strict=True))
        for _ in range(n)
    ]
    frame = pd.DataFrame(rows, columns=["arm", "acc", "loss"])
    return zl.results_from(frame, metrics={name: METRICS[name] for name in metrics}, paired=False, baseline="full")


def blocks():
    rng = np.random.default_rng(1)
    rows = [
        (arm, f"d{d}", fold, 80 + 3 * d + (arm == "new") * (1 + 0.1 * rng.normal()))
        for arm in ("old", "new")
        for d, fold in itertools.product(range(4), range(2))
    ]
    frame = pd.DataFrame(rows, columns=["arm", "data_set", "fold", "acc"])
    return zl.results_from(frame, block=("data_set", "fold"), metrics={"acc": METRICS["acc"]}, baseline="old")


def test_arms_of_unequal_size_have_a_table_with_the_t_interval_of_each():
    tree = apart()
    for row, name, put in zip(zl.judge(tree).to_frame().itertuples(), ("acc", "loss"), (float, math.exp), strict=True):
        assert (row.arm_runs, row.against_runs, row.interval) == (7, 6, "permutation")
        assert math.isnan(row.seeds)
        assert math.isnan(row.lost)
        for arm, ends in (("none", (row.arm_low, row.arm_high)), ("full", (row.against_low, row.against_high))):
            values = tree["metrics"][name].sel(arm=arm).values
            values = values[np.isfinite(values)]
            low, high = zl.stats.t_interval(np.log(values) if name == "loss" else values, 0.05)
            assert ends == pytest.approx((put(low), put(high)))


@pytest.mark.parametrize("runs", [(6, 6), (6, 7)])
def test_what_is_said_of_runs_that_are_not_paired(runs):
    text = zl.judge(apart(runs)).to_markdown()
    assert f"ver {runs[1]} and {runs[0]} runs that are not paired" in text
    assert "eans (of ratios: geometric) over runs with 95% t intervals" in text
    assert (
        "in percentage points, of runs that are not paired, with the 95% to 97.5% intervals that the verdict is read off"
        in text
    )
    assert "seed" not in text
    assert "paired by" not in text
    alone = zl.judge(apart(runs, ("acc",))).to_markdown()
    assert "p is for the verdict, by permutations, not adjusted" in alone


def test_what_is_said_of_blocks_and_of_those_that_share_one():
    found = zl.judge(blocks())
    text = found.to_markdown().replace("\\", "")
    assert "over 8 paired blocks (data_set × fold)" in text
    assert "Means over blocks with" in text
    assert "paired by block (data_set × fold), with the 95% interval" in text
    assert "seed" not in text
    heads, _, row = ([cell.strip() for cell in line.split("|")] for line in text.splitlines()[:3])
    assert row[heads.index("p, whole groups")] == "0.125"  # four datasets that all agree: 2 / 2**4
    assert "Blocks of one data_set may agree" in text
    assert found.to_frame()["p_groups"].tolist() == [0.125]


def test_a_forest_of_several_metrics_has_runs_that_are_not_paired():
    judged = zl.judge(apart())
    axes = zl.plot.forest(judged, Figure().add_subplot())
    assert axes.get_xlabel().replace("\n", " ") == "mean difference / standard deviation of an arm's runs"
    assert "nothing to draw" not in [text.get_text() for text in axes.texts]
    drawn = [line.get_xdata()[0] for line in axes.lines if line.get_marker() == "o"]
    c = judged[0].comparison
    spread = math.sqrt((6 * np.var(c.arm_values, ddof=1) + 5 * np.var(c.against_values, ddof=1)) / 11)
    assert drawn[0] == pytest.approx(c.mean_difference / spread)
    assert len(drawn) == 2


def test_runs_that_are_not_paired_are_joined_by_no_lines():
    with pytest.raises(InputRefusedError, match=r"not paired, so a line .* would mean nothing\. plot\.forest draws"):
        zl.plot.pairs(apart(), "none", "full", "acc", Figure().add_subplot())
