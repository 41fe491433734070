"""Close calls: verdicts that one flip, or a rounding, would turn, and no others."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from tiny_studies import make_study

from zoneout_lab.results import Question, compare, compare_family
from zoneout_lab.results.edge import near_edge

BASE = compare(
    make_study({"a": {s: 0.5 - 0.01 * (s + 1) for s in range(10)}, "b": dict.fromkeys(range(10), 0.5)}),
    "a",
    "b",
    metric="valid_error",
)


def altered(**changes):
    plain = {"p_adjusted": 0.5, "bound": 0.0, "interval": (-10.0, 3.0), "inner": (-9.0, 2.0), "verdict": "inconclusive"}
    return dataclasses.replace(BASE, **plain | changes)


@pytest.mark.parametrize(("n", "close"), [(6, True), (7, False), (10, False)])
def test_six_seeds_of_one_sign_are_one_flip_from_the_edge(n, close):
    """Enumerated: with one sign turned, p is 4/2ⁿ at least, which is above .05 for six seeds alone."""
    values = {s: 0.5 - 0.01 * (s + 1) for s in range(n)}
    c = compare(make_study({"a": values, "b": dict.fromkeys(range(n), 0.5)}), "a", "b", metric="valid_error")
    assert c.verdict == "supported"
    assert (2 / 2**n + 2 / 2**n > 0.05) == close
    assert ("one sign flip" in near_edge(c)) == close


def test_an_underpowered_verdict_is_no_close_call():
    values = {s: 0.5 - 0.01 * (s + 1) for s in range(5)}
    c = compare(make_study({"a": values, "b": dict.fromkeys(range(5), 0.5)}), "a", "b", metric="valid_error")
    assert (c.verdict, near_edge(c)) == ("underpowered", "")
    assert near_edge(altered(verdict="underpowered", p_adjusted=0.05)) == ""


@pytest.mark.parametrize(("end", "noise", "close"), [(0.9, 1.0, True), (1.1, 1.0, False), (0.9, math.nan, False)])
def test_an_interval_that_ends_within_the_noise_of_builds_is_a_close_call(end, noise, close):
    c = altered(interval=(-10.0, end))
    assert ("another build could turn" in near_edge(c, noise)) == close
    assert near_edge(c) == ""


@pytest.mark.parametrize(
    ("direction", "bound", "interval", "inner", "close"),
    [
        ("lower", 0.0, (-10.0, 0.1), (-9.0, 0.0), True),  # 1% of its length from zero
        ("lower", 0.0, (-10.0, 0.4), (-9.0, 0.0), False),
        ("higher", 0.0, (-0.1, 10.0), (0.0, 9.0), True),
        ("lower", 2.0, (-10.0, -1.9), (-9.0, -2.5), True),  # supported, were it left of the margin
        ("higher", 2.0, (-1.9, 48.0), (0.0, 40.0), False),  # at the other margin nothing hangs on it
        ("same", 2.0, (-3.0, 2.5), (-1.0, 2.01), True),
        ("same", 2.0, (-2.5, 3.0), (-2.01, 1.0), True),
        ("same", 2.0, (-3.0, 3.0), (-2.01, 2.01), True),  # both just outside, and nearer than rounding moves them
        ("same", 2.0, (-3.0, 2.5), (-1.0, 1.8), False),  # well within both
        ("same", 2.0, (-9.0, 2.5), (-8.0, 2.01), False),  # the other end lies far outside
        ("same", 2.0, (-2.5, 9.0), (-2.01, 8.0), False),
        ("not higher", 2.0, (-9.0, 4.0), (-8.0, 2.1), True),
        ("not higher", 2.0, (-9.0, 2.1), (-8.0, 1.0), False),  # it is read off the inner one
        ("not lower", 2.0, (-9.0, 4.0), (-2.1, 3.0), True),
        ("not lower", 2.0, (-9.0, 2.0), (-5.0, 1.9), False),
    ],
)
def test_an_end_is_close_only_where_the_verdict_hangs_on_it(direction, bound, interval, inner, close):
    c = altered(direction=direction, bound=bound, interval=interval, inner=inner)
    assert bool(near_edge(c)) == close
    if close:
        assert ("the margin" if bound else "zero") in near_edge(c)


@pytest.mark.parametrize(("p", "close"), [(0.049, True), (0.0505, True), (0.06, False)])
def test_after_holm_a_flip_counts_as_often_as_there_are_hypotheses(p, close):
    step = 2 / 2**10
    c = altered(p_adjusted=p, correction="holm", family=4, smallest_p=step)
    assert (abs(p - 0.05) <= 4 * step) == close
    assert bool(near_edge(c)) == close


def test_a_sampled_p_is_close_within_its_sampling_error():
    assert "sampled" in near_edge(altered(p_adjusted=0.0512, p_error=0.0007, smallest_p=1e-5))
    for p in (0.06, 0.04):
        assert near_edge(altered(p_adjusted=p, p_error=0.0007, smallest_p=1e-5)) == ""
    # after Holm the error counts as often as there are hypotheses, as p does
    holm = {"p_error": 0.0007, "smallest_p": 1e-5, "correction": "holm", "family": 4}
    assert "sampled" in near_edge(altered(p_adjusted=0.0545, **holm))
    assert near_edge(altered(p_adjusted=0.0565, **holm)) == ""
    assert near_edge(altered(p_adjusted=0.0545, **holm | {"correction": "joint"})) == ""


def test_a_close_call_on_a_ratio_s_scale_is_at_a_ratio_of_one():
    assert "almost at × 1," in near_edge(altered(scale="log", interval=(-10.0, 0.1)))
    assert "almost at zero," in near_edge(altered(interval=(-10.0, 0.1)))
    assert "almost at the margin," in near_edge(altered(scale="log", bound=2.0, interval=(-10.0, -1.9)))


def test_all_differences_equal_is_no_close_call():
    c = altered(interval=(-1.0, -1.0), inner=(-1.0, -1.0), mean_difference=-1.0)
    assert near_edge(c) == ""
    assert np.isfinite(c.interval).all()


def test_at_a_look_the_p_is_near_what_may_be_spent_there_and_not_alpha():
    step = BASE.smallest_p
    spent = {"looks": (10, 20), "look": 1, "spent": 0.0056}
    assert near_edge(altered(p_adjusted=0.0056 + step, **spent))
    assert not near_edge(altered(p_adjusted=0.05, **spent))
    # before the first look nothing may be spent, and nothing turns
    assert not near_edge(altered(p_adjusted=0.0, looks=(10, 20), look=None, spent=0.0))


def test_a_look_s_p_is_held_against_what_may_be_spent_by_then():
    step = BASE.smallest_p
    assert near_edge(altered(looks=(10, 20), look=1, spent=0.0056, p_adjusted=0.0056 + step / 2))
    assert not near_edge(altered(looks=(10, 20), look=1, spent=0.0056, p_adjusted=0.05 + step / 2))


def test_nothing_is_close_before_the_first_look():
    values = {s: 0.5 - 0.01 * (s + 1) for s in range(9)}
    tree = make_study({"a": values, "b": dict.fromkeys(range(9), 0.5)})
    c = compare_family(tree, [Question("a", "b", "valid_error")], looks=(10, 20))[0]
    assert (c.verdict, c.look, c.spent) == ("inconclusive", None, 0.0)
    assert near_edge(c) == ""
    assert c.chance is None
    assert "would decide" not in c.sentence
