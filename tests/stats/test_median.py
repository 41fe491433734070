"""The sign test against SciPy's binomial test, and its interval as the inverse of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats import median_interval, sign_test

quick = settings(max_examples=80, deadline=None, derandomize=True)
samples = st.lists(st.integers(-8, 8).map(float), min_size=0, max_size=25)


@quick
@given(samples, st.integers(-3, 3).map(float))
def test_p_is_scipys_binomial_test_of_those_that_are_not_equal(differences, shift):
    above, below = sum(d > shift for d in differences), sum(d < shift for d in differences)
    expected = scipy_stats.binomtest(above, above + below).pvalue if above + below else 1.0
    assert sign_test(differences, shift=shift) == pytest.approx(expected)


def test_what_is_equal_but_for_rounding_is_left_out():
    differences = np.array([0.3, 0.5, 0.9]) - np.array([0.2, 0.4, 0.1])
    assert sign_test(differences, shift=0.1, sizes=[0.3, 0.5, 0.9]) == 1.0
    assert sign_test([1e-17, 1.0, 1.0], sizes=[1.0, 1.0, 1.0]) == 0.5


@quick
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=25, unique=True), st.sampled_from([0.05, 0.2, 0.5]))
def test_the_interval_holds_what_the_test_does_not_reject(differences, alpha):
    low, high = median_interval(differences, alpha)
    ordered = np.sort(differences)
    between = [*(ordered[:-1] + ordered[1:]) / 2, ordered[0] - 1, ordered[-1] + 1]
    for shift in between:
        above = sum(d > shift for d in differences)
        assert (low < shift < high) == (scipy_stats.binomtest(above, len(differences)).pvalue > alpha)


def test_known_intervals():
    # n = 6: 2/64 ≤ .05 but 14/64 is not; n = 9: 20/512 = .039, the second smallest and largest
    assert median_interval(range(6)) == (0, 5)
    assert median_interval(range(5)) == (-math.inf, math.inf)
    assert median_interval(range(9)) == (1, 7)
    assert median_interval([]) == (-math.inf, math.inf)


def test_coverage_of_a_skewed_median():
    rng = np.random.default_rng(0)
    held = sum(low <= 1 <= high for low, high in (median_interval(d) for d in rng.lognormal(size=(2000, 9))))
    exact = 1 - 20 / 512
    assert scipy_stats.binomtest(held, 2000).proportion_ci(0.999).low < exact
    assert scipy_stats.binomtest(held, 2000).proportion_ci(0.999).high > exact


def test_what_is_no_level_is_refused():
    with pytest.raises(InputRefusedError):
        median_interval([1.0], 0.0)
