"""Signs of asymmetry: each against the test it is, and how often they are given."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from zoneout_lab.stats import cautions

quick = settings(max_examples=80, deadline=None, derandomize=True)
seeds = st.integers(0, 10_000)


def arms(seed, n=9):
    rng = np.random.default_rng(seed)
    # now tame, now skewed, now of unequal spread
    return rng.normal(0, 1, n) + rng.lognormal(0, 1, n) * (seed % 3), rng.normal(0, 1 + seed % 5, n)


@quick
@given(seeds)
def test_skew_is_the_adjusted_skewness_beyond_one_and_a_half_standard_errors(seed):
    a, b = arms(seed)
    n = len(a)
    adjusted = scipy_stats.skew(a - b, bias=False)
    biased = n / ((n - 1) * (n - 2)) * (((a - b - (a - b).mean()) / (a - b).std(ddof=1)) ** 3).sum()
    assert biased == pytest.approx(adjusted)
    error = math.sqrt(6 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3)))
    assert ("skew" in cautions(a, b)) == (abs(adjusted) > 1.5 * error)


@quick
@given(seeds)
def test_outliers_lie_five_scaled_deviations_from_the_median(seed):
    far = []
    for values in arms(seed):
        deviation = scipy_stats.median_abs_deviation(values, scale="normal")
        far.append((np.abs(values - np.median(values)) > 5 * deviation).any())
    assert ("outlier" in cautions(*arms(seed))) == any(far)


@quick
@given(seeds)
def test_spread_is_the_pitman_morgan_test(seed):
    a, b = arms(seed)
    assert ("spread" in cautions(a, b)) == (scipy_stats.pearsonr(a + b, a - b).pvalue < 0.05)


def test_each_caution_alone():
    tame = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert cautions(tame, [3.0, 1.0, 6.0, 2.0, 5.0, 4.0]) == ()
    assert "outlier" in cautions([*tame, 60.0], [3.0, 1.0, 6.0, 2.0, 5.0, 4.0, 2.5])
    assert "outlier" in cautions([3.0, 1.0, 6.0, 2.0, 5.0, 4.0, 2.5], [*tame, -60.0])
    assert "spread" in cautions([10.0, 20.0, 30.0, 40.0, 50.0, 61.0], [0.3, 0.1, 0.6, 0.2, 0.5, 0.4])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1.0, 2.0, 3.0], [0.0, 0.0, 90.0]),  # too few to say
        ([2.0] * 6, [1.0] * 6),
        ([0.0] * 6, [0.0] * 6),
        ([1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 4.0, 5.0]),  # differences all equal
    ],
)
def test_nothing_is_said_where_there_is_nothing_to_measure_by(a, b):
    assert cautions(a, b) == ()


def test_four_pairs_are_enough_to_say_something():
    assert "outlier" in cautions([1.0, 2.0, 3.0, 100.0], [1.0, 2.0, 3.0, 4.0])


@pytest.mark.parametrize("sign", [1, -1])
def test_of_an_arm_that_always_gives_the_same_value_the_other_differs_in_spread(sign):
    # the sums and the differences of the two are then correlated at 1, up to rounding
    tame = np.array([0.31, 0.12, 0.63, 0.24, 0.55, 0.46])
    assert cautions(*(tame, np.full(6, 0.3))[::sign]) == ("spread",)
    assert "spread" not in cautions(tame, tame[::-1])


def test_where_most_values_are_equal_none_is_an_outlier():
    assert "outlier" not in cautions([1.0] * 6 + [9.0], [1.0, 2.0, 1.5, 0.5, 1.2, 0.7, 1.1])


def test_enormous_values_are_no_trouble():
    a, b = arms(1)
    assert cautions(1e200 * a, 1e200 * b) == cautions(100 * a, 100 * b)


def test_false_alarms_are_one_in_four_and_false_verdicts_of_skewed_arms_are_flagged_more_often():
    rng = np.random.default_rng(0)
    alarms = np.mean([bool(cautions(*pair)) for pair in rng.standard_normal((600, 2, 9))])
    assert 0.18 < alarms < 0.31
    skewed = (rng.lognormal(size=(600, 9)) - math.exp(0.5), 0.1 * rng.standard_normal((600, 9)))
    assert np.mean([bool(cautions(a, b)) for a, b in zip(*skewed, strict=True)]) > 0.8
