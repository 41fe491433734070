"""Beyond twenty seeds flips are sampled: reproducibly, in bounded memory, and by a name that says so."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy import stats as scipy_stats

from zoneout_lab.stats import Claim, decide, paired_effect, sign_flip
from zoneout_lab.stats.verdict import resamples_for

SAMPLE = np.random.default_rng(7).normal(0.35, 1, 25)


def rng() -> np.random.Generator:
    return np.random.default_rng(20)


def test_p_does_not_depend_on_the_place_in_the_family():
    others = [np.random.default_rng(k).normal(0.2, 1, n) for k, n in enumerate((30, 8, 41))]
    family = [SAMPLE, others[0], SAMPLE, others[1], others[2], SAMPLE]
    decisions = decide(family, [Claim()] * len(family), rng=rng())
    assert decisions[0] == decisions[2] == decisions[5]
    assert decisions[0].p == decide([SAMPLE], [Claim()], rng=rng())[0].p
    backwards = decide(family[::-1], [Claim()] * len(family), rng=rng())
    assert backwards[::-1] == decisions


def test_the_method_is_named_with_its_error():
    sampled, exact = decide([SAMPLE, SAMPLE[:20]], [Claim()] * 2, rng=rng())
    assert sampled.method == "sign-flip, 99,999 random flips"
    assert (exact.method, exact.p_error) == ("exact sign-flip", 0.0)
    q = sampled.p / 2  # each side is a count of flips
    assert sampled.p_error == pytest.approx(2 * np.sqrt(q * (1 - q) / 99_999), rel=1e-9)
    many = [decide([SAMPLE], [Claim()], rng=np.random.default_rng(k))[0].p for k in range(40)]
    assert sampled.p_error == pytest.approx(np.std(many), rel=0.35)


def test_a_strict_level_is_sampled_finely():
    # 2/100,000 would not even reach the level
    (decision,) = decide([np.abs(SAMPLE)], [Claim("higher")], alpha=1e-5, rng=rng())
    assert decision.verdict == "supported"
    assert decision.smallest_p < 1e-5


def test_a_hundred_flips_lie_beyond_either_end_at_the_strictest_level_of_the_family():
    assert [resamples_for(level) for level in (0.05, 0.001, 1e-9)] == [99_999, 200_000, 2**20 - 1]
    assert decide([SAMPLE] * 2, [Claim()] * 2, alpha=0.002, rng=rng())[0].method == "sign-flip, 200,000 random flips"


def test_memory_is_bounded():
    differences = np.random.default_rng(0).normal(0.1, 1, 1000)
    tracemalloc.start()
    (decision,) = decide([differences], [Claim("higher")], rng=rng())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 2**20
    assert decision.p == pytest.approx(scipy_stats.ttest_1samp(differences, 0).pvalue, abs=5 * decision.p_error)


@pytest.mark.parametrize("n", [21, 22, 33])
def test_every_difference_is_flipped_half_of_the_time(n):
    # the mean of the sums over random subsets of unit vectors, one at a time: no bit is lost where a byte ends
    for k in range(n):
        flip = sign_flip(np.eye(n)[k], rng=rng(), resamples=2000)
        assert np.mean(flip.means > 0) == pytest.approx(0.5, abs=0.06)


def test_wilcoxon_says_that_it_was_sampled():
    assert paired_effect(SAMPLE, rng=rng()).wilcoxon_method == "signed ranks, 99,999 random flips"
    assert paired_effect(SAMPLE[:9]).wilcoxon_method == "exact signed ranks"
