"""Families and verdicts: Holm against statsmodels, agreement of p, level and interval, and simulated error rates."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats import DIRECTIONS, Claim, decide, holm, holm_levels, sign_flip, verdict

quick = settings(max_examples=60, deadline=None, derandomize=True)
#: p-values as sign flips give them: few distinct values, many ties
p_values = st.lists(st.integers(1, 64).map(lambda k: k / 64), min_size=1, max_size=7)
samples = st.lists(st.lists(st.integers(-6, 9).map(lambda k: k / 4), min_size=0, max_size=9), min_size=1, max_size=4)
claims = st.tuples(st.sampled_from(DIRECTIONS), st.sampled_from([0.5, 1.0, 2.0])).map(lambda pair: Claim(*pair))
families = st.sampled_from(["joint", "holm"])


@quick
@given(p_values)
@pytest.mark.slow
def test_holm_is_statsmodels(p):
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


@quick
@given(p_values, st.sampled_from([0.05, 0.3, 0.9]))
def test_levels_make_the_same_decisions_as_adjusted_p(p, alpha):
    assert ((np.array(p) <= holm_levels(p, alpha)) == (holm(p) <= alpha)).all()


@quick
@given(p_values, st.randoms(use_true_random=False))
def test_the_order_of_the_family_does_not_matter(p, random):
    order = random.sample(range(len(p)), len(p))
    assert (holm_levels([p[i] for i in order]) == holm_levels(p)[order]).all()


def test_levels_by_hand():
    # 0.001 at α/3; then 0.02 at α/2, rejected; then 0.04 at α
    assert holm_levels([0.04, 0.001, 0.02]) == pytest.approx([0.05, 0.05 / 3, 0.025])
    # the second fails: the third shares its level although it is below α
    assert holm_levels([0.04, 0.001, 0.03]) == pytest.approx([0.025, 0.05 / 3, 0.025])


@quick
@given(samples, st.data(), families, st.sampled_from(["one-sided", "two-sided"]))
def test_verdict_intervals_and_p_agree(family, data, correction, absence):
    chosen = [data.draw(claims) for _ in family]
    for sample, claim, decision in zip(
        family, chosen, decide(family, chosen, 0.2, family=correction, absence=absence), strict=True
    ):
        if decision.verdict == "underpowered":
            assert decision.interval == decision.inner == (-math.inf, math.inf)
            continue
        assert decision.n >= 6
        one_sided = absence == "one-sided" or claim.direction.startswith("not ")
        assert decision.inner_level == pytest.approx(decision.level * (1 + one_sided))
        assert decision.interval == sign_flip(sample).interval(decision.level)
        assert decision.inner == sign_flip(sample).interval(decision.inner_level)
        assert (decision.p_verdict <= decision.level) == (decision.p_adjusted <= 0.2)
        assert decision.p_adjusted >= decision.p_verdict
        assert decision.level <= 0.2
        assert decision.verdict == read(claim, decision)


def read(claim, decision):
    """The verdict as a reader reads it off the two intervals; with a tie at the margin the interval ends on it, and does not lie beyond it."""
    (low, high), (inner_low, inner_high) = decision.interval, decision.inner
    tie, margin = 1e-7, claim.margin
    below, above = high < -margin - tie, low > margin + tie
    within = -margin + tie < inner_low and inner_high < margin - tie
    found = {
        "lower": {"supported": below, "contradicted": above, "equivalent": within},
        "higher": {"supported": above, "contradicted": below, "equivalent": within},
        "same": {"supported": within, "contradicted": below or above},
        "not lower": {"supported": inner_low > -margin + tie, "contradicted": inner_high < -margin - tie},
        "not higher": {"supported": inner_high < margin - tie, "contradicted": inner_low > margin + tie},
    }[claim.direction]
    return next((verdict for verdict, holds in found.items() if holds), "inconclusive")


@quick
@given(samples, st.data())
def test_joint_flips_never_ask_for_less_than_one_hypothesis_alone_and_never_for_more_than_holm_of_one_sided_ps(
    family, data
):
    """Bonferroni's first step is the most that any dependence can cost."""
    chosen = [data.draw(claims) for _ in family]
    for decision in decide(family, chosen, 0.2):
        if decision.verdict != "underpowered":
            assert decision.p_verdict <= decision.p_adjusted + 1e-12
            assert decision.p_adjusted <= min(1.0, len(family) * decision.p_verdict) + 1e-12


