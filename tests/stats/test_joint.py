"""The family's step-down against plain loops over every flip, with ties, one-sided nulls and seeds that some hypotheses lost."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats import VERDICTS, Claim, decide, decide_many, joint, sign_flip
from zoneout_lab.stats.joint import GREATER, LESS, TWO_SIDED, Sides, sign_flips, step_down

quick = settings(max_examples=60, deadline=None, derandomize=True)

#: quarters, so that sums tie and are exact; the seeds that a hypothesis has
hypotheses = st.tuples(
    st.lists(st.integers(-6, 6).map(lambda k: k / 4), min_size=5, max_size=5),
    st.sets(st.integers(0, 4), min_size=2, max_size=5),
    st.sampled_from([0.0, 0.5, -0.25]),
    st.sampled_from([(TWO_SIDED, TWO_SIDED), (LESS, Sides(1, 1)), (GREATER, Sides(2, 1)), (TWO_SIDED, Sides(1, 2))]),
)


def p_of(sums, value, sides):
    """Part of the sums that are as small, or as large, as the value, each side counted as often as said."""
    counts = [
        sides.less * sum(s <= value for s in sums) if sides.less else len(sums),
        sides.greater * sum(s >= value for s in sums) if sides.greater else len(sums),
    ]
    return Fraction(min(*counts, len(sums)), len(sums))


def far_out(sums, values, ids, shift):
    """|Σ| / √(n Σ d²) of each flip, halved, in 2²⁰ths: what tells equal p values apart, as a part of their step."""
    squares = sum((Fraction(values[s]) - Fraction(shift)) ** 2 for s in ids)
    norm = math.sqrt(len(ids) * squares)
    return [
        Fraction(round(float(abs(each)) / norm * 2**20), 2**21 * len(sums)) if norm else Fraction(0) for each in sums
    ]


def brute(family, alpha):
    """Adjusted p by sequential rejection, every flip and every remaining set in plain loops."""
    seeds = sorted({seed for _, ids, _, _ in family for seed in ids})
    flips = list(itertools.product((1, -1), repeat=len(seeds)))
    p, own, either = [], [], []
    for values, ids, shift, (sides, both) in family:
        sums = [
            sum(sign * (Fraction(values[s]) - Fraction(shift)) for s, sign in zip(seeds, flip, strict=True) if s in ids)
            for flip in flips
        ]
        finer = far_out(sums, values, ids, shift)
        p.append(p_of(sums, sums[0], sides))
        own.append([p_of(sums, value, sides) - r for value, r in zip(sums, finer, strict=True)])
        either.append(
            [min(p_of(sums, value, sides), p_of(sums, value, both)) - r for value, r in zip(sums, finer, strict=True)]
        )
    left, adjusted, before = set(range(len(family))), {}, Fraction(0)
    while left:
        tried = {}
        for j in left:
            reached = sum(
                own[j][g] <= own[j][0] or any(either[i][g] <= own[j][0] for i in left if i != j)
                for g in range(len(flips))
            )
            tried[j] = min(max(Fraction(reached, len(flips)), p[j]), len(left) * p[j], Fraction(1))
        before = max(before, min(tried.values()))
        for j in [j for j in left if tried[j] <= before]:
            adjusted[j] = before
            left.remove(j)
    return p, [adjusted[j] for j in range(len(family))]


def as_tested(hypothesis, p):
    values, ids, shift, (sides, either) = hypothesis
    seeds = sorted(ids)
    return joint.Tested(np.array([values[s] for s in seeds]), seeds, float(p), shift, sides, either)


@quick
@given(st.lists(hypotheses, min_size=1, max_size=4), st.sampled_from([0.1, 0.3, 0.6]))
def test_step_down_is_the_brute_force_of_it(family, alpha):
    p, expected = brute(family, alpha)
    adjusted, levels = step_down([as_tested(h, each) for h, each in zip(family, p, strict=True)], alpha)
    assert adjusted == pytest.approx([float(each) for each in expected])
    # the level and the adjusted p make the same decision
    assert [float(each) <= level for each, level in zip(p, levels, strict=True)] == [each <= alpha for each in expected]


@quick
@given(st.lists(hypotheses, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_the_order_of_the_family_does_not_matter(family, random):
    p, _ = brute(family, 0.3)
    tested = [as_tested(h, each) for h, each in zip(family, p, strict=True)]
    order = random.sample(range(len(tested)), len(tested))
    adjusted, levels = step_down(tested, 0.3)
    shuffled, moved = step_down([tested[k] for k in order], 0.3)
    assert list(shuffled) == list(adjusted[order])
    assert list(moved) == list(levels[order])


def test_what_is_rejected_leaves_more_to_the_rest():
    strong, weak = np.arange(1.0, 8.0), np.array([-1.0, 2.0, -3.0, 4.0, 5.0, 6.0, 7.0])
    tests = [joint.Tested(strong, range(7), 2 / 128), joint.Tested(weak, range(7), 10 / 128)]
    adjusted, levels = step_down(tests, 0.1)
    assert adjusted[0] == 4 / 128  # both hypotheses have two flips as extreme as that, and as far out
    # alone, once the first is rejected, the second has its own p
    assert adjusted[1] == 10 / 128
    assert levels[1] == pytest.approx(0.1, abs=2 / 128)


def test_an_adjusted_p_of_exactly_alpha_is_rejected_and_leaves_the_whole_of_it_to_the_rest():
    strong, weak = np.arange(1.0, 8.0), np.array([-1.0, 2.0, -3.0, 4.0, 5.0, 6.0, 7.0])
    tests = [joint.Tested(strong, range(7), 2 / 128), joint.Tested(weak, range(7), 10 / 128)]
    adjusted, levels = step_down(tests, 4 / 128)
    assert adjusted[0] == 4 / 128
    assert levels[1] == step_down(tests[1:], 4 / 128)[1][0]


def test_independent_hypotheses_are_corrected_and_copies_are_not():
    rng = np.random.default_rng(0)
    values = rng.normal(0, 1, (6, 9))
    p = 20 / 512
    copies, _ = step_down([joint.Tested(values[0], range(9), p)] * 6, 0.05)
    others, _ = step_down([joint.Tested(each, range(9), p) for each in values], 0.05)
    assert copies == pytest.approx(p, abs=4 / 512)
    assert (others > 3 * p).all()
    assert (others <= 6 * p).all()  # never more than Holm's


def test_nothing_to_test():
    adjusted, levels = step_down([], 0.05)
    assert adjusted.size == levels.size == 0


def test_beyond_twenty_seeds_flips_are_drawn():
    values = np.random.default_rng(1).normal(0.4, 1, 24)
    tested = [joint.Tested(values, range(24), 0.03), joint.Tested(values[:21], range(21), 0.04)]
    with pytest.raises(InputRefusedError, match="rng"):
        step_down(tested, 0.05)
    one, _ = step_down(tested, 0.05, np.random.default_rng(5))
    again, _ = step_down(tested, 0.05, np.random.default_rng(5))
    assert list(one) == list(again)
    assert 0.03 <= one[0] <= 0.06
    flips = sign_flips(range(24), np.random.default_rng(0), 63)
    assert flips.count == 64
    sums = flips.sums(np.ones(24), range(24))
    assert sums[0] == 24
    assert set(sums) <= set(range(-24, 25, 2))
    assert abs(sums[1:].mean()) < 4  # as many up as down
    assert sums[1:].std() == pytest.approx(np.sqrt(24), rel=0.3)


def test_six_seeds_decide_one_of_five_where_its_flip_lies_farthest_out():
    # each of five has two flips with p = 2/64, ten in all, and α = .05 allows three: equal p values are told apart by |t|
    clear = np.full(6, -1.0) + np.arange(6) / 100
    rng = np.random.default_rng(3)
    family = [joint.Tested(clear, range(6), 2 / 64)]
    for _ in range(4):
        signs = rng.choice([-1.0, 1.0], 6)
        signs[0], signs[1] = 1.0, -1.0  # not all alike: p is larger, but some flip of it has 2/64
        values = signs * rng.uniform(0.2, 3, 6)
        family.append(joint.Tested(values, range(6), sign_flip(values).p()))
    adjusted, levels = step_down(family, 0.05)
    assert adjusted[0] == 2 / 64
    assert 2 / 64 <= levels[0] < 4 / 64
    assert (adjusted[1:] > 0.05).all()


def test_where_every_flip_may_reach_the_level_it_is_the_most():
    assert joint.level_of(np.array([0.1, 0.2]), 2, 0.5) == 0.5
    assert joint.level_of(np.array([0.1, 0.2]), 1, 0.5) == np.nextafter(0.2, 0)
    assert joint.level_of(np.array([0.1, 0.2]), -1, 0.5) == np.nextafter(0.1, 0)


def test_without_a_margin_the_verdict_has_the_two_sided_p():
    rng = np.random.default_rng(2)
    for differences in rng.normal(0.1, 1, (30, 7)):
        (decision,) = decide([differences], [Claim("lower")])
        assert decision.p_verdict == decision.p


@pytest.mark.parametrize("direction", ["lower", "same"])
@pytest.mark.parametrize("margin", [1.0, 3.0])
def test_of_all_flips_of_the_errors_no_more_than_alpha_give_a_wrong_verdict(direction, margin):
    """Effects just outside alternating margins. Wide ones are both left out with the smallest p there is, and the nearer one has to be told by other means."""
    rng = np.random.default_rng(5)
    claims, effects = [Claim(direction, margin)] * 5, margin * (1 + 1e-9) * np.array([-1, 1, -1, 1, -1])[:, None]
    signs = np.array(list(itertools.product((1.0, -1.0), repeat=6)))
    within = VERDICTS.index("supported" if direction == "same" else "equivalent")
    wrong = []
    for _ in range(20):
        errors = rng.normal(size=(5, 6)) + rng.normal(size=6)  # correlated at .5
        verdicts = decide_many(signs[:, None] * errors / np.sqrt(2) + effects, claims)
        wrong.append((verdicts == within).any(1).sum())
    assert max(wrong) <= 3  # of 64
    assert sum(wrong) >= 40  # and not because nothing is found


def test_enormous_differences_are_decided_as_small_ones():
    """Their sum is not finite, and that of every flip neither."""
    d = np.array([3.0, -1.0, 4.0, 2.0, 5.0, 2.5, 1.5, 3.5])
    claims = [Claim("higher"), Claim("higher", 0.5), Claim("lower")]
    small = decide([d, d, -d], claims)
    with np.errstate(over="raise"):
        large = decide(
            [2.0**1021 * d, 2.0**1021 * d, -(2.0**1021) * d],
            [c if not c.margin else Claim("higher", 2.0**1020) for c in claims],
        )
    assert [(a.verdict, a.p_adjusted, a.level) for a in small] == [(b.verdict, b.p_adjusted, b.level) for b in large]


def test_scores_that_are_all_alike_are_corrected_as_others_are():
    """Sums of many differences lie closer together than single precision tells apart: they are no ties, or nothing would be corrected."""
    rng = np.random.default_rng(4)
    base, *arms = 86 + 0.005 * rng.standard_normal((7, 14))
    differences, sizes = [arm - base for arm in arms], [np.maximum(arm, base) for arm in arms]
    near, far = (
        decide(differences, [Claim("lower")] * 6, sizes=each) for each in (sizes, [size / 1e6 for size in sizes])
    )
    for one, other in zip(near, far, strict=True):
        assert other.p <= one.p <= other.p + 0.01
        assert other.p_adjusted <= one.p_adjusted + 0.001 <= other.p_adjusted + 0.03
    assert min(one.p_adjusted for one in near) > 1.5 * min(one.p for one in near)
