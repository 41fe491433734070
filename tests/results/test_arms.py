"""Arms by themselves: means with intervals against SciPy, geometric ones for ratios, and the difference that nobody asked about."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr
from scipy import stats as scipy_stats
from tiny_studies import make_spec, make_study

from zoneout_lab.descriptions import describe
from zoneout_lab.results import compare
from zoneout_lab.results.arms import arm_values, largest_difference

ERRORS = [0.11, 0.14, 0.10, 0.13, 0.17, 0.12, 0.15]


def test_the_interval_is_the_t_interval():
    (lstm,) = arm_values(make_study({"lstm": dict(enumerate(ERRORS))}), "valid_error")
    expected = scipy_stats.t.interval(0.95, 6, np.mean(ERRORS), scipy_stats.sem(ERRORS))
    assert (lstm.mean, *lstm.interval) == pytest.approx((np.mean(ERRORS), *expected), rel=1e-12)
    assert (lstm.seeds, lstm.values) == (tuple(range(7)), tuple(ERRORS))


def test_on_a_ratio_s_scale_it_is_that_of_the_logs():
    tree = make_study({"lstm": dict(enumerate(ERRORS))})
    tree["metrics"] = xr.DataTree(describe(tree["metrics"].to_dataset().rename(valid_error="valid_ppl")))
    (lstm,) = arm_values(tree, "valid_ppl")
    logs = np.log(ERRORS)
    expected = np.exp(scipy_stats.t.interval(0.95, 6, logs.mean(), scipy_stats.sem(logs)))
    assert (lstm.mean, *lstm.interval) == pytest.approx((scipy_stats.gmean(ERRORS), *expected), rel=1e-12)


@pytest.mark.parametrize(("values", "mean"), [({}, math.nan), ({3: 0.25}, 0.25)])
def test_no_run_has_no_mean_and_one_no_interval(values, mean):
    (lstm,) = arm_values(make_study({"lstm": values}), "valid_error")
    assert lstm.mean == pytest.approx(mean, nan_ok=True)
    assert all(math.isnan(end) for end in lstm.interval)


@pytest.mark.parametrize(
    ("values", "scale", "mean"),
    [
        ([0.2, 0.5, 0.8], "logit", 0.5),
        ([0.2, 0.5, 1.0], "logit", 1.7 / 3),  # a fraction of one has no log odds
        ([0.2, 0.5, 0.0], "logit", 0.7 / 3),
        ([0.1, 1.0, 10.0], "log", 1.0),
        ([0.1, 0.0, 10.0], "log", 10.1 / 3),
        ([-0.1, 0.2], "linear", 0.05),
    ],
)
def test_what_a_scale_cannot_hold_is_averaged_as_it_is(values, scale, mean):
    (lstm,) = arm_values(make_study({"lstm": dict(enumerate(values))}), "valid_error", scale)
    assert lstm.mean == pytest.approx(mean)


def three(shared: float, zoneout: float) -> xr.DataTree:
    lstm = dict(enumerate(ERRORS))
    arms = {"lstm": lstm} | {
        name: {s: v + gain + 1e-3 * (s % 2) for s, v in lstm.items()}
        for name, gain in (("zoneout", zoneout), ("shared", shared))
    }
    return make_study(arms, make_spec())


@pytest.mark.parametrize(("shared", "zoneout", "arm"), [(0.03, -0.05, "zoneout"), (0.05, -0.03, "shared")])
def test_the_largest_difference_goes_by_size_in_either_direction(shared, zoneout, arm):
    found = largest_difference(three(shared, zoneout), "valid_error", "lstm")
    assert found == compare(three(shared, zoneout), arm, "lstm", metric="valid_error", alpha=0.05 / 2)
    assert not found.declared


def test_there_is_none_where_nothing_differs_or_nothing_is_paired():
    lstm = dict(enumerate(ERRORS))
    assert largest_difference(make_study({"lstm": lstm, "zoneout": lstm}), "valid_error", "lstm") is None
    one = make_study({"lstm": lstm, "zoneout": {0: 0.5}})
    assert largest_difference(one, "valid_error", "lstm") is None
    assert largest_difference(make_study({"lstm": lstm}), "valid_error", "lstm") is None


def test_two_pairs_make_a_difference_and_other_seeds_are_left_out():
    lstm = dict(enumerate(ERRORS))
    # three seeds in common with one arm, of which the difference is small, and two with the other
    tree = make_study(
        {"lstm": lstm, "zoneout": {0: 0.2, 6: 0.3, 9: 9.0}, "shared": {0: 0.12, 1: 0.15, 2: 0.11, 8: 5.0}}
    )
    found = largest_difference(tree, "valid_error", "lstm")
    assert (found.arm, found.seeds) == ("zoneout", (0, 6))
    assert found.alpha == 0.05 / 2
    assert largest_difference(tree, "valid_error", "lstm", alpha=0.2).alpha == 0.1


def test_values_that_the_metrics_own_scale_cannot_hold_have_no_largest_difference():
    tree = make_study({"lstm": {0: 1.0, 1: 2.0}, "zoneout": {0: -1.0, 1: 2.0}})
    tree["metrics"] = xr.DataTree(describe(tree["metrics"].to_dataset().rename(valid_error="valid_ppl")))
    assert largest_difference(tree, "valid_ppl", "lstm") is None


def test_a_baseline_without_runs_has_no_difference():
    assert largest_difference(make_study({"lstm": {}, "zoneout": {0: 0.5, 1: 0.6}}), "valid_error", "lstm") is None
