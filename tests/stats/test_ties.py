"""What counts as a tie: what rounding errors explain, and nothing more, however different the magnitudes are."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoneout_lab.stats import Claim, decide, paired_effect, sign_flip, wilcoxon_p
from zoneout_lab.stats.two_samples import apart_effect, exchange, scaled_apart

quick = settings(max_examples=80, deadline=None, derandomize=True)
#: whole numbers times powers of ten, so that every sum of them is exact and magnitudes differ by up to 10¹²
magnitudes = st.tuples(st.integers(-9, 9), st.integers(0, 11)).map(lambda pair: float(pair[0] * 10 ** pair[1]))
wide = st.lists(magnitudes, min_size=6, max_size=8)


def brute_p(differences: list[float], shift: float, alternative: str) -> float:
    """Every sign flip of d − θ spelled out in rational arithmetic."""
    d = [Fraction(x) - Fraction(shift) for x in differences]
    sums = [sum(s * x for s, x in zip(signs, d, strict=True)) for signs in itertools.product((1, -1), repeat=len(d))]
    greater = Fraction(sum(s >= sum(d) for s in sums), len(sums))
    less = Fraction(sum(s <= sum(d) for s in sums), len(sums))
    return float({"greater": greater, "less": less, "two-sided": min(Fraction(1), 2 * min(greater, less))}[alternative])


@pytest.mark.parametrize("enormous", [1e3, 1e9, 1e12, 1e300])
def test_one_enormous_difference_hides_no_other(enormous):
    differences = -np.r_[0.5, 0.4, 0.6, 0.3, 0.7, 0.5, 0.2, enormous]
    (decision,) = decide([differences], [Claim("lower")])
    assert (decision.p, decision.verdict) == (2 / 256, "supported")
    assert decision.interval[1] < 0
    assert wilcoxon_p(differences) == 2 / 256
    effect = paired_effect(differences)
    assert all(map(math.isfinite, (effect.mean, effect.sd, effect.d_z, effect.hodges_lehmann)))
    assert effect.sd > 0


def test_enormous_differences_whose_sum_is_not_finite_are_described_as_small_ones():
    small = np.array([1.0, 1.5, 1.25, 1.75, 1.0, 1.5])
    one, other = paired_effect(small), paired_effect(small * 2.0**1023)
    for what in ("mean", "sd", "hodges_lehmann"):
        assert getattr(other, what) / 2.0**1023 == pytest.approx(getattr(one, what))
    assert other.d_z == pytest.approx(one.d_z)
    assert other.p_wilcoxon == one.p_wilcoxon


@pytest.mark.parametrize("value", [0.02, -0.1, 1e-9, 7e300])
def test_the_ends_of_an_interval_are_in_order(value):
    low, high = sign_flip([value] * 7).interval(0.05)
    assert low <= high


def test_a_small_difference_between_two_enormous_ones_is_a_difference():
    # the two largest all but cancel, and leave one: no tie with zero
    differences = [1e12, -1e12 + 1, 3.0, 2.0, 5.0, 4.0]
    for alternative in ("greater", "less", "two-sided"):
        assert sign_flip(differences).p(alternative=alternative) == brute_p(differences, 0.0, alternative)


@quick
@given(wide, st.sampled_from([0.0, 1.0, 5e6]), st.sampled_from(["two-sided", "less", "greater"]))
def test_p_is_exhaustive_enumeration_at_any_ratio_of_magnitudes(differences, shift, alternative):
    assert sign_flip(differences).p(shift, alternative) == brute_p(differences, shift, alternative)


@quick
@given(
    st.lists(wide, min_size=1, max_size=3),
    st.sampled_from([0.0, 0.3, 7e3, 2e11]),
    st.sampled_from(["lower", "higher", "same"]),
    st.sampled_from([0.05, 0.3]),
)
def test_p_interval_and_verdict_agree_at_any_ratio_of_magnitudes(family, margin, direction, alpha):
    claim = Claim(direction if margin else "lower", margin)
    for decision in decide(family, [claim] * len(family), alpha):
        (low, high), (inner_low, inner_high) = decision.interval, decision.inner
        lies = {"below": high < -margin, "above": low > margin, "within": -margin < inner_low and inner_high < margin}
        assert any(lies.values()) == (decision.verdict not in ("inconclusive", "underpowered"))
        assert any(lies.values()) == (decision.p_verdict <= decision.level)
        assert any(lies.values()) == (decision.p_adjusted <= alpha)
        if decision.verdict == "supported":
            assert lies[{"lower": "below", "higher": "above", "same": "within"}[claim.direction]]
        if decision.verdict == "equivalent":
            assert lies["within"]


@quick
@given(
    st.lists(st.tuples(st.integers(800, 999), st.integers(-3, 3)), min_size=6, max_size=8),
    st.sampled_from([1.0, 1e-9, 1e9]),
    st.sampled_from([0, 1]),
)
def test_ties_of_rounded_scores_are_ties_where_the_scores_are_known(scores, unit, margin):
    # differences of a thousandth between scores near one are wrong in their thirteenth digit
    arm = np.array([(a + d) / 1000 * unit for a, d in scores])
    against = np.array([a / 1000 * unit for a, _ in scores])
    whole = [float(d) for _, d in scores]
    sizes, shift = np.maximum(arm, against), margin / 1000 * unit
    flip = sign_flip(arm - against, sizes=sizes)
    for alternative in ("greater", "less"):
        assert flip.p(shift, alternative) == brute_p(whole, margin, alternative)
    assert wilcoxon_p(arm - against, sizes=sizes) == wilcoxon_p(whole)
    effect = paired_effect(arm - against, sizes=sizes)
    assert (effect.mean == 0) == (sum(whole) == 0)
    assert (effect.sd == 0) == (len(set(whole)) == 1)


def test_an_interval_that_ends_on_the_margin_up_to_rounding_ends_on_it():
    arm, against = np.array([0.9 + 0.002] * 8), np.array([0.9] * 8)
    for sign, claim in ((1, Claim("higher", 0.002)), (-1, Claim("lower", 0.002)), (1, Claim("same", 0.002))):
        (decision,) = decide([sign * (arm - against)], [claim], sizes=[arm])
        assert decision.interval == (sign * 0.002, sign * 0.002)
        assert decision.verdict == "inconclusive"
        effect = paired_effect(sign * (arm - against), sizes=arm, marks=(-0.002, 0.0, 0.002))
        assert effect.mean == effect.hodges_lehmann == effect.t_interval[0] == sign * 0.002


A, B = np.array([86, 84, 86, 87, 80, 79, 78, 84]), np.array([86, 83, 88, 90, 83, 80, 79, 87])


def single(values: np.ndarray) -> np.ndarray:
    """Percentages as torch computes them of shares in single precision."""
    return 100 * np.float32(values / 100).astype(float)


def test_scores_computed_in_single_precision_tie_as_exact_ones():
    a, b = single(A), single(B)
    assert len(set(np.abs(b - a))) > len(set(np.abs(B - A)))  # which are no longer the same numbers
    found, exact = sign_flip(b - a, sizes=np.maximum(a, b)), sign_flip(B - A)
    for shift in (0.0, 1.0, 1.5, 2.0):
        for alternative in ("two-sided", "less", "greater"):
            assert found.p(shift, alternative) == exact.p(shift, alternative), (shift, alternative)
    assert found.interval(0.05)[0] == exact.interval(0.05)[0] == 0.0
    assert wilcoxon_p(b - a, sizes=np.maximum(a, b)) == wilcoxon_p(B - A)
    (decision,) = decide([b - a], [Claim("higher")], sizes=[np.maximum(a, b)])
    assert (decision.p, decision.verdict) == (0.0625, "inconclusive")


@given(
    st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=5, max_size=9),
    st.sampled_from([1, 7, 1797]),
)
@quick
def test_whatever_the_scores_and_however_many_were_counted(pairs, of):
    exact = np.array(pairs)
    a, b = (np.float32(each / of).astype(float) for each in exact.T)
    assert sign_flip(b - a, sizes=np.maximum(a, b)).p() == sign_flip(exact[:, 1] - exact[:, 0]).p()


def test_a_mean_that_single_precision_explains_is_none():
    one, other = (np.float32(np.array(k) / 1797).astype(float) for k in ([10, 20, 30, 43], [13, 17, 41, 32]))
    assert float((one - other).mean()) != 0.0
    assert paired_effect(one - other, sizes=np.maximum(one, other), marks=(0.0,)).mean == 0.0


@pytest.mark.parametrize("apart", [1e-7, 1e-9, 1e-12])
def test_differences_that_are_all_tiny_are_still_told_apart(apart):
    """A sum of losses over a million examples, in double precision."""
    base = np.linspace(1e6, 1.1e6, 8)
    differences = base * apart * np.array([1.0, 1.5, 1.25, 1.75, 1.0, 1.5, 2.0, 0.5])
    assert sign_flip(differences, sizes=base).p() == 2 / 256
    assert sign_flip(differences * [1, -1, 1, -1, 1, -1, 1, -1], sizes=base).p() > 0.1


def test_whole_numbers_of_any_size_are_told_apart():
    base = 1e9 + np.arange(8)
    assert sign_flip(np.arange(1.0, 9.0), sizes=base).p() == 2 / 256


def test_what_is_tied_does_not_depend_on_signs():
    a, b = single(A), single(B)
    for signs in itertools.islice(itertools.product((1, -1), repeat=8), 0, 256, 37):
        flipped = sign_flip(np.array(signs) * (b - a), sizes=np.maximum(a, b))
        assert flipped.p() == sign_flip(np.array(signs) * (B - A)).p()


def test_runs_that_are_not_paired_tie_as_well():
    for a, b in ((A, B), (A[:5], B[2:])):
        exact, found = exchange(a * 1.0, b * 1.0), exchange(single(a), single(b))
        assert (found.p(), found.p(1.0)) == (exact.p(), exact.p(1.0))
    tiny = np.array([1.0, 2.0, 3.0, 4.0])
    assert exchange(1e6 + 1e-3 * tiny, 1e6 - 1e-3 * tiny).p() == exchange(tiny, -tiny).p()
    near, far = (apart_effect(scaled_apart(each(A), each(B))) for each in (single, np.float64))
    assert near.p_ranks == far.p_ranks
