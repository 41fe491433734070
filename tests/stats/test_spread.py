"""Intervals for standard deviations and ratios of variances: the written-out jackknife, known cases, and coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from zoneout_lab.stats.spread import sd_interval, variance_ratio

COVERAGE = 4000


def written_out(values: list[float], other: list[float] | None = None, alpha: float = 0.05) -> tuple[float, float]:
    """Miller's pseudo-values one by one, of log s² or of the log of a ratio."""
    n = len(values)

    def theta(keep: list[int]) -> float:
        ours = math.log(np.var([values[k] for k in keep], ddof=1))
        return ours - (0.0 if other is None else math.log(np.var([other[k] for k in keep], ddof=1)))

    pseudo = [n * theta(list(range(n))) - (n - 1) * theta([k for k in range(n) if k != i]) for i in range(n)]
    low, high = scipy_stats.t.interval(1 - alpha, n - 1, loc=np.mean(pseudo), scale=scipy_stats.sem(pseudo))
    return float(low), float(high)


@pytest.mark.parametrize("n", [3, 5, 8, 20])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_is_the_jackknife_of_log_variance(n, alpha):
    rng = np.random.default_rng(n)
    one, other = rng.normal(size=(2, n)).tolist()
    assert np.square(sd_interval(one, alpha)) == pytest.approx(np.exp(written_out(one, alpha=alpha)), rel=1e-9)
    ratio, interval = variance_ratio(one, other, alpha)
    assert ratio == pytest.approx(np.var(one, ddof=1) / np.var(other, ddof=1))
    assert interval == pytest.approx(tuple(np.exp(written_out(one, other, alpha))), rel=1e-9)


def test_scale_and_place():
    values = np.random.default_rng(0).normal(size=9)
    assert sd_interval(3 * values + 100) == pytest.approx(tuple(3 * np.array(sd_interval(values))))
    ratio, interval = variance_ratio(5 * values, values)
    assert (ratio, *interval) == pytest.approx((25, 25, 25))  # what is paired cancels
    ratio, (low, high) = variance_ratio(values, values[::-1])
    assert (ratio, low < 1 < high) == (1, True)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [2.0, 2.0, 2.0, 2.0], [2.0, 2.0, 2.0, 7.0]])
def test_too_little_to_tell_is_nan(values):
    assert np.isnan(sd_interval(values)).all()
    assert np.isnan(variance_ratio(values, np.arange(len(values)))[1]).all()
    assert np.isnan(variance_ratio(np.arange(len(values)), values)[1]).all()


def test_pairs_are_needed():
    with pytest.raises(ValueError, match="as many values; got 3 and 4"):
        variance_ratio([1, 2, 3], [1, 2, 3, 4])


@pytest.mark.slow
@pytest.mark.parametrize(("n", "normal", "t5"), [(5, 0.957, 0.937), (8, 0.949, 0.918), (20, 0.942, 0.905)])
def test_covers_as_the_docstring_says(n, normal, t5):
    rng = np.random.default_rng(n)
    for draw, sd, said in (
        (rng.normal(size=(COVERAGE, n)), 1.0, normal),
        (rng.standard_t(5, size=(COVERAGE, n)), math.sqrt(5 / 3), t5),
    ):
        inside = sum(low <= sd <= high for low, high in map(sd_interval, draw))
        assert abs(inside / COVERAGE - said) < 4 * math.sqrt(said * (1 - said) / COVERAGE)


@pytest.mark.slow
@pytest.mark.parametrize("n", [5, 10, 20])
def test_the_ratio_of_correlated_arms_is_covered(n):
    """Intervals that left out seeds of the two arms apart would be too wide for arms that agree."""
    rng = np.random.default_rng(n)
    shared, own = rng.normal(size=(2, COVERAGE, n, 1)), rng.normal(size=(COVERAGE, n, 2))
    pairs = math.sqrt(0.7) * shared[0] + math.sqrt(0.3) * own
    inside = [low <= 0.25 <= high for _, (low, high) in (variance_ratio(p[:, 0], 2 * p[:, 1]) for p in pairs)]
    assert abs(np.mean(inside) - 0.943) < 0.015
