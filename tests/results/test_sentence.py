"""Every part of a comparison's sentence and short line, by changing one thing of a comparison at a time."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
from tiny_studies import make_study

from zoneout_lab.results import compare
from zoneout_lab.results.sentence import sentence, short

VALUES = {"a": {s: 0.5 - 0.01 * (s + 1) for s in range(8)}, "b": dict.fromkeys(range(8), 0.5)}
LINEAR = dataclasses.replace(compare(make_study(VALUES), "a", "b", metric="valid_error"), cautions=())
LOG = compare(make_study(VALUES), "a", "b", metric="valid_error", scale="log")
LOGIT = compare(make_study(VALUES), "a", "b", metric="valid_error", scale="logit")
T_ONLY: dict[str, Any] = {"interval": (-math.inf, math.inf), "t_interval": (-0.02, 0.01)}


def said(c, **changes) -> str:
    return sentence(dataclasses.replace(c, **changes), "A", "B")


def spoken(c, **changes) -> str:
    return short(dataclasses.replace(c, **changes), "A", "B")


def test_whole_sentences():
    assert said(LINEAR, declared=True) == (
        "Over 8 paired seeds, the validation error of A is 4.50 percentage points lower than that of B "
        "(difference −4.50, 95% interval −6.67 to −2.33; p = 0.00781): supported."
    )
    assert spoken(LINEAR, declared=True) == (
        "The validation error is 45.50% for A and 50.00% for B: 4.50 percentage points lower (95% interval 2.33 to 6.67 lower)."
    )


@pytest.mark.parametrize(
    ("changes", "words", "aloud"),
    [
        ({"interval": (-0.02, -0.01)}, "interval −2.00 to −1.00", "interval 1.00 to 2.00 lower"),
        ({"interval": (-0.02, 0.0)}, "interval −2.00 to 0.00", "interval 0.00 to 2.00 lower"),
        ({"interval": (0.0, 0.02)}, "interval 0.00 to 2.00", "interval 0.00 to 2.00 higher"),
        ({"interval": (-0.02, 0.01)}, "interval −2.00 to 1.00", "interval 2.00 lower to 1.00 higher"),
        ({"interval": (0.0, 0.0)}, "interval 0.00 to 0.00", "interval 0.00 to 0.00)"),
        (T_ONLY, "95% t interval −2.00 to 1.00, which assumes normal differences", "95% t interval 2.00 lower to 1.00 higher, which assumes normal differences"),
    ],
)  # fmt: skip
def test_intervals(changes, words, aloud):
    assert words in said(LINEAR, **changes)
    assert aloud in spoken(LINEAR, **changes)


def test_intervals_of_ratios():
    ends = (math.log(0.5), math.log(1.25))
    assert "95% interval × 0.50 to × 1.25;" in said(LOG, interval=ends)
    assert "(95% interval 0.50 to 1.25 times" in spoken(LOG, interval=ends)
    few = {"interval": (-math.inf, math.inf), "t_interval": ends}
    text = "95% t interval × 0.50 to × 1.25, which assumes normal differences"
    assert text in said(LOG, **few)
    assert text in spoken(LOG, **few)
    none = {"interval": (-math.inf, math.inf), "t_interval": (math.nan, math.nan)}
    for c in (LINEAR, LOG):
        assert "% interval" not in said(c, **none)
        assert "t interval" not in said(c, **none)
        assert "interval" not in spoken(c, **none)


def test_what_an_open_verdict_lacks_of_its_margin():
    for direction, interval, is_short in (
        ("lower", (-0.03, -0.01), True),
        ("lower", (-0.03, 0.0), False),
        ("lower", (-0.03, 0.01), False),
        ("lower", (-0.05, -0.02), False),
        ("higher", (0.01, 0.03), True),
        ("higher", (-0.03, -0.01), False),
        ("not lower", (0.01, 0.03), False),
    ):
        for verdict in ("inconclusive", "equivalent"):
            text = spoken(LINEAR, direction=direction, interval=interval, bound=0.02, margin=0.02, verdict=verdict)
            assert (f"; {direction}, but not shown to be so by more than the margin" in text) == (
                is_short and verdict == "inconclusive"
            )


@pytest.mark.parametrize(
    ("c", "replaced", "words"),
    [
        (LOG, 1, "; 1 value was zero and counts as half the smallest other"),
        (LOG, 3, "; 3 values were zero and count as half the smallest other"),
        (LOGIT, 1, "; 1 value was 0% or 100% and counts as half as far from it as the nearest other"),
        (LOGIT, 2, "; 2 values were 0% or 100% and count as half as far from it as the nearest other"),
    ],
)
def test_replaced_values(c, replaced, words):
    assert words in said(c, replaced=replaced)
    assert words in spoken(c, replaced=replaced)
    rule = "that is all of one arm, so the size of the ratio rests on this rule alone"
    assert rule not in said(c, replaced=replaced)
    for arm in ("arm_values", "against_values"):
        assert rule in said(c, replaced=replaced, **{arm: (0.0,) * 8})
        assert (rule in said(c, replaced=replaced, **{arm: (0.0,) * 3 + (1.0,) * 5})) == (c is LOGIT)
        assert rule not in said(c, replaced=replaced, **{arm: (0.0,) * 7 + (0.5,)})


def test_equal_differences():
    assert "; all 8 differences are equal" in said(LINEAR, constant=True)
    two = {"seeds": (0, 1), "constant": True}
    assert said(LINEAR, **two).startswith("Over 2 paired seeds, ")
    assert "; both differences are equal" in said(LINEAR, **two)


def test_seeds_that_are_lost():
    one, two = (("a", 8),), (("a", 8), ("b", 9))
    assert "; seed 8 is lost)" in said(LINEAR, lost=(8,))
    assert "; seed 8 is lost, 1 run diverged)" in said(LINEAR, lost=(8,), diverged=one)
    assert "; seeds 8 and 9 are lost, 2 runs diverged)" in said(LINEAR, lost=(8, 9), diverged=two)
    assert "; seeds 7, 8 and 9 are lost; seed 11 of the study is not among these results)" in said(
        LINEAR, lost=(7, 8, 9), absent=(11,)
    )
    none = {"seeds": (), "lost": (3,), "verdict": "underpowered"}
    assert said(LINEAR, **none, declared=True) == (
        "No seed has the validation error of both A and B (seed 3 is lost): underpowered, where 6 paired seeds would be enough to decide."
    )
    assert spoken(LINEAR, **none) == "No seed has both values (seed 3 is lost)."
    assert spoken(LINEAR, seeds=(), lost=()) == "No seed has both values."


def test_diverged_runs_as_worst():
    worst = {"p_worst": 0.0500001, "verdict_worst": "inconclusive"}
    assert "; with diverged runs counted as worst: inconclusive, p = 0.0500001)" in said(LINEAR, **worst)
    assert "; with diverged runs counted as worst, and no margin: inconclusive, p = " in said(
        LINEAR, **worst, bound=0.01
    )
    assert "; with diverged runs counted as worst, p = 0.25 for any difference)" in said(LINEAR, p_worst=0.25)


@pytest.mark.parametrize(
    ("chance", "seeds", "words", "aloud"),
    [
        (0.04, None, "low power: if the true difference were the one seen (which is uncertain), fewer than 1 of 10 such studies would decide, and 8 of 10 only with more than 100 seeds", " Even 100 seeds in all would probably not decide."),
        (0.06, 40, "), 1 of 10 such studies would decide, and 8 of 10 with about 40 seeds", " About 40 seeds in all would probably decide."),
        (0.49, 20, "low power: if the true difference were the one seen (which is uncertain), 5 of 10 such studies would decide, and 8 of 10 with about 20 seeds", " About 20 seeds in all would probably decide."),
        (0.5, 20, "; if the true difference were the one seen (which is uncertain), 5 of 10", " About 20 seeds in all would probably decide."),
        (0.0, 90, "fewer than 1 of 10 such studies would decide, and 8 of 10 with about 90 seeds", " About 90 seeds in all would probably decide."),
    ],
)  # fmt: skip
def test_more_seeds(chance, seeds, words, aloud):
    text = said(LINEAR, verdict="inconclusive", chance=chance, seeds_to_decide=seeds)
    assert words in text
    assert spoken(LINEAR, chance=chance, seeds_to_decide=seeds).endswith(aloud)
    # no difference at all is not one that more seeds would find
    assert "studies" not in said(LINEAR, chance=chance, seeds_to_decide=seeds, mean_difference=0.0)
    assert "seeds in all" not in spoken(LINEAR, chance=chance, seeds_to_decide=seeds, mean_difference=0.0)


def test_levels_and_p():
    assert "; p = 0.0499999; adjusted p = 0.0500001 among 2 hypotheses)" in said(
        LINEAR, p=0.0499999, p_adjusted=0.0500001, family=2
    )
    assert "; Holm-adjusted p = 0.2 among 3 hypotheses)" in said(LINEAR, p_adjusted=0.2, family=3, correction="holm")
    assert "; p = 0.00781 for no difference; 0.2 for the verdict)" in said(
        LINEAR, bound=0.01, margin=0.01, p_adjusted=0.2
    )
    few = {"verdict": "underpowered", "smallest_p": 0.0500001}
    assert "; p can reach 0.0500001 at best and 0.05 is needed)" in said(LINEAR, **few)
    assert "; no verdict is given on fewer than 6 seeds)" in said(LINEAR, **few | {"smallest_p": 0.05})
    assert "; p can reach 0.125 at best and 0.12499 is needed)" in said(
        LINEAR, **few | {"smallest_p": 0.125, "alpha": 0.12499}
    )
    looks = {"looks": (10, 20), "spent": 0.0056}
    assert "; p = 0.00781; at look 2 of 2, where 0.0056 of α may be spent)" in said(LINEAR, **looks, look=2)
    assert "; before the first look, at 10 seeds, where 0.0056 of α may be spent)" in said(LINEAR, **looks, look=None)


def test_advice_is_given_where_seeds_would_do():
    assert ", where 6 paired seeds would be enough to decide (exploratory" in said(LINEAR, verdict="underpowered")
    assert ", where 8 paired seeds would be enough to decide (exploratory" in said(
        LINEAR, verdict="underpowered", alpha=0.01
    )
    # no number of seeds for which all flips can be counted would reach it
    assert said(LINEAR, verdict="underpowered", alpha=1e-9, declared=True).endswith("): underpowered.")
    unfit = {
        "unfit": "Values below zero have no log: -1 is one. Compare on the linear scale.",
        "verdict": "underpowered",
    }
    assert said(LOG, **unfit, declared=True) == (
        "The validation error of A and B cannot be compared on the log scale (values below zero have no log: -1 is one): underpowered."
    )
    assert spoken(LOG, **unfit) == "Not to be compared on the log scale: values below zero have no log: -1 is one."


def test_ratios_and_equal_means():
    assert "the odds of validation error of A are 0.8" in said(LOGIT)
    assert "(odds ratio × 0.8" in said(LOGIT)
    assert ": odds 0.8" in spoken(LOGIT)
    assert "the validation error of A is 0.90" in said(LOG)
    assert ": 0.90" in spoken(LOG)
    assert "odds" not in spoken(LOG)
    for c in (LINEAR, LOG, LOGIT):
        assert ", the validation error of A and of B is the same on average (" in said(c, mean_difference=0.0)
        assert ": the same on average (" in spoken(c, mean_difference=0.0)
    # a metric without a noun is called by its long name
    assert "the share of errors of A is " in said(LINEAR, noun="", long_name="share of errors")
    assert spoken(LINEAR, noun="", long_name="share of errors").startswith("The share of errors is ")


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        ((0.3,) * 8, (0.4,) * 8, "is 30.0% for A and 40.0% for B"),  # told apart in three digits
        ((0.3,) * 8, (0.30001,) * 8, "is 30.000% for A and 30.001% for B"),
        ((0.3,) * 8, (0.3,) * 8, "is 30.0% for A and 30.0% for B"),
    ],
)
def test_both_values_beside_a_ratio(ours, theirs, words):
    assert words in spoken(LOG, arm_values=ours, against_values=theirs)


def test_units_stand_once():
    c = {"metric": "x", "units": "nats", "noun": "loss"}
    assert spoken(LINEAR, **c).startswith("The loss is 0.4550 nats for A and 0.5000 for B: 0.0450 nats lower")
    assert "the loss of A is 0.0450 nats lower than that of B" in said(LINEAR, **c)
    assert "the best epoch of A is 1 epoch higher than that of B" in said(
        LINEAR, metric="best_epoch", noun="best epoch", mean_difference=1.0, interval=(-200.0, 300.0)
    )


def test_the_verb_agrees_with_what_a_metric_is_called():
    plural = {
        "metric": "x",
        "units": "count",
        "noun": "missed notes per bar",
        "mean_difference": -1.0,
        "interval": (-2.0, -0.5),
    }
    assert "the missed notes per bar of A are 1.00 lower than those of B (difference" in said(LINEAR, **plural)
    assert spoken(LINEAR, **plural).startswith("The missed notes per bar are 0.46 for A and 0.50 for B: 1.00 lower")
    assert "of A and of B are the same on average" in said(LINEAR, **plural | {"mean_difference": 0.0})
    assert " times those of B" in said(LOG, noun="misses")
    for noun in ("loss on test pages", "bias", "number of misses", "analysis"):
        assert f"the {noun} of A is " in said(LINEAR, noun=noun)


def test_against_the_claim():
    for direction, mean, against in (
        ("lower", 0.1, True),
        ("lower", -0.1, False),
        ("lower", 0.0, False),
        ("higher", -0.1, True),
        ("higher", 0.1, False),
        ("not lower", -0.1, False),
    ):
        changes = {"direction": direction, "mean_difference": mean, "declared": True}
        assert (", against the claim" in spoken(LINEAR, **changes)) == against
        assert ", against the claim" not in spoken(LINEAR, **changes | {"declared": False})
