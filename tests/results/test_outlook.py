"""What is said of power: before a study, from a pilot, and of a verdict that stayed open; and looks that a study declared."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from tiny_studies import hypothesis, make_spec, make_study

import zoneout_lab as zl
from zoneout_lab import stats
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.results import Question, compare, judge, prospects, usual_design

RNG = np.random.default_rng(4)
BASE = RNG.normal(0.5, 0.02, 10)
VALUES = {
    "lstm": dict(enumerate(BASE)),
    "zoneout": dict(enumerate(BASE - 0.01 + RNG.normal(0, 0.01, 10))),
    "dropout": dict(enumerate(BASE - 0.03 + RNG.normal(0, 0.01, 10))),
}
QUESTIONS = [
    Question("zoneout", "lstm", "valid_error"),
    Question("dropout", "lstm", "valid_error", "not higher", 0.02),
    Question("dropout", "zoneout", "valid_error", "lower", 0.005),
]


def test_without_a_pilot_sizes_are_in_sd():
    found = prospects(QUESTIONS, 8)
    design = usual_design(QUESTIONS)
    assert [p.effect for p in found] == [-1, 0, -1]
    assert [c.margin for c in design.claims] == [0, 1, 0]
    assert [p.power for p in found] == pytest.approx(design.powers(8, [-1, 0, -1]))
    assert [abs(p.smallest) for p in found] == pytest.approx(design.detectable(8))
    assert [p.spare for p in found] == [2, 2, 2]
    assert found[0].in_words(found[0].smallest).endswith(" sd")
    # two arms against one baseline, and the third between them
    assert design.correlation == pytest.approx(np.array([[1, 0.5, -0.5], [0.5, 1, 0.5], [-0.5, 0.5, 1]]))


def test_a_pilot_gives_the_metrics_units_and_the_upper_limit_of_its_spread():
    found = prospects(QUESTIONS, 12, pilot=make_study(VALUES))
    for p in found:
        arm, against = (np.array(list(VALUES[name].values())) for name in (p.question.arm, p.question.against))
        d = arm - against
        assert p.sd == pytest.approx(stats.upper_sd(d.std(ddof=1), 10))
        assert p.effect == pytest.approx(0 if p.question.direction == "not higher" else d.mean())
        assert (p.pilot, p.seeds, p.spare, p.margin) == (10, 12, 6, p.question.margin)
    assert found[0].smallest < 0
    assert found[2].smallest < -0.005  # beyond the margin
    assert found[1].smallest > 0  # a margin
    assert found[0].in_words(-0.0123) == "−1.23 percentage points"
    assert found[0].in_words(-math.inf) == "none"
    # the design of a large difference has more power than that of a small one
    assert found[2].power > found[0].power
    assert found[2].enough < found[0].enough


def test_ratios_are_said_as_such():
    question = Question("zoneout", "lstm", "valid_error", "lower", 1.02, "log")
    (p,) = prospects([question], 8, pilot=make_study(VALUES))
    assert p.margin == math.log(1.02)
    assert p.in_words(math.log(0.5)) == "× 0.500"


def test_a_pilots_correlations_count_from_six_pairs_on():
    few = {arm: {s: v for s, v in values.items() if s < 5} for arm, values in VALUES.items()}
    opposed = {
        "lstm": dict.fromkeys(range(8), 0.5) | {0: 0.51},
        "zoneout": {s: 0.5 + 0.01 * (-1) ** s for s in range(8)},
        "dropout": {s: 0.5 - 0.01 * (-1) ** s for s in range(8)},
    }
    questions = [Question("zoneout", "lstm", "valid_error"), Question("dropout", "lstm", "valid_error")]
    from zoneout_lab.results.outlook import _correlation
    from zoneout_lab.results.pairing import pairs

    for values, expected in ((few, 0.5), (VALUES, None), (opposed, None)):
        tree = make_study(values)
        paired = [pairs(tree, q.arm, q.against, q.metric) for q in questions]
        found = _correlation(questions, paired)[0, 1]
        seen = np.corrcoef([pair.differences for pair in paired])[0, 1]
        assert found == pytest.approx(seen if expected is None else expected)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_hypothesis_has_its_smallest_difference_alone(count):
    found = prospects(QUESTIONS[:count], 9)
    assert len(found) == count
    for p in found:
        # where no other has an effect, its own has to be at least as large
        assert p.question.direction != "lower" or abs(p.smallest_alone) >= abs(p.smallest)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"lstm": {0: 0.5}, "zoneout": {0: 0.4}}, "it has 1 pair. It takes at least two"),
        ({"lstm": {0: 0.5, 1: 0.5}, "zoneout": {0: 0.4, 1: 0.4}}, "it has 2 pairs, all with the same difference"),
    ],
)
def test_a_pilot_without_a_spread_is_refused(values, said):
    with pytest.raises(InputRefusedError, match=said):
        prospects(QUESTIONS[:1], 8, pilot=make_study(values))


def test_an_open_verdict_says_how_many_seeds_would_probably_decide():
    differences = [-0.02, -0.03, 0.01, -0.01, -0.025, 0.015, -0.005, -0.012]
    tree = make_study(
        {"lstm": dict.fromkeys(range(8), 0.5), "zoneout": {s: 0.5 + d for s, d in enumerate(differences)}}
    )
    c = compare(tree, "zoneout", "lstm", metric="valid_error")
    assert c.verdict == "inconclusive"
    seen = float(f"{c.d_z:.1e}")
    assert c.seeds_to_decide == stats.seeds_to_decide(8, seen, stats.Claim("lower"), 0.05)
    assert c.chance == stats.chance(8, seen, stats.Claim("lower"), 0.05)
    assert 8 < c.seeds_to_decide < 40
    tenths = round(10 * c.chance)
    assert (
        f"low power: if the true difference were the one seen (which is uncertain), {tenths} of 10 such studies would decide, "
        f"and 8 of 10 with about {c.seeds_to_decide} seeds" in c.sentence
    )
    assert c.short.endswith(f" About {c.seeds_to_decide} seeds in all would probably decide.")


def test_where_more_seeds_would_not_do_it_says_so():
    differences = [-0.02, 0.021, 0.01, -0.01, -0.025, 0.024, -0.005, 0.004]
    tree = make_study(
        {"lstm": dict.fromkeys(range(8), 0.5), "zoneout": {s: 0.5 + d for s, d in enumerate(differences)}}
    )
    c = compare(tree, "zoneout", "lstm", metric="valid_error")
    assert (c.verdict, c.seeds_to_decide) == ("inconclusive", None)
    assert "fewer than 1 of 10 such studies would decide, and 8 of 10 only with more than 100 seeds" in c.sentence
    assert c.short.endswith(" Even 100 seeds in all would probably not decide.")


@pytest.mark.parametrize("kept", [8, 5])
def test_a_verdict_and_a_design_that_cannot_give_one_say_nothing_of_power(kept):
    tree = make_study({arm: {s: v for s, v in VALUES[arm].items() if s < kept} for arm in ("lstm", "dropout")})
    c = compare(tree, "dropout", "lstm", metric="valid_error")
    assert c.verdict == ("supported" if kept == 8 else "underpowered")
    assert (c.chance, c.seeds_to_decide) == (None, None)
    assert "such studies" not in c.sentence


def looked_at(seeds, looks=(10, 20)):
    rng = np.random.default_rng(2)
    base = rng.normal(0.5, 0.01, 20)
    values = {
        "lstm": dict(enumerate(base[:seeds])),
        # decided at once, and then turned round
        "zoneout": {s: base[s] - 0.02 * (1 if s < 10 else -3) + 0.001 * rng.normal() for s in range(seeds)},
        "dropout": {s: base[s] - 0.01 + 0.015 * rng.normal() for s in range(seeds)},
    }
    spec = make_spec([hypothesis(), hypothesis("dropout")], seeds=20) | {"looks": list(looks), "family": "joint"}
    return [j.comparison for j in judge(make_study(values, spec))]


def test_declared_looks_are_judged_as_such():
    first, second = looked_at(20)
    assert (first.verdict, first.look, first.looks) == ("supported", 1, (10, 20))
    assert len(first.seeds) == len(first.differences) == 10
    assert first.mean_difference == pytest.approx(-0.02, abs=0.002)
    assert f"at look 1 of 2, where {stats.spent(0.05, 0.5):.3g} of α may be spent" in first.sentence
    assert (second.look, len(second.seeds), second.spent) == (2, 20, 0.05)
    # what the first look said stays, whether or not more seeds have run since
    earlier = looked_at(10)[0]
    for name in ("verdict", "look", "interval", "p", "p_adjusted", "alpha", "seeds", "differences"):
        assert getattr(earlier, name) == getattr(first, name)
    assert looked_at(10)[1].look == 1
    assert looked_at(15)[1].look == 1
    assert len(looked_at(15)[1].seeds) == 10
    assert looked_at(20, ())[0].look is None
    assert looked_at(20, ())[0].verdict == "inconclusive"


def test_before_the_first_look_the_sentence_says_when_it_is():
    (first, _) = looked_at(8, (10, 12))
    assert first.verdict == "inconclusive"
    assert "before the first look, at 10 seeds" in first.sentence


def test_a_margin_that_vanishes_beside_the_spread_is_hopeless():
    values = {s: 1e300 * (1 + s * (-1) ** s) for s in range(8)}
    tree = make_study({"lstm": dict.fromkeys(range(8), 0.5), "zoneout": values})
    c = compare(tree, "zoneout", "lstm", metric="valid_error", direction="same", margin=1e-30)
    assert (c.verdict, c.chance, c.seeds_to_decide) == ("inconclusive", 0.0, None)
    assert "low power" in c.sentence


def test_a_pilots_sizes_are_those_of_the_design_times_its_spreads():
    found = prospects(QUESTIONS, 12, 0.1, correction="holm", absence="two-sided", pilot=make_study(VALUES), samples=100)
    d = np.array([np.subtract(*(list(VALUES[name].values()) for name in (q.arm, q.against))) for q in QUESTIONS])
    sd = [stats.upper_sd(row.std(ddof=1), 10) for row in d]
    claims = tuple(stats.Claim(q.direction or "lower", q.margin / s) for q, s in zip(QUESTIONS, sd, strict=True))
    design = stats.Design(claims, np.corrcoef(d), 0.1, "holm", "two-sided", 100)
    effects = [d[0].mean() / sd[0], 0.0, d[2].mean() / sd[2]]
    assert [p.power for p in found] == pytest.approx(design.powers(12, effects))
    assert tuple(p.enough for p in found) == design.seeds_for(effects)
    together = design.detectable(12)
    alone = [design.detectable(12, j)[j] for j in range(3)]
    for smallest, sizes in (([p.smallest for p in found], together), ([p.smallest_alone for p in found], alone)):
        # a claim of a difference is supported beyond its margin, one of absence by a margin
        assert smallest == pytest.approx([-sizes[0] * sd[0], sizes[1] * sd[1], -(0.005 + sizes[2] * sd[2])])
    assert [p.units for p in found] == ["1"] * 3


def test_a_pilots_correlation_is_over_seeds_that_all_have():
    from zoneout_lab.results.outlook import _correlation
    from zoneout_lab.results.pairing import pairs

    questions = [Question("zoneout", "lstm", "valid_error"), Question("dropout", "lstm", "valid_error")]
    lacking = VALUES | {
        "zoneout": {s: v for s, v in VALUES["zoneout"].items() if s >= 2},
        "dropout": {s: v for s, v in VALUES["dropout"].items() if s < 8},
    }
    for values, known in (
        (lacking, range(2, 8)),
        (lacking | {"dropout": {s: v for s, v in VALUES["dropout"].items() if s < 7}}, None),
        (VALUES | {"zoneout": VALUES["lstm"]}, None),  # differences that are all zero correlate with nothing
    ):
        tree = make_study(values)
        found = _correlation(questions, [pairs(tree, q.arm, q.against, q.metric) for q in questions])[0, 1]
        d = [[VALUES[q.arm][s] - VALUES["lstm"][s] for s in known or ()] for q in questions]
        assert found == pytest.approx(0.5 if known is None else np.corrcoef(d)[0, 1])


def test_sizes_in_words():
    (linear,) = prospects(QUESTIONS[:1], 8, pilot=make_study(VALUES), samples=50)
    assert linear.in_words(-0.02) == "−2.00 percentage points"
    assert linear.in_words(math.inf) == "none"
    ratio = dataclasses.replace(linear, scale="log")
    assert (ratio.in_words(0.0), ratio.in_words(701.0)) == ("× 1.00", "× ∞")
    assert dataclasses.replace(linear, units="nats").in_words(0.5) == "0.500 nats"
    assert dataclasses.replace(linear, pilot=0).in_words(0.5) == "0.500 sd"


def test_higher_is_claimed_upwards():
    questions = [Question("a", "b", "valid_error", "higher"), Question("a", "b", "valid_error", "same")]
    up, same = prospects(questions, 8, samples=50)
    assert (up.effect, same.effect) == (1.0, 0.0)
    assert up.smallest > 0
    assert (up.sd, up.pilot, up.units, up.scale, up.margin) == (1.0, 0, "", "linear", 0.0)
    (ratio,) = prospects([Question("a", "b", "valid_error", scale="log")], 8, samples=50)
    assert ratio.scale == "log"


def test_a_question_without_a_direction_is_that_the_arm_is_better():
    rows = [(arm, seed, seed % 3 + (arm == "b") * (1 + seed % 2)) for arm in "ab" for seed in range(8)]
    frame = pd.DataFrame(rows, columns=["arm", "seed", "acc"])
    for better, side in (("higher", 1), ("lower", -1), (None, -1)):
        pilot = zl.results_from(frame, metrics={"acc": zl.Metric("accuracy", "%", better=better)})
        (found,) = prospects([Question("b", "a", "acc")], 8, pilot=pilot)
        (named,) = prospects([Question("b", "a", "acc", "higher" if side > 0 else "lower")], 8, pilot=pilot)
        assert found == named
        assert found.smallest * side > 0
