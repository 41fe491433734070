"""Aggregates over tasks against SciPy and rliable's published example."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats.aggregates import (
    interquartile_mean,
    normalised,
    performance_profile,
    probability_of_improvement,
)

#: rliable's tests/rliable/metrics_test.py: runs × tasks
X = np.array([[1, 2], [2, 2], [1, 1], [2, 1]])
Y = np.array([[1, 1], [2, 2], [3, 3]])


def test_published_example() -> None:
    assert interquartile_mean(list(X.T)) == 1.5
    assert interquartile_mean(list(Y.T)) == 2.0
    assert probability_of_improvement(list(X.T), list(Y.T)) == pytest.approx(1 / 3)


@pytest.mark.parametrize("sizes", [(3, 3), (5, 4, 8), (1,), (10, 11)])
def test_interquartile_mean_is_the_trimmed_mean(sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(sum(sizes))
    scores = [rng.standard_cauchy(n) for n in sizes]
    assert interquartile_mean(scores) == pytest.approx(scipy_stats.trim_mean(np.concatenate(scores), 0.25))


def test_probability_of_improvement_is_mann_whitney() -> None:
    rng = np.random.default_rng(1)
    ours, theirs = [rng.integers(0, 6, 8) for _ in range(3)], [rng.integers(0, 6, 5) for _ in range(3)]
    expected = np.mean([scipy_stats.mannwhitneyu(a, b).statistic / 40 for a, b in zip(ours, theirs, strict=True)])
    assert probability_of_improvement(ours, theirs) == pytest.approx(expected)
    assert probability_of_improvement(ours, theirs, "lower") == pytest.approx(1 - expected)
    assert probability_of_improvement(ours, ours) == 0.5


def test_profile_is_the_mean_of_the_tasks_survival_functions() -> None:
    rng = np.random.default_rng(2)
    scores, at = [rng.normal(size=7), rng.normal(1, 2, 3)], np.linspace(-2, 2, 9)
    slow = [np.mean([np.mean([v > t for v in of]) for of in scores]) for t in at]
    assert performance_profile(scores, at) == pytest.approx(np.array(slow))
    # a task of more runs weighs no more
    assert performance_profile([np.tile(scores[0], 9), scores[1]], at) == pytest.approx(np.array(slow))


def test_normalised_is_in_the_baselines_units_and_up_is_better() -> None:
    base = np.array([1.0, 2.0, 4.0])
    z = scipy_stats.zmap([0.0, 3.0], base, ddof=1)
    assert normalised([0.0, 3.0], base) == pytest.approx(z)
    assert normalised([0.0, 3.0], base, "lower") == pytest.approx(-z)
    assert np.isnan(normalised([1.0, 2.0], [3.0])).all()
    assert np.isnan(normalised([1.0], [3.0, 3.0])).all()


def test_nothing_to_go_by_is_nan_and_nonsense_is_refused() -> None:
    assert np.isnan(interquartile_mean([]))
    assert np.isnan(interquartile_mean([[1.0, np.nan, 2.0]]))
    assert np.isnan(probability_of_improvement([[1.0], []], [[1.0], [2.0]]))
    with pytest.raises(InputRefusedError, match="same tasks"):
        probability_of_improvement([[1.0]], [])
    with pytest.raises(InputRefusedError, match="lower or higher"):
        normalised([1.0], [2.0, 3.0], "best")  # type: ignore[arg-type]