@quick
@given(samples, st.sampled_from([0.0, 0.5]))
def test_mirrored_data_mirror_the_verdict(family, margin):
    mirrored = [[-d for d in sample] for sample in family]
    pairs = [("lower", "higher"), *([("not lower", "not higher")] if margin else [])]
    for one, other in pairs:
        here = decide(family, [Claim(one, margin)] * len(family), 0.3)
        there = decide(mirrored, [Claim(other, margin)] * len(family), 0.3)
        assert [d.verdict for d in here] == [d.verdict for d in there]


STEP = np.array([-1.0, -1.1, -0.9, -1.2, -0.8, -1.05, -0.95, -1.15])


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        (Claim("lower"), "supported"),
        (Claim("higher"), "contradicted"),
        (Claim("lower", 0.5), "supported"),
        (Claim("lower", 1.0), "inconclusive"),
        (Claim("lower", 2.0), "equivalent"),
        (Claim("same", 2.0), "supported"),
        (Claim("same", 0.5), "contradicted"),
        (Claim("same", 1.0), "inconclusive"),
        (Claim("not higher", 0.5), "supported"),
        (Claim("not lower", 0.5), "contradicted"),
        (Claim("not lower", 1.0), "inconclusive"),
        (Claim("not lower", 2.0), "supported"),
    ],
)
def test_every_verdict_on_one_sample(claim, verdict):
    assert decide([STEP], [claim])[0].verdict == verdict


@pytest.mark.parametrize(("alpha", "inner"), [(0.05, 0.1), (0.3, 0.6), (0.5, 0.75), (0.9, 0.95)])
def test_absence_is_read_off_twice_the_level_where_there_is_an_interval_at_that(alpha, inner):
    (decision,) = decide([STEP], [Claim("lower", 2.0)], alpha)
    assert decision.level == alpha
    assert decision.inner_level == pytest.approx(inner)
    assert decision.inner == sign_flip(STEP).interval(inner)
    assert decide([STEP], [Claim("lower", 2.0)], alpha, absence="two-sided")[0].inner_level == alpha


def test_under_holm_more_hypotheses_than_seeds_can_decide_are_underpowered():
    # 2/2⁸ ≤ .05/6, but not .05/7; at eight seeds a seventh hypothesis takes every verdict away
    assert {d.verdict for d in decide([STEP] * 6, [Claim()] * 6, family="holm")} == {"supported"}
    for decision in decide([STEP] * 7, [Claim()] * 7, family="holm"):
        assert decision.verdict == "underpowered"
        assert decision.interval == (-math.inf, math.inf)


def test_flipped_jointly_six_seeds_serve_any_number_of_hypotheses():
    family = [STEP[:6] * scale for scale in np.linspace(0.5, 2, 40)]
    for decision in decide(family, [Claim()] * 40):
        assert (decision.verdict, decision.p_adjusted) == ("supported", 2 / 64)
        assert decision.p_holm == 1
    assert {d.verdict for d in decide([STEP[:5]] * 2, [Claim()] * 2)} == {"underpowered"}


def test_seeds_are_paired_by_their_ids_and_not_by_their_place():
    rng = np.random.default_rng(5)
    one = rng.normal(-0.5, 1, 8)
    other = one + rng.normal(0, 0.3, 8)
    order = rng.permutation(8)
    seeds = [3 * k for k in range(8)]
    straight = decide([one, other], [Claim()] * 2, seeds=[seeds, seeds])
    shuffled = decide([one, other[order]], [Claim()] * 2, seeds=[seeds, [seeds[k] for k in order]])
    assert [d.p_adjusted for d in shuffled] == [d.p_adjusted for d in straight]
    assert [d.p_adjusted for d in decide([one, other[order]], [Claim()] * 2)] != [d.p_adjusted for d in straight]


def test_too_few_seeds_pass_on_no_level():
    # five seeds reach .0625 ≤ .2/3 but give no verdict, so under Holm the others stay at α/3 and α/2
    few, many = STEP[:5], [-1, -1, -1, -1, -1, 1.2, 0.5, -0.3]
    with_few = decide([few, many, STEP], [Claim()] * 3, 0.2, family="holm")
    assert with_few[0].verdict == "underpowered"
    assert [round(d.level, 6) for d in with_few[1:]] == [round(0.2 / 2, 6), round(0.2 / 3, 6)]
    # flipped jointly there is nothing that it could wrongly say
    alone, beside = decide([many, STEP], [Claim()] * 2, 0.2), decide([few, many, STEP], [Claim()] * 3, 0.2)
    assert [(d.level, d.p_adjusted) for d in beside[1:]] == [(d.level, d.p_adjusted) for d in alone]


