"""Comparisons by ratio: logs and log odds, margins as factors, zeros, and what a study recorded of how it is to be judged."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr
from tiny_studies import hypothesis, make_spec, make_study

from zoneout_lab import schema, stats
from zoneout_lab.errors import InputRefusedError, IntegrityError
from zoneout_lab.results import compare, judge

RATIOS = [0.90, 0.93, 0.88, 0.95, 0.91, 0.89, 0.94, 0.92]
BASE = [0.1, 3e-4, 0.02, 1e-9, 0.3, 5e-6, 0.07, 1e-3]


def perplexities(zoneout: list[float], lstm: list[float]) -> xr.DataTree:
    tree = make_study({"lstm": dict(enumerate(lstm)), "zoneout": dict(enumerate(zoneout))}, make_spec(seeds=len(lstm)))
    tree["metrics"] = xr.DataTree(schema.describe(tree["metrics"].to_dataset().rename(valid_error="valid_ppl")))
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
    assert "; margin × 1.02; p = 0.00781; 0.00781 for the verdict" in c.sentence
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
