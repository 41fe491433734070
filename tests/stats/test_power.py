"""What n seeds can show: against statsmodels, the house's table, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import DescrStatsW

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats import (
    can_decide,
    detectable_effect,
    equivalence_power,
    power,
    seeds_for,
    seeds_for_equivalence,
    seeds_needed,
    sign_flip,
    smallest_adjusted_p,
    smallest_p,
)


@pytest.mark.parametrize("n", range(9))
def test_smallest_p_is_what_the_most_extreme_data_reach(n):
    assert smallest_p(n) == sign_flip(np.arange(1.0, n + 1)).p() == sign_flip(np.ones(n)).smallest_p


@pytest.mark.parametrize(("m", "seeds"), [(1, 6), (2, 7), (3, 7), (5, 8), (10, 9), (20, 10)])
def test_seeds_needed(m, seeds):
    assert seeds_needed(0.05, m) == seeds
    assert can_decide(seeds, 0.05 / m)
    assert not can_decide(seeds - 1, 0.05 / m)
    assert smallest_adjusted_p(seeds, m) <= 0.05 < smallest_adjusted_p(seeds - 1, m)


def test_never_fewer_than_six():
    assert seeds_needed(0.2) == 6
    assert not can_decide(5, 0.2)


@pytest.mark.parametrize("n", [3, 6, 10, 20, 60])
@pytest.mark.parametrize("d_z", [0.0, 0.3, 1.0, 2.0])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_power_is_statsmodels(n, d_z, alpha):
    expected = TTestPower().power(d_z, n, alpha)
    if np.isnan(expected):  # statsmodels gives NaN where scipy's far tail does
        assert d_z * np.sqrt(n) > 7
        expected = 1.0
    assert power(n, d_z, alpha) == pytest.approx(expected, abs=1e-3 if expected == 1 else 1e-6)


def test_detectable_effect_solves_power():
    for n, alpha in ((3, 0.05), (3, 0.05 / 3), (8, 0.01), (20, 0.05)):
        assert power(n, detectable_effect(n, alpha), alpha) == pytest.approx(0.8)


def test_sign_flip_power_is_near_the_t_tests():
    rng = np.random.default_rng(4)
    found = sum(sign_flip(d).p() <= 0.05 for d in rng.normal(1, 1, (1500, 10)))
    interval = scipy_stats.binomtest(found, 1500).proportion_ci(0.999)
    assert interval.low < power(10, 1.0) + 0.01
    assert interval.high > power(10, 1.0) - 0.03


def test_equivalence_power_is_that_of_statsmodels_tost():
    rng = np.random.default_rng(5)
    found = sum(DescrStatsW(d).ttost_mean(-1, 1)[0] <= 0.025 for d in rng.standard_normal((1500, 10)))
    interval = scipy_stats.binomtest(found, 1500).proportion_ci(0.999)
    assert interval.low < equivalence_power(10, 1.0, 0.05) < interval.high


def test_equivalence_power_edges():
    assert equivalence_power(8, 0.0) == 0
    assert equivalence_power(100, 3.0) == pytest.approx(1)
    assert equivalence_power(1000, 1e-9) == 0


def test_seeds_for_is_the_first_that_reaches_the_target():
    for d_z, m in ((1.0, 1), (0.7, 3), (0.2, 1)):
        n = seeds_for(d_z, m=m)
        assert power(n, d_z, 0.05 / m) >= 0.8 > power(n - 1, d_z, 0.05 / m)
    n = seeds_for_equivalence(0.8, m=2)
    assert equivalence_power(n, 0.8, 0.025) >= 0.8 > equivalence_power(n - 1, 0.8, 0.025)
    assert seeds_for(9.0, m=3) == seeds_needed(0.05, 3)


@pytest.mark.parametrize(
    "call",
    [
        lambda: seeds_for(0.0),
        lambda: seeds_for_equivalence(0.0),
        lambda: power(1, 1.0),
        lambda: power(8, 1.0, 0.0),
        lambda: seeds_needed(1.0),
        lambda: seeds_needed(0.05, 0),
        lambda: smallest_p(-1),
        lambda: detectable_effect(8, 0.05, 0.01),
        lambda: seeds_for(1.0, target=1.0),
    ],
)
def test_designs_that_cannot_be_are_refused(call):
    with pytest.raises(InputRefusedError):
        call()