@pytest.mark.parametrize(
    ("differences", "claim", "verdict"),
    [
        ([], Claim(), "underpowered"),
        ([1.0], Claim(), "underpowered"),
        ([0.0] * 8, Claim(), "inconclusive"),
        ([0.0] * 8, Claim("lower", 0.1), "equivalent"),
        ([0.0] * 8, Claim("same", 0.1), "supported"),
        ([0.1] * 8, Claim("higher"), "supported"),
        ([0.1] * 8, Claim("higher", 0.1), "inconclusive"),
    ],
)
def test_degenerate_differences(differences, claim, verdict):
    assert decide([differences], [claim])[0].verdict == verdict


def test_an_empty_family_has_no_verdicts():
    assert decide([], []) == ()


@pytest.mark.parametrize(
    "call",
    [
        lambda: Claim("same"),
        lambda: Claim("not lower"),
        lambda: Claim("not higher", 0.0),
        lambda: decide([[1.0]], [Claim()], family="bonferroni"),  # type: ignore[arg-type]
        lambda: decide([[1.0]], [Claim()], absence="none"),  # type: ignore[arg-type]
        lambda: decide([[1.0, 2.0]], [Claim()], seeds=[[1, 1]]),
        lambda: decide([[1.0, 2.0]], [Claim()], seeds=[[1]]),
        lambda: decide([[1.0, 2.0]], [Claim()], seeds=[]),
        lambda: Claim("less"),  # type: ignore[arg-type]
        lambda: Claim("lower", -0.1),
        lambda: Claim("lower", math.nan),
        lambda: decide([[1.0]], []),
        lambda: decide([[1.0]], [Claim()], 0.0),
        lambda: holm([0.5, 1.5]),
        lambda: holm([math.nan]),
    ],
)
def test_claims_that_cannot_be_tested_are_refused(call):
    with pytest.raises(InputRefusedError):
        call()


# Simulated family-wise error. DECIDED: a verdict that commits itself
DECIDED = ("supported", "contradicted", "equivalent")
FAMILIES = 1500


def rate_of_errors(draw, family, wrong):
    """Over many families: how often any verdict is wrong, wrong(index, verdict)."""
    errors = 0
    for _ in range(FAMILIES):
        decisions = decide(draw(), family)
        errors += any(wrong(i, d.verdict) for i, d in enumerate(decisions))
    return scipy_stats.binomtest(errors, FAMILIES, 0.05, "greater")


def test_family_wise_error_under_the_global_null():
    # five independent true nulls at n = 8: uncorrected, 1 − (1 − 12/256)⁵ = .21 of the families would err
    rng = np.random.default_rng(11)
    result = rate_of_errors(lambda: rng.standard_normal((5, 8)), [Claim()] * 5, lambda _, verdict: verdict in DECIDED)
    assert result.pvalue > 0.001
    assert result.statistic > 0.02  # and the level is used, not avoided


def test_family_wise_error_beside_true_effects_and_a_shared_baseline():
    # two large effects are rejected first and hand their level on; three nulls share the baseline's noise
    rng = np.random.default_rng(12)
    shifts = np.array([-5.0, 4.0, 0.0, 0.0, 0.0])[:, None]
    result = rate_of_errors(
        lambda: rng.standard_normal((5, 8)) + shifts - rng.standard_normal(8),
        [Claim()] * 5,
        lambda i, verdict: i > 1 and verdict in DECIDED,
    )
    assert result.pvalue > 0.001
    assert result.statistic > 0.02  # plain Bonferroni would hold it near .03 · 3/5


