"""Independent samples against SciPy's permutation test, and large samples against what is known of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats

from zoneout_lab import stats
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats.signflip import BATCHES, MOST_FLIPPED


def mean_difference(x, y, axis):
    return x.mean(axis) - y.mean(axis)


def by_scipy(x, y) -> float:
    return scipy.stats.permutation_test(
        (x, y), mean_difference, vectorized=True, n_resamples=np.inf, alternative="two-sided"
    ).pvalue


@pytest.mark.parametrize(("n", "m"), [(3, 4), (5, 6), (9, 2), (2, 5), (8, 7)])
def test_p_is_that_of_scipys_permutation_test(n, m):
    rng = np.random.default_rng([n, m])
    x, y = rng.normal(0.8, 1, n), rng.normal(0, 1, m)
    test = stats.exchange(x, y)
    assert test.p() == pytest.approx(by_scipy(x, y), abs=1e-12)
    assert test.total == math.comb(n + m, n)
    assert test.method == "exact permutation"


def test_the_interval_is_where_the_test_does_not_reject():
    rng = np.random.default_rng(3)
    x, y = rng.normal(1, 1, 6), rng.normal(0, 1, 7)
    low, high = stats.exchange(x, y).interval(0.05)
    for end, inwards in ((low, 1e-9), (high, -1e-9)):
        assert by_scipy(x - end - inwards, y) > 0.05
        assert by_scipy(x - end + inwards, y) <= 0.05


def test_ranks_and_welch_are_scipys():
    rng = np.random.default_rng(4)
    x, y = rng.normal(1, 3, 7), rng.normal(0, 1, 5)
    effect = stats.apart_effect(stats.scaled_apart(x, y))
    assert effect.p_ranks == pytest.approx(scipy.stats.mannwhitneyu(x, y, method="exact").pvalue)
    welch = scipy.stats.ttest_ind(x, y, equal_var=False).confidence_interval(0.95)
    assert effect.t_interval == pytest.approx((welch.low, welch.high))
    assert effect.hodges_lehmann == pytest.approx(np.median(np.subtract.outer(x, y)))


def test_sampled_permutations_come_near_the_exact_p():
    rng = np.random.default_rng(5)
    x, y = rng.normal(0.5, 1, 40), rng.normal(0, 1, 30)
    test = stats.exchange(x, y, rng=rng)
    assert test.method == "permutation, 99,999 random permutations"
    assert test.p() == pytest.approx(scipy.stats.ttest_ind(x, y).pvalue, rel=0.15)
    with pytest.raises(InputRefusedError, match="pass rng"):
        stats.exchange(x, y)


def test_exchangeable_arms_are_told_apart_as_often_as_the_level_says():
    rng = np.random.default_rng(6)
    wrong = sum(stats.exchange(*np.split(rng.exponential(size=9), [4])).p() <= 0.05 for _ in range(1500))
    assert wrong / 1500 < 0.062  # three standard errors above .05


def test_too_few_runs_decide_nothing():
    one = stats.scaled_apart([5.0, 6.0], list(np.arange(40.0) / 100))
    (decision,) = stats.decide_apart([one], [stats.Claim("higher")])
    assert decision.verdict == "underpowered"
    assert decision.interval == (-math.inf, math.inf)


def test_a_family_is_corrected_by_holm():
    rng = np.random.default_rng(7)
    samples = [stats.scaled_apart(rng.normal(shift, 1, 7), rng.normal(0, 1, 6)) for shift in (3, 0.5, 0)]
    decisions = stats.decide_apart(samples, [stats.Claim("higher")] * 3)
    assert [d.p_adjusted for d in decisions] == pytest.approx(stats.holm([d.p_verdict for d in decisions]))


def test_zeros_count_by_one_rule_for_both_arms():
    apart = stats.scaled_apart([0.5, 0.0], [1.0, 0.25, 0.0], "log")
    assert apart.replaced == 2
    assert np.exp(apart.arm) == pytest.approx([0.5, 0.125])


def test_spreads_that_differ_are_said():
    rng = np.random.default_rng(8)
    assert "spread" in stats.cautions_apart(rng.normal(0, 10, 20), rng.normal(0, 0.1, 20))


def test_many_differences_are_flipped_in_batches():
    rng = np.random.default_rng(9)
    d = rng.normal(0.05, 1, 4 * MOST_FLIPPED)
    test = stats.sign_flip(d, rng=rng, resamples=9_999)
    assert test.method == f"sign-flip, 9,999 random flips of {BATCHES} random batches"
    t = scipy.stats.ttest_1samp(d, 0)
    assert test.p() == pytest.approx(t.pvalue, abs=0.002)
    ends = t.confidence_interval(0.95)
    assert test.interval(0.05) == pytest.approx((ends.low, ends.high), abs=0.003)


def test_the_median_of_many_walsh_averages_needs_no_list_of_them():
    d = np.random.default_rng(10).exponential(size=3001)
    i, j = np.triu_indices(len(d))
    assert stats.hodges_lehmann(d) == pytest.approx(float(np.median((d[i] + d[j]) / 2)), rel=1e-12)
