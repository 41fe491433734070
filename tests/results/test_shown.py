"""Numbers as a reader is given them: units, digits, signs, and which interval stands beside which verdict."""

from __future__ import annotations

import dataclasses
import math
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiny_studies import make_study

from zoneout_lab.results import compare
from zoneout_lab.results.comparison import Comparison
from zoneout_lab.results.earlier import error_of_looks
from zoneout_lab.results.legible import label, legible, printable
from zoneout_lab.results.numbers import decimals, full, number, p_value, percent
from zoneout_lab.results.shown import (
    difference,
    disagree,
    margin_in_words,
    places,
    read_off,
    seen,
    typical,
    unit_of,
    with_unit,
)

VALUES = {"a": {s: 0.5 - 0.01 * (s + 1) for s in range(8)}, "b": dict.fromkeys(range(8), 0.5)}
PLAIN = compare(make_study(VALUES), "a", "b", metric="valid_error")
RATIO = compare(make_study(VALUES), "a", "b", metric="valid_error", scale="log")


def altered(c: Comparison = PLAIN, **changes) -> Comparison:
    return dataclasses.replace(c, **changes)


def parsed(text: str) -> float:
    digits = str.maketrans("−⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "--0123456789")
    return float(text.translate(digits).replace(" × 10", "e"))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.floats(1e-12, 1e12), st.sampled_from([1, -1]))
@example(1e-4, 1)
@example(9.99e-5, 1)
@example(1e6, 1)
@example(999999.0, -1)
def test_a_number_has_three_significant_digits_or_its_whole_part(size, sign):
    text = number(sign * size)
    assert text.startswith("−") == (sign < 0)
    assert abs(parsed(text) - sign * size) <= 0.00501 * size
    # plain from a ten thousandth to a million, powers of ten beyond
    assert ("× 10" in text) == (not 1e-4 <= size < 1e6)
    significant = re.sub(r" × 10.*|\D", "", text).lstrip("0")
    assert len(significant) == 3 or (len(significant) == 4 and significant[1:] == "000") or size >= 999.5


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (0.0, None, "0.00"),
        (-0.0, 1, "0.0"),
        (float("inf"), None, "∞"),
        (None, None, "–"),
        (2.5e7, 0, "2.50 × 10⁷"),
        (5e-5, 5, "0.00005"),
        (5e-5, 6, "0.000050"),
        (5e-5, 7, "5.00 × 10⁻⁵"),
        (0.123456789, 3, "0.123"),
        (-1234.5, 1, "−1234.5"),
    ],
)
def test_numbers_in_so_many_places(value, places, text):
    assert number(value, places) == text


@pytest.mark.parametrize(
    ("value", "places", "beside", "text"),
    [
        (0.996, 2, [1.0], "0.996"),  # 1.00 would be equal
        (1.004, 2, [1.0], "1.004"),
        (1.0, 2, [1.0], "1.00"),
        (0.996, 2, [math.inf, 0.5], "1.00"),  # nothing it could be taken for
        (0.5 + 1e-13, 2, [0.5], "0.50"),  # rounding errors are not shown
        (0.5 + 1e-11, 2, [0.5], "0.50000000001"),
        (100.0 + 1e-9, 0, [100.0], "100.000000001"),
        (0.005000001, 3, [0.005], "5.000001 × 10⁻³"),
    ],
)
def test_no_rounding_reaches_a_number_beside(value, places, beside, text):
    assert number(value, places, beside) == text


def test_a_group_has_the_digits_of_its_largest():
    assert [decimals([x]) for x in (0.01, 0.1, 1.0, 9.99, 10.0, 100.0, 12345.0)] == [4, 3, 2, 2, 1, 0, 0]
    assert decimals([math.nan, math.inf, 0.5]) == 3
    assert decimals([0.5], 1) == 1
    assert decimals([0.0], 4) == 3


@pytest.mark.parametrize(
    ("p", "beside", "text"),
    [
        (1e-4, [], "0.0001"),
        (9.99e-5, [], "9.99 × 10⁻⁵"),
        (0.0, [], "0"),
        (0.0500001, [0.05], "0.0500001"),
        (0.05, [0.05], "0.05"),
        (0.0625, [], "0.0625"),
        (0.0499996, [0.05, 0.1], "0.0499996"),
        (0.0499996, [0.1], "0.05"),
        (None, [], "–"),
    ],
)
def test_p_values(p, beside, text):
    assert p_value(p, beside) == text


def test_levels_and_chosen_numbers():
    assert [percent(a) for a in (0.1, 0.05 / 7, 0.5, 1e-4)] == ["90%", "99.29%", "50%", "99.99%"]
    assert [full(x) for x in (1.05, 1.0005, 0.1 + 0.2, 1234.5, 1e-7)] == [
        "1.05", "1.0005", "0.300", "1234.5", "1.00 × 10⁻⁷",
    ]  # fmt: skip


def test_units():
    assert unit_of("valid_error", "1") == unit_of("anything", "1") == (100.0, "percentage points")
    assert unit_of("seconds", "s") == (1.0, "s")
    assert unit_of("best_epoch", "epochs") == (1.0, "epochs")
    assert [with_unit(x, "epochs") for x in ("1", "−1", "2", "1.00")] == [
        "1 epoch",
        "−1 epoch",
        "2 epochs",
        "1.00 epochs",
    ]
    assert with_unit("1", "nats") == "1 nats"  # a unit that is not known to be a plural stays as it is


