"""Comparisons by ratio: logs and log odds, margins as factors, zeros, and what a study recorded of how it is to be judged."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr
from tiny_studies import hypothesis, make_spec, make_study

from zoneout_lab import stats
from zoneout_lab.descriptions import describe
from zoneout_lab.errors import InputRefusedError, IntegrityError
from zoneout_lab.report import write_report
from zoneout_lab.results import Question, compare, compare_family, judge

RATIOS = [0.90, 0.93, 0.88, 0.95, 0.91, 0.89, 0.94, 0.92]
BASE = [0.1, 3e-4, 0.02, 1e-9, 0.3, 5e-6, 0.07, 1e-3]


def perplexities(zoneout: list[float], lstm: list[float]) -> xr.DataTree:
    tree = make_study({"lstm": dict(enumerate(lstm)), "zoneout": dict(enumerate(zoneout))}, make_spec(seeds=len(lstm)))
    tree["metrics"] = xr.DataTree(describe(tree["metrics"].to_dataset().rename(valid_error="valid_ppl")))
    return tree


def test_a_ratio_is_the_same_at_every_size():
    tree = perplexities([r * b for r, b in zip(RATIOS, BASE, strict=True)], BASE)
    c = compare(tree, "zoneout", "lstm", metric="valid_ppl", margin=1.02, scale="log")
    assert (c.scale, c.margin, c.verdict) == ("log", 1.02, "supported")
    assert c.bound == pytest.approx(math.log(1.02))
    assert c.differences == pytest.approx(np.log(RATIOS))
    assert c.interval == pytest.approx(stats.sign_flip(np.log(RATIOS)).interval(0.05))
    mean = math.exp(np.log(RATIOS).mean())
    assert (
        f"the validation perplexity of zoneout is {mean:.3f} times that of the LSTM (ratio × {mean:.3f}, 95% interval × "
        in c.sentence
    )
    assert "; margin × 1.02; p = 0.00781 for no difference; 0.00781 for the verdict" in c.sentence
    plain = compare(tree, "zoneout", "lstm", metric="valid_ppl", scale="linear")
    assert plain.verdict == "supported"
    assert plain.d_z > c.d_z  # one seed has nearly all of the plain difference


def test_odds_are_compared_by_ratio():
    lstm, zoneout = [0.02, 0.05, 0.01, 0.03, 0.04, 0.02], [0.01, 0.03, 0.005, 0.02, 0.03, 0.01]
    tree = make_study({"lstm": dict(enumerate(lstm)), "zoneout": dict(enumerate(zoneout))})
    c = compare(tree, "zoneout", "lstm", metric="valid_error", scale="logit")
    odds = [a * (1 - b) / (b * (1 - a)) for a, b in zip(zoneout, lstm, strict=True)]
    assert c.differences == pytest.approx(np.log(odds))
    assert (
        f"the odds of validation error of zoneout are {math.exp(np.log(odds).mean()):.3f} times those of lstm (odds ratio × "
        in c.sentence
    )
    assert "%" in c.short


def test_zeros_count_as_half_the_smallest_other_and_the_sentence_says_so():
    tree = perplexities([0.0, 2.0, 4.0, 1.0, 3.0, 2.0], [8.0, 9.0, 7.0, 8.0, 9.0, 1e-45])
    c = compare(tree, "zoneout", "lstm", metric="valid_ppl")
    assert c.replaced == 2  # the other underflows single precision
    assert c.differences[0] == pytest.approx(math.log(0.5 / 8))
    assert c.differences[5] == pytest.approx(math.log(2 / 0.5))
    assert "2 values were zero and count as half the smallest other" in c.sentence
    # which arm is which changes no value, so the test stays exact
    mirrored = compare(tree, "lstm", "zoneout", metric="valid_ppl")
    assert mirrored.differences == tuple(-d for d in c.differences)


def test_what_has_no_log_is_refused():
    tree = perplexities([-1.0] * 6, [1.0] * 6)
    with pytest.raises(
        InputRefusedError,
        match=r"valid_ppl of zoneout and lstm cannot be compared on the log scale\. Values below zero have no log",
    ):
        compare(tree, "zoneout", "lstm", metric="valid_ppl")
    with pytest.raises(InputRefusedError, match="Only fractions have log odds"):
        compare(perplexities([2.0] * 6, [1.0] * 6), "zoneout", "lstm", metric="valid_ppl", scale="logit")
    with pytest.raises(InputRefusedError, match="a margin is a factor of at least 1"):
        compare(perplexities([2.0] * 6, [1.0] * 6), "zoneout", "lstm", metric="valid_ppl", margin=0.1, scale="log")


def test_a_margin_says_what_it_is_on():
    tree = perplexities([2.0] * 6, [1.0] * 6)
    for margin in (0.5, 1.5):
        with pytest.raises(InputRefusedError, match="could be either"):
            compare(tree, "zoneout", "lstm", metric="valid_ppl", margin=margin)


def test_a_study_is_judged_as_it_was_declared():
    values = {"lstm": dict.fromkeys(range(6), 0.5), "zoneout": {s: 0.4 - s / 100 for s in range(6)}}
    family = [hypothesis() | {"name": f"h{k}"} for k in range(3)]
    old = judge(make_study(values, make_spec(family, seeds=6)))
    new = judge(make_study(values, make_spec(family, seeds=6) | {"family": "joint"}))
    # 2/64 is not .05/3, and flipping whole seeds it need not be
    assert {j.comparison.verdict for j in old} == {"underpowered"}
    assert {(j.comparison.verdict, j.comparison.p_adjusted) for j in new} == {("supported", 2 / 64)}
    scaled = [hypothesis(scale="logit", margin=1.1)]
    (judgement,) = judge(make_study(values, make_spec(scaled, seeds=6) | {"family": "holm"}))
    assert (judgement.comparison.scale, judgement.comparison.correction) == ("logit", "holm")


@pytest.mark.parametrize(
    "damage",
    [{"family": "none"}, {"hypotheses": [hypothesis(scale="cubic")]}, {"hypotheses": [hypothesis(direction="up")]}],
)
def test_a_record_of_how_to_judge_that_means_nothing_is_damaged(damage):
    with pytest.raises(IntegrityError, match="damaged"):
        judge(make_study({"lstm": {0: 0.5}, "zoneout": {0: 0.4}}, make_spec([hypothesis()], seeds=1) | damage))


def test_diverged_runs_counted_as_worst_can_take_a_verdict_away():
    lstm = {s: 0.5 + s / 1000 for s in range(12)}
    zoneout = {s: v - 0.01 - s / 5000 for s, v in lstm.items()}
    diverged = [("zoneout", s) for s in range(4)]
    c = compare(
        make_study({"lstm": lstm, "zoneout": zoneout}, diverged=diverged), "zoneout", "lstm", metric="valid_error"
    )
    assert c.verdict == "supported"
    # ranks −1 … −8 against four of 10.5 each
    assert c.p_worst == pytest.approx(stats.sign_flip([*range(-8, 0), *[10.5] * 4]).p())
    assert c.verdict_worst == "inconclusive"
    assert "with diverged runs counted as worst: inconclusive, p = " in c.sentence
    whole = compare(make_study({"lstm": lstm, "zoneout": zoneout}), "zoneout", "lstm", metric="valid_error")
    assert math.isnan(whole.p_worst)
    assert whole.verdict_worst is None


def test_a_ratio_far_below_its_interval_s_end_keeps_its_digits():
    """Ratios of one study span orders of magnitude: in the digits of the largest, the smallest would be 0."""
    ratios = [1e-4, 3.0, 1e-3, 40.0, 1e-4, 2e-3, 0.1, 0.5]
    tree = make_study({"a": {s: 1e-3 * r for s, r in enumerate(ratios)}, "b": dict.fromkeys(range(8), 1e-3)})
    c = compare(tree, "a", "b", metric="valid_error", scale="log")
    mean, (low, high) = math.exp(c.mean_difference), (math.exp(end) for end in c.interval)
    assert high > 1 > 0.05 > mean > low > 0
    assert f"is {mean:.2g} times that of b (ratio × {mean:.2g}, 95% interval × {low:.2g} to × {high:.2f};" in c.sentence
    assert f": {mean:.2g} times as high (95% interval {low:.2g} to {high:.2f} times;" in c.short


def test_tiny_ratios_are_powers_of_ten_when_read_aloud_too():
    tree = make_study({"a": {s: 1e-9 * (1 + s) for s in range(8)}, "b": dict.fromkeys(range(8), 0.5)})
    c = compare(tree, "a", "b", metric="valid_error", scale="log")
    assert "(ratio × 7.53 × 10⁻⁹, 95% interval × 4.00 × 10⁻⁹ to × 1.31 × 10⁻⁸;" in c.sentence
    assert "(95% interval 4.00 × 10⁻⁹ to 1.31 × 10⁻⁸ times;" in c.short


def test_values_whose_ratio_is_not_one_are_not_shown_alike():
    tree = make_study({"a": {s: 0.30009 + 1e-6 * s for s in range(8)}, "b": dict.fromkeys(range(8), 0.3)})
    c = compare(tree, "a", "b", metric="valid_error", scale="log")
    assert c.short.startswith("The validation error is 30.009% for a and 30.000% for b: 1.0003")


def test_what_a_look_found_does_not_change_with_later_zeros_neighbours():
    """A zero counts as half the smallest other value; of a look that means the smallest it saw."""
    arm = dict.fromkeys(range(8), 0.111) | {3: 0.06, 8: 0.2, 9: 1e-20}
    against = dict.fromkeys(range(8), 0.3) | {3: 0.0, 8: 0.3, 9: 1e-20}
    found = []
    for n in (8, 10):
        tree = make_study({"a": dict(sorted(arm.items())[:n]), "b": dict(sorted(against.items())[:n])})
        found.append(compare_family(tree, [Question("a", "b", "valid_error", "lower", 0.0, "log")], looks=(8, 10))[0])
    assert [(c.verdict, c.look, c.replaced) for c in found] == [("supported", 1, 1)] * 2
    assert found[0].differences == found[1].differences
    assert found[0].sentence == found[1].sentence
    # both values shown have the ratio that is shown
    assert "10.3% for a and 22.5% for b: 0.457 times" in found[1].short


@pytest.mark.parametrize("scale", ["log", "logit"])
def test_an_arm_that_is_zero_throughout_is_not_said_to_be_anything_else(scale):
    """By the rule each zero counts as 5% here, which no run had."""
    tree = make_study({"a": dict.fromkeys(range(8), 0.0), "b": {s: 0.1 + 0.01 * s for s in range(8)}})
    c = compare(tree, "a", "b", metric="valid_error", scale=scale)
    assert c.short.startswith("The validation error is 0.00% for a and 13.")
    assert "; 8 values were " in c.short


def test_a_declared_hypothesis_that_its_scale_cannot_hold_costs_no_other_its_verdict(tmp_path):
    values = {"lstm": dict.fromkeys(range(6), 0.5), "zoneout": {s: -0.1 - s / 10 for s in range(6)}}
    spec = make_spec([hypothesis(scale="log"), hypothesis() | {"name": "plain"}], seeds=6) | {"family": "joint"}
    tree = make_study(values, spec)
    unfit, plain = (j.comparison for j in judge(tree))
    assert (unfit.verdict, unfit.seeds, plain.verdict) == ("underpowered", (), "supported")
    assert unfit.sentence == (
        "The validation error of zoneout and the LSTM cannot be compared on the log scale (values below zero have no log: -0.6 is one): underpowered."
    )
    page = write_report(tree, tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Not to be compared on the log scale: values below zero have no log" in page


def test_a_ratio_to_an_arm_of_zeros_says_that_it_rests_on_a_rule():
    c = compare(perplexities([2.0, 3.0, 4.0, 2.0, 3.0, 5.0], [0.0] * 6), "zoneout", "lstm", metric="valid_ppl")
    assert (
        "6 values were zero and count as half the smallest other; that is all of one arm, so the size of the ratio rests on this rule alone"
        in c.sentence
    )
    some = compare(
        perplexities([2.0, 3.0, 4.0, 2.0, 3.0, 5.0], [0.0] * 5 + [1.0]), "zoneout", "lstm", metric="valid_ppl"
    )
    assert "all of one arm" not in some.sentence
