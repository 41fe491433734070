"""What a comparison says of itself, in its sentence and its short line: signs, digits, labels, lost seeds, and what was declared."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tiny_studies import hypothesis, make_spec, make_study

from zoneout_lab import schema
from zoneout_lab.descriptions import describe
from zoneout_lab.results import compare, judge
from zoneout_lab.results.numbers import p_value

quick = settings(max_examples=40, deadline=None, derandomize=True)
LSTM = {seed: 0.10 + 0.001 * (seed % 3) for seed in range(8)}
NUMBER = r"(−?\d+(?:\.\d+)?(?: × 10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?)"


def zoneout_higher_by(points: float) -> xr.DataTree:
    return make_study({"lstm": LSTM, "zoneout": {s: v + points / 100 + 1e-4 * s for s, v in LSTM.items()}}, make_spec())


def parsed(text: str) -> float:
    digits = str.maketrans("−⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "--0123456789")
    return float(text.translate(digits).replace(" × 10", "e"))


def test_a_short_line_says_both_values_and_which_is_higher():
    c = compare(zoneout_higher_by(2.0), "zoneout", "lstm", metric="valid_error")
    assert c.verdict == "contradicted"
    assert c.short == (
        "The validation error is 12.12% for zoneout and 10.09% for the LSTM: 2.04 percentage points higher (95% interval 2.01 to 2.06 higher)."
    )
    c = compare(zoneout_higher_by(-2.0), "zoneout", "lstm", metric="valid_error", direction="higher")
    assert "1.97 percentage points lower (95% interval 1.94 to 1.99 lower)." in c.short


@pytest.mark.parametrize(
    ("direction", "points", "against"),
    [
        ("lower", 2.0, True),
        ("lower", -2.0, False),
        ("higher", -2.0, True),
        ("higher", 2.0, False),
        ("same", 2.0, False),
    ],
)
def test_a_short_line_says_where_a_mean_is_against_what_was_declared(direction, points, against):
    claim = hypothesis(direction=direction, margin=0.001 * (direction == "same"))
    tree = make_study(
        {"lstm": LSTM, "zoneout": {s: v + points / 100 + 1e-4 * s for s, v in LSTM.items()}}, make_spec([claim])
    )
    assert (", against the claim (" in judge(tree)[0].comparison.short) == against
    assert "claim" not in compare(tree, "zoneout", "lstm", metric="valid_error").short


@pytest.mark.parametrize(
    ("least", "margin", "said"), [(0.002, 0.01, True), (0.002, 0.001, False), (-0.02, 0.01, False), (0.002, 0.0, False)]
)
@pytest.mark.parametrize("side", ["lower", "higher"])
def test_a_short_line_says_why_a_difference_on_the_side_claimed_decides_nothing(side, least, margin, said):
    sign = -1 if side == "lower" else 1
    differences = [least, *np.linspace(0.005, 0.02, 6)]
    tree = make_study(
        {"lstm": dict.fromkeys(range(7), 0.5), "zoneout": {s: 0.5 + sign * d for s, d in enumerate(differences)}}
    )
    c = compare(tree, "zoneout", "lstm", metric="valid_error", direction=side, margin=margin)
    assert (f"; {side}, but not shown to be so by more than the margin" in c.short) == said


@quick
@given(st.lists(st.integers(-40, 40), min_size=1, max_size=8), st.sampled_from([0.0, 0.01]))
def test_a_short_line_means_what_the_sentence_does(thousandths, margin):
    tree = make_study({"a": {s: 0.5 + d / 1000 for s, d in enumerate(thousandths)}, "b": dict.fromkeys(range(8), 0.5)})
    c = compare(tree, "a", "b", metric="valid_error", margin=margin)
    signed = re.search(rf"interval {NUMBER} to {NUMBER}", c.sentence)
    spoken = re.search(rf"interval {NUMBER}( lower)? to {NUMBER} ?(lower|higher)?", c.short)
    assert bool(signed) == bool(spoken)
    if signed:
        first, crossing, second, side = spoken.groups()
        ends = [
            -parsed(first) if crossing or side == "lower" else parsed(first),
            parsed(second) * (-1) ** (side == "lower"),
        ]
        assert sorted(ends) == [parsed(end) for end in signed.groups()]
    assert ("; margin 1.00" in c.short) == bool(margin and signed)
    for caution, short in (("are equal", "are equal"), ("look skewed", "skewed"), ("lost", "lost")):
        assert (short in c.short) == (caution in c.sentence)
    shift = re.search(r"is (.* (?:higher|lower)) than|(the same on average)", c.sentence)
    assert f": {shift[1] or shift[2]}" in c.short
    ours, theirs = (
        parsed(x)
        for x in re.search(rf"^The validation error is {NUMBER}% for a and {NUMBER}% for b: ", c.short).groups()
    )
    assert (ours > theirs, ours < theirs) == (c.mean_difference > 0, c.mean_difference < 0)
    head = c.short.partition("(")[0]
    assert (" higher" in head, " lower" in head) == (c.mean_difference > 0, c.mean_difference < 0)


@quick
@given(
    st.lists(st.integers(-5000, 5000), min_size=6, max_size=8),
    st.sampled_from([1e-9, 3e-6, 1e-4]),
    st.sampled_from([0.0, 1.0, 7.5]),
)
def test_no_rounding_hides_on_which_side_an_end_lies(whole, unit, times):
    assume(len(set(whole)) > 1)
    margin = times * unit
    values = {s: 0.5 + d * unit for s, d in enumerate(whole)}
    c = compare(
        make_study({"a": values, "b": dict.fromkeys(range(8), 0.5)}), "a", "b", metric="valid_error", margin=margin
    )
    shown = re.search(rf"interval {NUMBER} to {NUMBER}", c.sentence).groups()
    assert all(len(text) < 16 for text in shown), "digits that rounding made"
    for text, end in zip(shown, c.interval, strict=True):
        for mark in (-margin, 0.0, margin):
            assert np.sign(parsed(text) / 100 - mark) == np.sign(end - mark), (text, end, mark)


def test_a_bound_just_below_zero_is_not_printed_as_zero():
    # one enormous difference sets the digits of all the others
    values = {s: 100.0 - d for s, d in enumerate([0.5, 0.4, 0.6, 0.3, 0.002, 90.0])}
    tree = make_study({"lstm": dict.fromkeys(range(6), 100.0), "zoneout": values})
    tree["metrics"] = xr.DataTree(describe(tree["metrics"].to_dataset().rename(valid_error="valid_ppl")))
    c = compare(tree, "zoneout", "lstm", metric="valid_ppl", scale="linear")
    assert c.verdict == "supported"
    assert "is 15.3 lower than that of lstm (difference −15.3, 95% interval −90.0 to −0.002;" in c.sentence


def test_a_perplexity_that_is_enormous_once_hides_nothing():
    values = {s: 100.0 - d for s, d in enumerate([0.5, 0.4, 0.6, 0.3, 0.7, 0.5, 0.2, 0.1])}
    lstm = dict.fromkeys(range(8), 100.0) | {7: 1e12}
    tree = make_study({"lstm": lstm, "zoneout": values})
    tree["metrics"] = xr.DataTree(describe(tree["metrics"].to_dataset().rename(valid_error="valid_ppl")))
    c = compare(tree, "zoneout", "lstm", metric="valid_ppl")
    assert (c.p, c.p_wilcoxon, c.verdict) == (2 / 256, 2 / 256, "supported")


def test_p_is_printed_as_in_the_tables():
    values = {s: 0.5 - 0.01 * (1 + s / 40) for s in range(18)}
    c = compare(make_study({"a": values, "b": dict.fromkeys(range(18), 0.5)}), "a", "b", metric="valid_error")
    assert c.p == 2**-17
    assert "p = 7.63 × 10⁻⁶" in c.sentence


def test_equal_differences_are_said_to_be_equal():
    tree = make_study({"a": dict.fromkeys(range(8), 0.48), "b": dict.fromkeys(range(8), 0.50)})
    text = compare(tree, "a", "b", metric="valid_error").sentence
    assert "95% interval −2.00 to −2.00" in text
    assert "all 8 differences are equal" in text
    assert "all 8 differences are equal" in compare(tree, "a", "b", metric="valid_error").short
    assert "equal" not in compare(zoneout_higher_by(1), "zoneout", "lstm", metric="valid_error").sentence


@quick
@given(
    st.lists(st.integers(-3, 3), min_size=6, max_size=8),
    st.integers(10, 99),
    st.sampled_from([0.0, 0.01, 0.02]),
)
def test_what_ties_with_the_margin_is_printed_as_the_margin(hundredths, base, margin):
    # scores of two decimals, whose differences are wrong in their last digits
    ours = {s: (base + d) / 100 for s, d in enumerate(hundredths)}
    tree = make_study({"a": ours, "b": dict.fromkeys(range(len(ours)), base / 100)})
    c = compare(tree, "a", "b", metric="valid_error", margin=margin)
    assert not re.search(r"\d\.\d{6}|× 10", c.sentence.replace(f"p = {p_value(c.p)}", "")), c.sentence
    assert not re.search(r"\d\.\d{6}|× 10", c.short), c.short
    for shown, exact in ((c.mean_difference, np.mean(hundredths)), (c.interval[0], None), (c.interval[1], None)):
        for mark in (-margin, 0.0, margin):
            assert shown == mark or abs(shown - mark) > 1e-6, (shown, exact)


def test_an_underpowered_verdict_has_no_finite_sign_flip_interval():
    # α = .5 would let five seeds reach their level, and no verdict is given on five
    tree = make_study({"a": {s: 0.4 + s / 100 for s in range(5)}, "b": dict.fromkeys(range(5), 0.5)})
    c = compare(tree, "a", "b", metric="valid_error", alpha=0.5)
    assert (c.verdict, c.interval) == ("underpowered", (-np.inf, np.inf))
    assert "50% t interval" in c.sentence
    assert "no verdict is given on fewer than 6 seeds" in c.sentence


def test_sampled_flips_are_named_in_the_sentence():
    rng = np.random.default_rng(1)
    lstm = dict(enumerate(rng.normal(0.5, 0.01, 24)))
    tree = make_study({"lstm": lstm, "zoneout": {s: v - 0.003 + rng.normal(0, 0.01) for s, v in lstm.items()}})
    c = compare(tree, "zoneout", "lstm", metric="valid_error")
    assert c.p_error > 0
    assert re.search(rf"; p = {NUMBER} ± {NUMBER} by sign-flip, 99,999 random flips[;)]", c.sentence), c.sentence


def test_only_what_was_declared_is_not_exploratory():
    family = [hypothesis("zoneout"), hypothesis("zoneout", direction="higher") | {"name": "other"}]
    tree = zoneout_higher_by(-2.0)
    tree["provenance"].attrs |= make_study({"lstm": {}}, make_spec(family, seeds=8))["provenance"].attrs
    declared = judge(tree)[0].comparison
    looked_up = compare(tree, "zoneout", "lstm", metric="valid_error")
    assert declared.verdict == looked_up.verdict == "supported"
    assert declared.sentence.endswith(": supported.")
    assert looked_up.sentence.endswith(
        ": supported (exploratory: by itself and not as declared; the verdict on 'other' is that of judge)."
    )
    assert (declared.declared_as, looked_up.declared_as) == ("", "other")
    other = compare(tree, "zoneout", "lstm", metric="train_loss" if "train_loss" in tree["metrics"] else "test_error")
    assert other.sentence.endswith(" (exploratory: not declared before the runs).")


def test_a_part_of_the_seeds_says_which_are_missing():
    tree = make_study({"lstm": LSTM, "zoneout": LSTM}, make_spec([hypothesis()], seeds=10))
    assert judge(tree)[0].comparison.absent == (8, 9)
    part = tree.isel(seed=slice(1, 7))
    (judgement,) = judge(part)
    assert judgement.comparison.absent == (0, 7, 8, 9)
    assert "seeds 0, 7, 8 and 9 of the study are not among these results" in judgement.comparison.sentence
    one = judge(tree.isel(seed=3))[0].comparison
    assert (one.seeds, one.absent) == ((3,), (0, 1, 2, 4, 5, 6, 7, 8, 9))
    assert compare(tree.isel(seed=3), "zoneout", "lstm", metric="valid_error").seeds == (3,)
    whole = make_study({"lstm": LSTM, "zoneout": LSTM}, make_spec([hypothesis()], seeds=8))
    assert "not among" not in judge(whole)[0].comparison.sentence


def test_two_arms_of_one_label_are_told_apart_by_their_names():
    spec = make_spec()
    spec["arms"][0]["label"] = spec["arms"][1]["label"] = "the LSTM"
    c = compare(make_study({"lstm": LSTM, "zoneout": LSTM}, spec), "zoneout", "lstm", metric="valid_error")
    assert "of the LSTM (zoneout) and of the LSTM (lstm)" in c.sentence


@pytest.mark.parametrize("attrs", [{}, {"long_name": "share of words right", "units": "dB"}])
def test_a_metric_of_one_s_own_is_shown_as_it_is(attrs):
    run = {"status": "finished", "best_epoch": 1, "at_best": {}, "seconds": 1.0, "provenance": {}}
    runs = [
        schema.run_tree(run_id=f"{arm}{s}", arm=arm, seed=s, by_epoch={"acc": [0.5 + better + s / 100]}, **run)
        for arm, better in (("a", 0.25), ("b", 0.0))
        for s in range(6)
    ]
    tree = schema.study_tree([(r, "") for r in runs], arms=["a", "b"], seeds=range(6), provenance={})
    tree["metrics"]["acc"].attrs |= attrs
    c = compare(tree, "a", "b", metric="acc", direction="higher")
    what, unit = attrs.get("long_name", "acc"), f" {attrs['units']}" if attrs else ""
    assert f"the {what} of a is 0.250{unit} higher than that of b (difference 0.250" in c.sentence
    assert f"The {what} is 0.775{unit} for a and 0.525 for b: 0.250{unit} higher" in c.short