@pytest.mark.parametrize(
    ("direction", "verdict", "inner"),
    [
        ("lower", "supported", False),
        ("lower", "contradicted", False),
        ("lower", "inconclusive", False),
        ("lower", "equivalent", True),
        ("not lower", "supported", True),
        ("not higher", "contradicted", True),
        ("same", "supported", True),
        ("same", "inconclusive", True),
        ("same", "contradicted", False),
    ],
)
def test_absence_is_read_off_the_inner_interval(direction, verdict, inner):
    c = altered(direction=direction, verdict=verdict, inner=(-2.0, -1.0), inner_alpha=0.1)
    assert read_off(c) == (((-2.0, -1.0), 0.1) if inner else (c.interval, 0.05))


def test_an_arms_mean_is_that_of_what_is_compared():
    assert typical(PLAIN, PLAIN.arm_values) == pytest.approx(0.455)
    assert typical(RATIO, RATIO.arm_values) == pytest.approx(math.prod(RATIO.arm_values) ** (1 / 8))
    assert typical(RATIO, RATIO.against_values) == pytest.approx(0.5)
    some = altered(arm_values=(0.0,) * 7 + (0.8,))
    assert typical(some, some.arm_values) == pytest.approx(0.1)
    none = altered(RATIO, arm_values=(0.0,) * 8)
    assert typical(none, none.arm_values) == 0.0


def test_ratios_too_large_to_hold_are_infinite():
    assert seen(RATIO, 699.0) == pytest.approx(math.exp(699))
    assert difference(RATIO, 701.0) == "× ∞"
    assert difference(RATIO, 800.0) == "× ∞"
    assert difference(RATIO, math.log(0.0712), 0) == "× 0.071"
    assert difference(RATIO, math.log(35.12), 0) == "× 35"
    assert difference(PLAIN, -0.0225, 2) == "−2.25"


@pytest.mark.parametrize(
    ("value", "text"), [(-0.00004, "−0.004"), (0.01996, "1.996"), (-0.01996, "−1.996"), (0.02, "2.00")]
)
def test_no_rounding_reaches_no_difference_or_a_margin(value, text):
    assert difference(altered(bound=0.02), value, 2) == text


def test_margins_in_words():
    assert margin_in_words(PLAIN) == margin_in_words(RATIO) == ""
    assert margin_in_words(altered(margin=0.005, bound=0.005)) == "0.500"
    assert margin_in_words(altered(RATIO, margin=1.05, bound=math.log(1.05))) == "× 1.05"


@pytest.mark.parametrize(
    ("shift", "apart"), [(-0.3, True), (-0.74, True), (-0.76, False), (-1.24, False), (-1.26, True)]
)
def test_mean_and_shift_disagree_beyond_a_quarter_of_the_spread(shift, apart):
    # the spread is 1: a mean of −1 is d_z = −1
    assert disagree(altered(mean_difference=-1.0, d_z=-1.0, hodges_lehmann=shift)) == apart
    assert not disagree(altered(mean_difference=-1.0, d_z=0.0, hodges_lehmann=shift))


def test_digits_tell_the_interval_and_the_mean_apart():
    assert places(altered(mean_difference=-0.0123, interval=(-0.02, -0.01))) == 2  # 2.00 is the largest
    assert places(altered(mean_difference=-0.0123, interval=(-0.2, -0.01))) == 1
    assert places(altered(mean_difference=-0.3, interval=(-0.02, -0.01))) == 1


@pytest.mark.parametrize(
    ("looks", "alpha", "words"),
    [
        ([10, 10], 0.05, ""),
        ([20, 6, 10], 0.05, "Looking three times raises the chance of a false verdict from .05 to about .10 (one hypothesis, by simulation)."),
        ([6, 8, 10, 20], 0.05, "Looking 4 times raises the chance of a false verdict above α = 0.05: with looks at 6, 10 and 20 seeds it is about .10 instead"),
        ([10, 20], 0.01, "Looking twice raises the chance of a false verdict above α = 0.01: with looks at 10 and 20 seeds it is about .08 instead of .05"),
    ],
)  # fmt: skip
def test_what_several_looks_cost(looks, alpha, words):
    assert error_of_looks(looks, alpha).startswith(words)
    assert bool(words) == bool(error_of_looks(looks, alpha))


def test_text_from_elsewhere_is_made_safe():
    assert printable("a\tb\x7f\u202ec") == "a�b��c"
    assert printable("a\udcffb") == "a\udcffb"
    assert legible("a\udcffb \t\n c\ue000") == "a�b c�"
    assert legible("\ud7ff")[0] == legible("\ue000")[0] == "�"  # no characters, and no halves of one
    assert [len(label("x" * n)) for n in (59, 60, 61)] == [59, 60, 60]
    assert label("x" * 60) == "x" * 60
    assert label("x" * 61) == "x" * 59 + "…"
    assert label("x" * 58 + " yy") == "x" * 58 + "…"
    for text in ("שלום", "سلام", "٣"):  # Hebrew, Arabic, an Arabic digit
        assert label(text) == f"\u2068{text}\u2069"
