"""The sign-flip test against exhaustive enumeration and scipy; its interval as the exact inverse; its error rate."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats import sign_flip
from zoneout_lab.stats.signflip import tied

#: a coarse grid, so that ties and zeros occur often
grids = st.lists(st.integers(-12, 12).map(lambda k: k / 10), min_size=1, max_size=9)
floats = st.lists(st.floats(-1e3, 1e3, allow_subnormal=False), min_size=1, max_size=9)
quick = settings(max_examples=60, deadline=None, derandomize=True)


def brute_p(differences: list[float], shift: float, alternative: str) -> float:
    """Every sign flip of d − θ, spelled out; in exact rational arithmetic on tenths."""
    d = [round(10 * x) - round(10 * shift) for x in differences]
    sums = [sum(s * x for s, x in zip(signs, d, strict=True)) for signs in itertools.product((1, -1), repeat=len(d))]
    greater = sum(s >= sum(d) for s in sums) / len(sums)
    less = sum(s <= sum(d) for s in sums) / len(sums)
    return {"greater": greater, "less": less, "two-sided": min(1.0, 2 * min(greater, less))}[alternative]


@quick
@given(grids, st.integers(-10, 10).map(lambda k: k / 10), st.sampled_from(["two-sided", "less", "greater"]))
def test_p_is_exhaustive_enumeration(differences, shift, alternative):
    assert sign_flip(differences).p(shift, alternative) == brute_p(differences, shift, alternative)


@pytest.mark.parametrize("n", [2, 5, 8])
@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
def test_p_is_scipys(n, alternative):
    differences = np.random.default_rng(n).normal(0.5, 1, n)
    expected = scipy_stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", alternative=alternative, n_resamples=np.inf
    )
    assert sign_flip(differences).p(alternative=alternative) == pytest.approx(expected.pvalue, abs=1e-12)


def test_ties_from_rounded_scores_count_as_ties():
    # 0.3 − 0.2 and 0.2 − 0.1 differ in their last digits
    differences = np.array([0.3, 0.2, 0.7]) - np.array([0.2, 0.3, 0.8])
    assert sign_flip(differences).p(alternative="less") == brute_p([0.1, -0.1, -0.1], 0, "less") == 0.5


@quick
@given(grids, st.sampled_from([0.05, 0.1, 0.3, 0.5]))
def test_interval_is_the_inverse_of_the_test(differences, alpha):
    flip = sign_flip(differences)
    low, high = flip.interval(alpha)
    for shift in np.unique([*flip.means, *(flip.means + 1e-4), *(flip.means - 1e-4), -1e6, 1e6]):
        inside = low - 1e-7 <= shift <= high + 1e-7
        assert inside == (flip.p(float(shift)) > alpha)


def test_interval_known_values():
    # n = 6 at 95%: one subset mean may be left out on either side, so the range of the data; n = 5 cannot
    assert sign_flip([3, 1, 4, 1.5, 9, 2.6]).interval(0.05) == (1.0, 9.0)
    assert sign_flip([3, 1, 4, 1.5, 9]).interval(0.05) == (-math.inf, math.inf)
    # n = 7: ⌊.025·128⌋ = 3 flips on either side, so the third smallest and third largest subset means
    assert sign_flip([1, 2, 4, 8, 16, 32, 64]).interval(0.05) == (2.0, 40.0)


@quick
@given(floats)
def test_sign_symmetry(differences):
    flip, mirrored = sign_flip(differences), sign_flip([-d for d in differences])
    assert flip.p() == mirrored.p()
    assert flip.p(alternative="less") == mirrored.p(alternative="greater")
    low, high = flip.interval(0.25)
    assert mirrored.interval(0.25) == pytest.approx((-high, -low), abs=1e-9)


@quick
@given(floats, st.floats(1e-3, 1e3))
def test_scale_equivariance(differences, scale):
    flip, scaled = sign_flip(differences), sign_flip([scale * d for d in differences])
    assert scaled.p() == flip.p()
    assert scaled.interval(0.25) == pytest.approx([scale * x for x in flip.interval(0.25)], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("draw", ["normal", "cauchy"])
def test_interval_covers_exactly_as_counted(draw):
    # 95% at n = 8 leaves ⌊.025·256⌋ = 6 of 256 flips on either side: exactly 244/256, for any symmetric distribution
    rng = np.random.default_rng(1)
    samples = rng.standard_normal((3000, 8)) if draw == "normal" else rng.standard_cauchy((3000, 8))
    covered = sum(low <= 0 <= high for low, high in (sign_flip(d).interval(0.05) for d in samples))
    interval = scipy_stats.binomtest(covered, 3000).proportion_ci(0.999)
    assert interval.low < 244 / 256 < interval.high
    assert interval.high - interval.low < 0.03


def test_beyond_twenty_flips_are_drawn_from_the_generator_given():
    differences = np.random.default_rng(0).normal(0.3, 1, 25)
    with pytest.raises(InputRefusedError, match="rng"):
        sign_flip(differences)
    first = sign_flip(differences, rng=np.random.default_rng(5))
    assert not first.exact
    assert first.p() == sign_flip(differences, rng=np.random.default_rng(5)).p()
    assert first.p() != sign_flip(differences, rng=np.random.default_rng(6)).p()
    # against the t test, which is near-exact here, and against its interval
    assert first.p() == pytest.approx(scipy_stats.ttest_1samp(differences, 0).pvalue, abs=0.01)
    t = scipy_stats.ttest_1samp(differences, 0).confidence_interval()
    assert first.interval() == pytest.approx((t.low, t.high), abs=0.05)
    low, high = first.interval()
    assert first.p(low - 1e-6) <= 0.05 < first.p(low + 1e-6)
    assert first.p(high + 1e-6) <= 0.05 < first.p(high - 1e-6)


def test_sampled_flips_agree_with_enumerated_ones(monkeypatch):
    differences = np.random.default_rng(3).normal(0.5, 1, 12)
    exact = sign_flip(differences).p()
    monkeypatch.setattr("zoneout_lab.stats.signflip.EXACT_UP_TO", 5)
    sampled = sign_flip(differences, rng=np.random.default_rng(0)).p()
    assert sampled == pytest.approx(exact, abs=4 * math.sqrt(exact / 99_999))


@pytest.mark.parametrize(
    ("differences", "p", "interval"),
    [
        ([], 1.0, (-math.inf, math.inf)),
        ([2.0], 1.0, (-math.inf, math.inf)),
        ([0.0] * 8, 1.0, (0.0, 0.0)),
        ([0.1] * 8, 2 / 256, (0.1, 0.1)),
    ],
)
def test_degenerate_differences(differences, p, interval):
    flip = sign_flip(differences)
    assert flip.p() == p
    assert flip.interval() == pytest.approx(interval)


@pytest.mark.parametrize("differences", [[1.0, math.nan], [math.inf], [[1.0, 2.0]]])
def test_other_than_one_finite_vector_is_refused(differences):
    with pytest.raises(InputRefusedError):
        sign_flip(differences)


def test_tied_at_just_its_slack():
    assert tied(1.0, 0.0, 1.0)
    assert tied(-1.0, 0.0, 1.0)
    assert not tied(1.0, 0.0, 0.999)


def test_twenty_differences_are_enumerated():
    differences = np.random.default_rng(0).normal(0.4, 1, 20)
    flip = sign_flip(differences)
    assert (flip.exact, flip.total, flip.smallest_p) == (True, 2**20, 2 / 2**20)
    with pytest.raises(InputRefusedError, match="21 differences"):
        sign_flip([*differences, 0.0])