@pytest.mark.parametrize("sd", [0.3, pytest.param(3.0, marks=pytest.mark.slow)])
@pytest.mark.parametrize("beyond", [True, False])
def test_family_wise_error_at_the_margin(sd, beyond):
    # θ a hair beyond the margin: "within" is wrong; a hair inside: "beyond" is. Either is hardest there
    rng = np.random.default_rng(13)
    family = [Claim("lower", 1.0), Claim("higher", 1.0), Claim("same", 1.0), Claim("not higher", 1.0)]
    shifts = np.array([-1.0, -1.0, 1.0, 1.0])[:, None] * (1 + 1e-9 * (1 if beyond else -1))
    wrong = [
        {"contradicted", "equivalent"} if beyond else {"supported", "contradicted"},
        {"supported", "equivalent"} if beyond else {"supported", "contradicted"},
        {"supported"} if beyond else {"contradicted"},
        {"supported"} if beyond else {"contradicted"},
    ]
    result = rate_of_errors(
        lambda: shifts + sd * rng.standard_normal((4, 9)), family, lambda i, verdict: verdict in wrong[i]
    )
    assert result.pvalue > 0.001


def test_family_wise_error_of_wrong_directions():
    rng = np.random.default_rng(14)
    result = rate_of_errors(
        lambda: rng.standard_normal((4, 8)) - 0.1 - rng.standard_normal(8),
        [Claim("lower")] * 4,
        lambda _, verdict: verdict == "contradicted",
    )
    assert result.pvalue > 0.001


@pytest.mark.parametrize(("family", "rate"), [("holm", 1 - (1 - 6 / 64) ** 2), ("joint", 12 / 64)])
def test_family_wise_error_by_exhaustive_enumeration(family, rate):
    # two independent true nulls, six seeds: all 2⁶ × 2⁶ sign patterns are equally likely, so this rate is exact, and below α = .2.
    # Under Holm α/2 = .1 admits 6 of 64 patterns each; joint flips use what is left of α
    patterns = [np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0]) * signs for signs in itertools.product((1, -1), repeat=6)]
    erred = [
        any(d.verdict in DECIDED for d in decide(pair, [Claim()] * 2, 0.2, family=family))
        for pair in itertools.product(patterns[:32], patterns)  # the other half mirrors this one
    ]
    assert np.mean(erred) == pytest.approx(rate)


@pytest.mark.parametrize("direction", ["not lower", "not higher"])
def test_a_one_sided_claim_is_read_off_its_interval_whatever_equivalence_takes(direction):
    """Its test is one-sided by itself, so with ``absence="two-sided"`` it still has the interval at 1 − 2 level."""
    side = 1.0 if direction == "not lower" else -1.0
    d = side * np.array([0.5, -0.2, 0.3, 0.4, -0.45, 0.6, 0.1, 0.2])
    one, two = (decide([d], [Claim(direction, 0.5)], absence=absence)[0] for absence in ("one-sided", "two-sided"))
    assert (one.verdict, one.inner, one.inner_level) == (two.verdict, two.inner, two.inner_level)
    assert two.verdict == "supported"
    assert min(side * end for end in two.inner) > -0.5


def test_what_was_decided_is_not_taken_for_another() -> None:
    """The same numbers are decided once; whatever differs in the question counts."""
    draw = np.random.default_rng(5)
    many, few = draw.normal(0.4, 1.0, (2, 24)), draw.normal(0.6, 1.0, (2, 9))
    claims = [Claim("higher"), Claim("lower", 0.25)]
    asked: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((few, claims), {}),
        ((few, claims), {"alpha": 0.2}),
        ((few, claims), {"family": "holm"}),
        ((few, claims), {"absence": "two-sided"}),
        ((few, [Claim("same", 0.25), Claim("lower", 0.25)]), {}),
        ((few, [Claim("same", 0.25), Claim("lower", 0.25)]), {"absence": "two-sided"}),
        ((few, claims), {"seeds": [range(9), range(3, 12)]}),
        ((few, claims), {"sizes": [np.full(9, 1e16), None]}),
        ((few[::-1], claims), {}),
        ((many, claims), {"rng": 1}),
        ((many, claims), {"rng": 2}),
    ]

    def decided(which: int) -> tuple[Any, ...]:
        given, options = asked[which]
        rng = options.get("rng")
        return decide(*given, **options | ({} if rng is None else {"rng": np.random.default_rng(rng)}))

    alone = []
    for which in range(len(asked)):
        verdict._decided.cache_clear()
        alone.append(decided(which))
    assert [decided(which) for which in range(len(asked))] == alone
    assert verdict._decided.cache_info().misses == len(asked)
    assert [decided(which) for which in range(len(asked))] == alone
    assert verdict._decided.cache_info().misses == len(asked)
    assert len(set(alone)) >= len(asked) - 1
