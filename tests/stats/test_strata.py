"""Claims over several tasks: enumeration as the oracle, exactness under flips, and what average and every mean."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from zoneout_lab import stats
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats import strata
from zoneout_lab.stats.strata import decide_over_tasks, standardised
from zoneout_lab.stats.strata_power import chance_over_tasks, decide_many_over_tasks, smallest_over_tasks


def _by_enumeration(tasks: list[np.ndarray], shift: float = 0.0) -> tuple[float, float]:
    """p that S is as small, and as large, over every flip: root mean squares taken anew after each, in a loop."""
    moved = [np.asarray(d) - shift for d in tasks]

    def statistic(of: list[np.ndarray]) -> float:
        return sum(float(np.mean(d) / math.sqrt(np.mean(d**2))) for d in of)

    seen = statistic(moved)
    sizes = [len(d) for d in moved]
    values = []
    for signs in itertools.product([1, -1], repeat=sum(sizes)):
        parts = np.split(np.array(signs), np.cumsum(sizes)[:-1])
        values.append(statistic([d * s for d, s in zip(moved, parts, strict=True)]))
    less = np.mean([value <= seen + 1e-12 for value in values])
    more = np.mean([value >= seen - 1e-12 for value in values])
    return float(less), float(more)


@pytest.mark.parametrize("sizes", [(3, 3), (5, 2), (1, 4, 3), (7,)])
def test_p_is_that_of_all_flips(sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(sum(sizes))
    for scale in (1.0, 1e6):
        tasks = [rng.normal(0.6, 1, n) * (scale if t else 1.0) for t, n in enumerate(sizes)]
        less, more = _by_enumeration(tasks)
        decision = decide_over_tasks([tasks], [stats.Claim("lower")])[0]
        assert decision.p == pytest.approx(min(1, 2 * min(less, more)), abs=1e-15)
        assert decision.n == sizes


def test_margins_are_tested_where_they_lie() -> None:
    rng = np.random.default_rng(4)
    tasks = [rng.normal(-0.9, 0.4, 4), rng.normal(-0.8, 0.9, 4)]
    less, _ = _by_enumeration(tasks, shift=-0.3)
    decision = decide_over_tasks([tasks], [stats.Claim("lower", 0.3)])[0]
    assert decision.p_verdict == pytest.approx(2 * less, abs=1e-15)
    assert decision.weakest == ()
    up = decide_over_tasks([[-d for d in tasks]], [stats.Claim("higher", 0.3)])[0]
    assert up.p_verdict == decision.p_verdict
    assert (up.verdict, decision.verdict) == ("supported", "supported")


def test_one_task_is_the_ordinary_test() -> None:
    rng = np.random.default_rng(8)
    for claim in (
        stats.Claim("lower"),
        stats.Claim("higher", 0.2),
        stats.Claim("same", 1.5),
        stats.Claim("not lower", 0.9),
        stats.Claim("not higher", 0.1),
    ):
        for _ in range(20):
            d = rng.normal(0.1, 1, 8)
            alone, over = stats.decide([d], [claim])[0], decide_over_tasks([[d]], [claim])[0]
            assert (over.verdict, over.p, over.p_verdict, over.p_adjusted) == (
                alone.verdict,
                alone.p,
                alone.p_verdict,
                alone.p_adjusted,
            )


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        (stats.Claim("lower"), "underpowered"),
        (stats.Claim("lower", 0.5), "equivalent"),
        (stats.Claim("same", 0.5), "supported"),
        (stats.Claim("not lower", 0.5), "supported"),
    ],
)
def test_absence_is_possible_where_a_difference_is_not(claim: stats.Claim, verdict: str) -> None:
    """Seven seeds reach 1/2⁷ on one side, which is below .01, and 2/2⁷ on either, which is not."""
    d = [0.01, -0.02, 0.03, -0.01, 0.02, -0.03, 0.0]
    assert stats.decide([d], [claim], 0.01)[0].verdict == verdict
    assert decide_over_tasks([[d]], [claim], 0.01)[0].verdict == verdict
    # 1/2⁷ is above .006, so nothing is possible there
    assert stats.decide([d], [claim], 0.006)[0].verdict == "underpowered"
    assert decide_over_tasks([[d]], [claim], 0.006)[0].verdict == "underpowered"


def test_each_task_weighs_the_same() -> None:
    """A unit, a spread or a number of seeds gives a task no more say."""
    a, b = np.array([-1.0, -2.0, -3.0, 0.5]), np.array([2.0, 3.0, 1.0, -0.5])
    once = decide_over_tasks([[a, b]], [stats.Claim()])[0]
    again = decide_over_tasks([[a, 1e4 * b]], [stats.Claim()])[0]
    assert once.p == again.p
    repeated = [np.tile(-b, 3), a]
    mean_of_means = sum(float(standardised(d)[0].sum()) for d in repeated)
    assert mean_of_means == pytest.approx(float(standardised(-b)[0].sum() + standardised(a)[0].sum()))


def test_seeds_of_different_tasks_are_flipped_apart() -> None:
    """Six pairs in two tasks have 2⁶ flips although they share the ids 0, 1 and 2."""
    tasks = [[-1.0, -1.5, -0.5], [-2.0, -0.1, -3.0]]
    decision = decide_over_tasks([tasks], [stats.Claim()], seeds=[[[0, 1, 2], [0, 1, 2]]])[0]
    assert decision.p == 2 / 2**6 == decision.smallest_p
    assert decision.verdict == "supported"


def test_hypotheses_of_a_family_are_flipped_jointly() -> None:
    tasks = [[-1.0, -1.5, -0.5], [-2.0, -0.1, -3.0]]
    many = decide_over_tasks([tasks] * 5, [stats.Claim()] * 5)
    assert {d.p_adjusted for d in many} == {2 / 2**6}
    holm = decide_over_tasks([tasks] * 5, [stats.Claim()] * 5, family="holm")
    assert {d.p_adjusted for d in holm} == {5 * 2 / 2**6}
    assert {d.verdict for d in holm} == {"underpowered"}  # α/5 is below what six pairs can reach


def test_absence_is_claimed_of_every_task() -> None:
    """Two differences of opposite sign are zero on average, and no one would call the arms the same."""
    rng = np.random.default_rng(3)
    noise = 0.05 * rng.permutation(np.linspace(-1, 1, 8))
    opposed, close = [noise - 1.0, noise + 1.0], [noise, noise + 0.1]
    claim = stats.Claim("same", 0.5)
    assert decide_over_tasks([close], [claim])[0].verdict == "supported"
    assert decide_over_tasks([opposed], [claim])[0].verdict == "inconclusive"
    one = decide_over_tasks([[noise, noise + 0.45]], [claim])[0]
    assert (one.weakest, one.p_verdict) == ((1,), stats.decide([noise + 0.45], [claim])[0].p_verdict)
    assert decide_over_tasks([close], [stats.Claim("lower", 0.5)])[0].verdict == "equivalent"
    assert decide_over_tasks([[noise + 0.2, noise - 0.9]], [stats.Claim("not lower", 0.5)])[0].verdict == "inconclusive"
    assert decide_over_tasks([[noise - 0.9, noise - 0.9]], [stats.Claim("not lower", 0.5)])[0].verdict == "contradicted"
    assert (
        decide_over_tasks([[noise + 0.9, noise + 0.9]], [stats.Claim("not higher", 0.5)])[0].verdict == "contradicted"
    )


def test_absence_needs_six_seeds_in_each_task_and_a_difference_six_over_all() -> None:
    few = [[-1.0, -1.1, -0.9], [-2.0, -2.1, -1.9]]
    assert decide_over_tasks([few], [stats.Claim("lower")])[0].verdict == "supported"
    small = [[0.01, -0.01, 0.02], [0.01, -0.02, 0.01]]
    assert decide_over_tasks([small], [stats.Claim("same", 0.5)])[0].verdict == "inconclusive"
    assert decide_over_tasks([[small[0], small[1][:2]]], [stats.Claim("same", 0.5)])[0].verdict == "underpowered"


def test_a_task_without_a_pair_leaves_nothing_to_say_of_all() -> None:
    d = np.full(8, -1.0) - np.arange(8) / 10
    decision = decide_over_tasks([[d, []]], [stats.Claim()])[0]
    assert (decision.verdict, decision.n, decision.p_adjusted) == ("underpowered", (8, 0), 1.0)


def test_differences_that_are_rounding_hide_no_other_task() -> None:
    rounding = [0.3 - 0.2 - 0.1, 0.7 - 0.6 - 0.1, 0.0]
    assert max(map(abs, rounding)) > 0
    d = [-1.0, -2.0, -1.5, -0.5, -0.7, -0.2]
    decision = decide_over_tasks([[rounding, d]], [stats.Claim()], sizes=[[[0.3, 0.7, 0.1], None]])[0]
    assert decision.p == 2 / 2**6
    zeros = decide_over_tasks([[[0.0] * 4, [0.0] * 4]], [stats.Claim()])[0]
    assert (zeros.p, zeros.verdict) == (1.0, "inconclusive")


def test_enormous_and_tiny_differences() -> None:
    tasks = [[-1e200, -2e200, -1e199], [-1e-200, -3e-200, -2e-200]]
    assert decide_over_tasks([tasks], [stats.Claim()])[0].p == 2 / 2**6


def test_more_than_twenty_pairs_are_sampled_alike_wherever_a_claim_stands() -> None:
    rng = np.random.default_rng(0)
    tasks = [rng.normal(-0.4, 1, 12), rng.normal(-0.4, 1, 12)]
    other = [rng.normal(0, 1, 12), rng.normal(0, 1, 12)]
    first = decide_over_tasks([tasks, other], [stats.Claim()] * 2, rng=np.random.default_rng(1))
    second = decide_over_tasks([other, tasks], [stats.Claim()] * 2, rng=np.random.default_rng(1))
    assert first[0].p == second[1].p
    assert first[0].p_adjusted == second[1].p_adjusted
    assert first[0].p_error > 0
    with pytest.raises(InputRefusedError, match="rng"):
        decide_over_tasks([tasks], [stats.Claim()])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"samples": [[[1.0]], [[1.0], [2.0]]], "claims": [stats.Claim()] * 2},
            "one vector of differences for each task",
        ),
        ({"samples": [[[1.0, 2.0]]], "claims": [stats.Claim()], "seeds": [[[1, 1]]]}, "each once"),
        ({"samples": [[[1.0, 2.0]]], "claims": [stats.Claim()], "seeds": [[[1, 2], [1]]]}, "as many lists"),
        ({"samples": [[[1.0, np.nan]]], "claims": [stats.Claim()]}, "finite"),
        ({"samples": [[[1.0]]], "claims": [stats.Claim()], "family": "bonferroni"}, "family is one of"),
    ],
)
def test_what_does_not_match_is_refused(arguments: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputRefusedError, match=message):
        decide_over_tasks(**arguments)


def test_counted_verdicts_are_those_of_single_samples() -> None:
    rng = np.random.default_rng(5)
    samples = [rng.normal(-0.7, 1, (40, 2, 3)), rng.normal(-7, 10, (40, 2, 4))]
    claims = [stats.Claim("lower"), stats.Claim("higher")]
    for family in ("joint", "holm"):
        many = decide_many_over_tasks(samples, claims, family=family)
        for k in range(40):
            one = decide_over_tasks([[s[k, j] for s in samples] for j in range(2)], claims, family=family)
            assert [stats.VERDICTS[code] for code in many[k]] == [d.verdict for d in one]


@pytest.mark.parametrize(
    ("shapes", "margins", "message"),
    [
        ([(4, 2, 3), (4, 2, 5)], (0.0, 0.5), "without a margin"),
        ([], (0.0,), "for each task"),
        ([(4, 1, 3), (4, 3)], (0.0,), "for each task"),
        ([(4, 2, 3), (4, 1, 3)], (0.0, 0.0), "for each task"),
        ([(4, 1, 3), (5, 1, 3)], (0.0,), "for each task"),
    ],
)
def test_what_cannot_be_counted_is_refused(shapes: list, margins: tuple, message: str) -> None:  # type: ignore[type-arg]
    claims = [stats.Claim("lower", margin) for margin in margins]
    with pytest.raises(InputRefusedError, match=message):
        decide_many_over_tasks([np.zeros(shape) for shape in shapes], claims)


def test_error_rate_and_power() -> None:
    """2,000 simulations: error within its 99.9% binomial bound of .05, tasks whose spreads differ a thousandfold; power beyond that of one task."""
    rng = np.random.default_rng(6)
    null = [rng.standard_t(3, (2000, 1, 3)), 1000 * rng.standard_normal((2000, 1, 5))]
    false = (decide_many_over_tasks(null, [stats.Claim()]) < 2).mean()
    assert 0.02 < false < 0.067
    assert chance_over_tasks((5, 5), 1.0) > 0.7 > chance_over_tasks((3, 3), 1.0)
    assert chance_over_tasks((2, 2), 5.0) == 0.0
    assert smallest_over_tasks((2, 2)) == math.inf
    assert chance_over_tasks((5, 5), smallest_over_tasks((5, 5))) == pytest.approx(0.8, abs=0.03)


def test_what_is_tied_in_one_task_is_tied_over_tasks_and_nothing_else_is() -> None:
    """Differences that cancel to within a few units of rounding beside ones that do not, at sizes that are known."""
    for gap in (0.0, 1e-15, 4e-14, 3e-13):
        d = np.array([sign * size + gap * (sign < 0) for size in (1.0, 2.0, 3.0, 0.5) for sign in (1, -1)])
        sizes = np.full(8, 3.0)
        alone = stats.decide([d], [stats.Claim("higher")], sizes=[sizes])[0]
        over = decide_over_tasks([[d]], [stats.Claim("higher")], sizes=[[sizes]])[0]
        assert over.p == alone.p


@pytest.mark.parametrize(
    ("claim", "mirrored"),
    [
        (stats.Claim("lower", 0.4), stats.Claim("higher", 0.4)),
        (stats.Claim("not lower", 0.4), stats.Claim("not higher", 0.4)),
        (stats.Claim("same", 0.9), stats.Claim("same", 0.9)),
    ],
)
def test_a_family_in_the_mirror_is_the_same_family(claim: stats.Claim, mirrored: stats.Claim) -> None:
    rng = np.random.default_rng(9)
    for shift in (-1.0, -0.2, 0.3, 1.0):
        tasks = [[rng.normal(shift, 0.5, 6), rng.normal(shift, 0.7, 7)] for _ in range(3)]
        there = decide_over_tasks(tasks, [claim] * 3)
        back = decide_over_tasks([[-d for d in of] for of in tasks], [mirrored] * 3)
        for one, other in zip(there, back, strict=True):
            assert one.p_adjusted == other.p_adjusted
            assert (one.verdict, one.level, one.weakest) == (other.verdict, other.level, other.weakest)
        # one hypothesis by itself is its own family, and what is adjusted is never smaller
        assert all(d.p_adjusted >= d.p_verdict for d in there)
        alone = decide_over_tasks(tasks[:1], [claim])[0]
        assert alone.p_adjusted == alone.p_verdict


def test_a_familys_adjusted_p_is_that_of_enumerated_flips() -> None:
    """Two hypotheses without margins on two tasks of three seeds: min-P over all 64 flips, in a loop, ties of p broken by how far out the flip lies."""
    rng = np.random.default_rng(12)
    tasks = [[rng.normal(-0.9, 1, 3), rng.normal(-0.9, 1, 3)] for _ in range(2)]
    z = [np.concatenate([standardised(d)[0] for d in of]) for of in tasks]
    signs = np.array(list(itertools.product([1, -1], repeat=6)))
    sums = [signs @ values for values in z]
    finer = [np.abs(s) / (math.sqrt(6 * float(v @ v)) * 2 * 64) for s, v in zip(sums, z, strict=True)]
    p = [
        np.array([2 * min(np.mean(s <= x + 1e-12), np.mean(s >= x - 1e-12)) for x in s]).clip(max=1) - f
        for s, f in zip(sums, finer, strict=True)
    ]
    least = np.minimum(p[0], p[1])
    found = decide_over_tasks(tasks, [stats.Claim()] * 2)
    first = min(range(2), key=lambda j: p[j][0])
    assert found[first].p_adjusted == pytest.approx(np.mean(least <= p[first][0] + 1e-6 / 64), abs=1e-12)


@pytest.mark.parametrize("side", [1, -1])
def test_of_margins_that_are_left_out_alike_the_nearest_is_flipped(side):
    """Wide margins are all left out with the smallest p there is, and the lower one of the first task is no better than another."""
    middle = np.array([-0.5, 0.2, 0.4, -0.3, 0.1, 0.3])
    claim = stats.Claim("same", 3.0)
    (tasks,) = strata._checked([[middle, middle + side * 2.0]], [claim], None, None)
    found = strata._find(tasks, claim, lambda: None, 99)
    assert (found.p, found.weakest) == (1 / 64, (0, 1))
    assert (found.tested.shift, list(found.tested.seeds)) == (side * 3.0, list(range(6, 12)))
