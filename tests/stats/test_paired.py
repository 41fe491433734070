"""Effect sizes and sensitivity checks against scipy, and their coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from zoneout_lab.stats import effect_size, hodges_lehmann, paired_effect, t_interval, wilcoxon_p
from zoneout_lab.stats.noncentral import noncentral_t_cdf

SAMPLE = np.random.default_rng(7).normal(0.4, 1, 9)


def test_t_interval_is_scipys():
    expected = scipy_stats.ttest_1samp(SAMPLE, 0).confidence_interval(0.98)
    assert t_interval(SAMPLE, 0.02) == pytest.approx((expected.low, expected.high))


def test_wilcoxon_is_scipys():
    assert wilcoxon_p(SAMPLE) == pytest.approx(scipy_stats.wilcoxon(SAMPLE, method="exact").pvalue)


def test_wilcoxon_is_exact_with_ties_and_zeros():
    differences = np.array([0.3, 0.1, 0.1, -0.1, 0.0, 0.4, 0.2, 0.2])
    method = scipy_stats.PermutationMethod(n_resamples=np.inf)
    expected = scipy_stats.wilcoxon(differences, zero_method="pratt", method=method).pvalue
    assert wilcoxon_p(differences) == pytest.approx(expected)


def test_wilcoxon_ties_survive_rounding():
    scores = np.array([0.5, 0.6, 0.9, 0.7, 0.6, 0.5]) - np.array([0.6, 0.9, 0.3, 0.8, 0.7, 0.1])
    # ranked as they are, sizes that differ in their last digit would give p = 0.9375
    assert wilcoxon_p(scores) == wilcoxon_p([-1, -3, 6, -1, -1, 4]) == 1.0


def test_wilcoxon_ties_are_as_wide_as_both_values_may_be_off():
    # values of size one may each be off by 2.4e-7, so two of them tie up to 4.8e-7; ranked apart, they would give p = 0.625
    sizes = [0.5, 1.0, 1.0, 1.0, 1.0]
    assert wilcoxon_p([0.5, -1.0, 1.0 + 4e-7, -3.0, -1.0], sizes=sizes) == 0.5
    assert wilcoxon_p([0.5, -1.0, 1.0 + 6e-7, -3.0, -1.0], sizes=sizes) == 0.625


def test_hodges_lehmann_is_the_median_of_walsh_averages():
    walsh = [(a + b) / 2 for i, a in enumerate(SAMPLE) for b in SAMPLE[i:]]
    assert hodges_lehmann(SAMPLE) == pytest.approx(np.median(walsh))


def test_noncentral_t_is_scipys_where_scipys_is_finite():
    for df in (1, 2, 7, 19, 200, 5000):
        for t in (-40.0, -2.0, 0.0, 0.01, 1.0, 6.0, 300.0):
            for nc in (-20.0, -1.0, 0.5, 4.0, 30.0):
                expected = scipy_stats.nct.cdf(t, df, nc)
                if np.isfinite(expected):
                    assert noncentral_t_cdf(t, df, nc) == pytest.approx(expected, abs=1e-10), (t, df, nc)


def test_effect_size_interval_puts_the_observed_t_at_both_tails():
    d_z, (low, high) = effect_size(SAMPLE, 0.1)
    t, df = scipy_stats.ttest_1samp(SAMPLE, 0).statistic, 8
    assert d_z == pytest.approx(t / 3)
    assert scipy_stats.nct.sf(t, df, 3 * low) == pytest.approx(0.05, abs=1e-8)
    assert scipy_stats.nct.cdf(t, df, 3 * high) == pytest.approx(0.05, abs=1e-8)


def test_coverage_on_normal_differences():
    rng = np.random.default_rng(2)
    runs = 1500
    t_covers = sum(low <= 1 <= high for low, high in (t_interval(d) for d in rng.normal(1, 2, (runs, 5))))
    d_covers = sum(low <= 0.8 <= high for _, (low, high) in (effect_size(d) for d in rng.normal(0.8, 1, (runs, 7))))
    for covered in (t_covers, d_covers):
        interval = scipy_stats.binomtest(covered, runs).proportion_ci(0.999)
        assert interval.low < 0.95 < interval.high


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.integers(-500, 500), min_size=2, max_size=9), st.floats(1e-3, 1e3))
def test_sign_and_scale(differences, scale):
    effect, scaled = paired_effect(differences), paired_effect([-scale * d for d in differences])
    assert scaled.mean == pytest.approx(-scale * effect.mean, abs=1e-9)
    assert scaled.hodges_lehmann == pytest.approx(-scale * effect.hodges_lehmann, abs=1e-9)
    assert scaled.p_wilcoxon == effect.p_wilcoxon
    assert scaled.d_z == pytest.approx(-effect.d_z, nan_ok=True, abs=1e-9)
    assert scaled.d_z_interval == pytest.approx([-x for x in reversed(effect.d_z_interval)], nan_ok=True, abs=1e-7)
    assert scaled.t_interval == pytest.approx([-scale * x for x in reversed(effect.t_interval)], abs=1e-6)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_differences_have_no_spread(n):
    effect = paired_effect([0.5] * n)
    assert effect.n == n
    assert effect.t_interval == (-math.inf, math.inf)
    assert math.isnan(effect.d_z)
    assert math.isnan(effect.sd)
    assert effect.p_wilcoxon == 1


@pytest.mark.parametrize("value", [0.0, 0.1, -1e-9])
def test_constant_differences_have_no_effect_size(value):
    effect = paired_effect([value] * 8)
    assert effect.sd == 0
    assert effect.t_interval == pytest.approx((value, value))
    assert math.isnan(effect.d_z)
    assert effect.hodges_lehmann == value
    assert effect.p_wilcoxon == (1 if value == 0 else 2 / 256)


def test_beyond_twenty_differences_need_a_generator():
    differences = np.random.default_rng(0).normal(0.3, 1, 25)
    effect = paired_effect(differences, rng=np.random.default_rng(1))
    assert effect.p_wilcoxon == pytest.approx(scipy_stats.wilcoxon(differences, method="exact").pvalue, abs=0.01)


def test_two_differences_are_enough_for_a_spread():
    low, high = t_interval([1.0, 3.0])
    expected = scipy_stats.ttest_1samp([1.0, 3.0], 0).confidence_interval()
    assert (low, high) == pytest.approx((expected.low, expected.high))
    d_z, (low, high) = effect_size([1.0, 3.0])
    assert d_z == pytest.approx(math.sqrt(2))
    assert low < d_z < high
    assert paired_effect([1.0, 3.0]).sd == pytest.approx(math.sqrt(2))
