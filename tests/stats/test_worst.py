"""Diverged runs as worst: ranks against a plain sort, p against SciPy's Wilcoxon, and what informative losses do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from zoneout_lab.stats import sign_flip, worst_ranks

quick = settings(max_examples=60, deadline=None, derandomize=True)
differences = st.lists(st.integers(-9, 9).map(float), min_size=0, max_size=7)


@quick
@given(differences, st.integers(0, 3), st.integers(0, 3), st.integers(0, 2), st.sampled_from([1.0, -1.0]))
def test_ranks_are_those_of_values_with_an_enormous_one_for_each_lost_run(values, arm, against, both, worse):
    # worst by far: a difference larger than all others, in the direction in which the lost run is worse
    spelled = [*values, *[worse * 1e6] * arm, *[-worse * 1e6] * against, *[0.0] * both]
    expected: list[float] = list(np.sign(spelled) * scipy_stats.rankdata(np.abs(spelled))) if spelled else []
    assert list(worst_ranks(values, arm, against, both, worse=worse)) == expected


def test_p_is_wilcoxons():
    values = [0.5, -1.5, 2.5, 3.0, -0.25, 4.0]
    ranks = worst_ranks(values, 0, 2)
    method = scipy_stats.PermutationMethod(n_resamples=np.inf)
    expected = scipy_stats.wilcoxon([*values, -1e6, -1e6], zero_method="pratt", method=method).pvalue
    assert sign_flip(ranks).p() == pytest.approx(expected)


def test_differences_within_rounding_are_none():
    assert list(worst_ranks([1e-17, 1.0], 0, 0, sizes=[1.0, 1.0])) == [0, 2]
    assert list(worst_ranks([1e-17, 1.0], 0, 0)) == [1, 2]


def test_losing_the_worst_runs_flatters_the_arm_that_loses_them_unless_they_count():
    rng = np.random.default_rng(1)
    flattered, ranked, runs, n = 0, 0, 400, 10
    for arm, baseline in rng.standard_normal((runs, 2, n)):
        lost = baseline > 0.84  # one in five, and the worst
        complete = sign_flip((arm - baseline)[~lost])
        flattered += complete.n >= 6 and complete.p(alternative="greater") <= 0.025
        flip = sign_flip(worst_ranks((arm - baseline)[~lost], 0, int(lost.sum())))
        ranked += flip.p(alternative="greater") <= 0.025
    assert flattered > 0.035 * runs
    assert ranked < 0.025 * runs
