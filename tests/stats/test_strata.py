"""Claims over several tasks: enumeration as the oracle, exactness under flips, and what average and every mean."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from zoneout_lab import stats
from zoneout_lab.errors import InputRefusedError
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
