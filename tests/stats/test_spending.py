"""Looking more than once: boundaries by plain loops, error by simulation, and what stays as it was."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from analysis.calibration.sequential import _crossed, p_under
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats import Claim, decide, decide_at_looks, spent

DECIDED = ("supported", "contradicted", "equivalent")


def test_spending_functions():
    for t in (0.2, 0.5, 0.9):
        z = scipy_stats.norm.ppf(0.975)
        assert spent(0.05, t) == pytest.approx(2 * scipy_stats.norm.sf(z / math.sqrt(t)))
        assert spent(0.05, t, "pocock") == pytest.approx(0.05 * math.log(1 + (math.e - 1) * t))
    assert spent(0.05, 1.0) == spent(0.05, 1.0, "pocock") == 0.05


@pytest.mark.parametrize("family", ["joint", "holm"])
def test_a_single_look_is_decide(family):
    rng = np.random.default_rng(1)
    for _ in range(15):
        samples = list(rng.normal(-0.7, 1, (3, 8)) - rng.normal(0, 1, 8))
        once = decide(samples, [Claim(), Claim("higher"), Claim()], family=family)
        looked = decide_at_looks(samples, [Claim(), Claim("higher"), Claim()], looks=[8], family=family)
        for a, b in zip(once, looked, strict=True):
            assert (a.verdict, a.interval, a.p, a.n) == (b.verdict, b.interval, b.p, b.n)
            assert a.p_adjusted == pytest.approx(b.p_adjusted)
            assert (b.look, b.spent) == (1, 0.05)


def brute_levels(differences, looks, alphas):
    """The level of each look for one two-sided hypothesis: every flip of all seeds, and its p at every look, in plain loops."""
    p = []  # [look][flip of the seeds of that look]
    for n in looks:
        flips = list(itertools.product((1, -1), repeat=n))
        sums = {flip: round(sum(s * d for s, d in zip(flip, differences, strict=False)), 9) for flip in flips}
        size = len(flips)
        p.append({
            f: min(1.0, 2 * min(sum(v <= s for v in sums.values()), sum(v >= s for v in sums.values())) / size)
            for f, s in sums.items()
        })  # fmt: skip
    levels: list[float] = []
    for k in range(len(looks)):
        flips = list(p[k])
        crossed = [any(p[i][f[: looks[i]]] <= levels[i] for i in range(k)) for f in flips]
        best = 0.0
        for level in sorted(set(p[k].values())):
            count = sum(c or p[k][f] <= level for f, c in zip(flips, crossed, strict=True))
            if count <= alphas[k] * len(flips):
                best = level
        levels.append(best)
    return levels, [each[(1,) * n] for each, n in zip(p, looks, strict=True)]


@pytest.mark.parametrize("spending", ["obrien-fleming", "pocock"])
@pytest.mark.parametrize("seed", range(4))
def test_boundaries_are_those_of_plain_loops(spending, seed):
    looks = (6, 7, 9)
    differences = np.random.default_rng(seed).normal(-0.5, 1, 9)
    alphas = [spent(0.2, n / 9, spending) for n in looks]
    levels, ps = brute_levels(differences, looks, alphas)
    (decision,) = decide_at_looks([differences], [Claim()], 0.2, looks=looks, spending=spending)
    crossing = [k for k in range(3) if ps[k] <= levels[k]]
    assert decision.look == (crossing[0] + 1 if crossing else 3)
    assert (decision.verdict in DECIDED) == bool(crossing)
    at = decision.look - 1
    assert decision.p == ps[at]
    assert decision.n == looks[at]
    # the level lies between the largest p that crosses and the next
    assert levels[at] <= decision.level < levels[at] + 2 / 2 ** looks[at]
    assert (decision.p_adjusted <= decision.spent) == (decision.verdict in DECIDED)


def test_error_over_all_looks_is_held_where_naive_looking_exceeds_it():
    # the shortcut of the calibration, which the real thing agrees with below
    rng = np.random.default_rng(7)
    looks, runs = (6, 8, 10), 1200
    under = p_under(rng.standard_normal((runs, 1, 10)), looks, rng)
    naive = sum(any(least[row, 0] <= 0.05 for least in under) for row in range(runs))
    spending = [spent(0.05, n / 10, "pocock") for n in looks]
    held = sum(_crossed(under, spending))
    assert scipy_stats.binomtest(naive, runs).proportion_ci(0.999).low > 0.05
    assert scipy_stats.binomtest(held, runs).proportion_ci(0.999).low <= 0.05
    assert held > 0.02 * runs


def test_the_calibrations_shortcut_is_what_decide_at_looks_says():
    rng = np.random.default_rng(8)
    looks = (6, 8, 10)
    samples = rng.normal(-0.6, 1, (40, 2, 10)) - rng.normal(0, 1, (40, 1, 10))
    crossed = _crossed(p_under(samples, looks, rng), [spent(0.05, n / 10, "pocock") for n in looks])
    real = [
        any(d.verdict in DECIDED for d in decide_at_looks(list(s), [Claim()] * 2, looks=looks, spending="pocock"))
        for s in samples
    ]
    assert real == crossed
    assert 0 < sum(real) < 40


def test_what_is_decided_stays_decided_and_leaves_more_to_the_rest():
    clear = -np.array([0.5, 0.4, 0.6, 0.3, 0.7, 0.5, 0.2, 0.4, 0.3, 0.6, *([-5.0] * 10)])
    slow = np.random.default_rng(3).normal(-0.6, 1, 20)
    both = decide_at_looks([clear, slow], [Claim(), Claim()], looks=(10, 20))
    assert (both[0].verdict, both[0].look, both[0].n) == ("supported", 1, 10)
    (alone,) = decide_at_looks([slow], [Claim()], looks=(10, 20))
    assert (both[1].verdict, both[1].look, both[1].level) == (alone.verdict, 2, alone.level)
    # before the second look, the first says the same
    early = decide_at_looks([clear[:10], slow[:10]], [Claim(), Claim()], looks=(10, 20))
    assert early[0] == both[0]
    assert (early[1].verdict, early[1].look) == ("inconclusive", 1)


def test_before_the_first_look_nothing_is_decided():
    (decision,) = decide_at_looks([-np.arange(1.0, 9.0)], [Claim()], looks=(10, 12))
    assert (decision.verdict, decision.look, decision.spent) == ("inconclusive", None, 0.0)
    (few,) = decide_at_looks([-np.arange(1.0, 5.0)], [Claim()], looks=(10, 20))
    assert few.verdict == "underpowered"


def test_lost_seeds_still_count_as_looked_at():
    values = -np.arange(1.0, 10.0)
    seeds = [0, 1, 2, 3, 4, 5, 6, 7, 8]
    (decision,) = decide_at_looks([values], [Claim()], looks=(10, 20), seeds=[seeds], planned=range(10))
    assert (decision.look, decision.n) == (1, 9)
    (decision,) = decide_at_looks([values], [Claim()], looks=(10, 20), seeds=[seeds])
    assert decision.look is None


def test_beyond_twenty_seeds_the_looks_share_their_draws():
    values = np.random.default_rng(5).normal(-0.35, 1, 30)
    looks = (10, 22, 26, 30)
    run = [decide_at_looks([values], [Claim()], looks=looks, rng=np.random.default_rng(1))[0] for _ in range(2)]
    assert run[0] == run[1]
    # against a single sampled test at the end, the levels of four looks leave less than .05 and more than half of it
    (last,) = decide_at_looks([values * 0 + np.random.default_rng(0).normal(0, 1, 30)], [Claim()], looks=looks, rng=np.random.default_rng(1))  # fmt: skip
    assert (last.look, last.n) == (4, 30)
    assert 0.03 < last.level < 0.05


def test_the_draws_are_those_of_the_generator():
    values = np.random.default_rng(5).normal(-0.2, 1, 22)
    ps = [decide_at_looks([values], [Claim()], looks=(22,), rng=np.random.default_rng(k))[0].p for k in (1, 1, 2)]
    assert ps[0] == ps[1] != ps[2]


@pytest.mark.parametrize(
    "call",
    [
        lambda: decide_at_looks([[1.0] * 9], [Claim()], looks=()),
        lambda: decide_at_looks([[1.0] * 9], [Claim()], looks=(9, 6)),
        lambda: decide_at_looks([[1.0] * 9], [Claim()], looks=(0, 6)),
        lambda: decide_at_looks([[1.0] * 9], [Claim()], 0.0, looks=(9,)),
        lambda: decide_at_looks([[1.0] * 9], [], looks=(9,)),
        lambda: decide_at_looks([[1.0] * 9], [Claim()], looks=(9,), planned=range(8)),
        lambda: decide_at_looks([[1.0] * 9], [Claim()], looks=(6, 9), spending="all"),
        lambda: spent(0.05, 0.0),
        lambda: spent(0.05, 1.1),
        lambda: spent(1.0, 0.5),
    ],
)
def test_looks_that_cannot_be_are_refused(call):
    with pytest.raises(InputRefusedError):
        call()
