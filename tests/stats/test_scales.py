"""What is subtracted: logs and log odds against NumPy and SciPy, the rule for zeros, margins as factors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.stats import back, margin_on, scaled, sign_flip
from zoneout_lab.stats.scales import UNDERFLOW

quick = settings(max_examples=60, deadline=None, derandomize=True)
fractions = st.lists(st.floats(0.001, 0.999), min_size=1, max_size=8)


@quick
@given(fractions)
def test_logs_and_log_odds_are_numpys_and_scipys(values):
    a, b = np.array(values), np.array(values[::-1])
    assert scaled(a, b, "log").differences == pytest.approx(np.log(a) - np.log(b), abs=1e-12)
    assert scaled(a, b, "logit").differences == pytest.approx(special.logit(a) - special.logit(b), abs=1e-9)
    assert list(scaled(a, b).differences) == list(a - b)
    for scale in ("linear", "log", "logit"):
        assert back(scale, scaled(a, b, scale).arm) == pytest.approx(a)
        assert scaled(a, b, scale).replaced == 0


@quick
@given(fractions, st.lists(st.booleans(), min_size=8, max_size=8))
def test_exchanging_arms_within_pairs_only_changes_signs(values, swap):
    # zeros are replaced by what is in both arms, or the test would not be exact
    a = np.array([0.0, *values])
    b = np.array([*values[::-1], 0.25])
    flip = np.array((swap * 2)[: len(a)])
    for scale in ("log", "logit"):
        once, swapped = scaled(a, b, scale), scaled(np.where(flip, b, a), np.where(flip, a, b), scale)
        assert swapped.differences == pytest.approx(np.where(flip, -1, 1) * once.differences)
        assert swapped.replaced == once.replaced == 1


def test_a_zero_counts_as_half_the_smallest_other_value():
    values = scaled([0.0, 0.5], [0.125, UNDERFLOW / 2], "log")
    assert back("log", values.arm) == pytest.approx([0.0625, 0.5])
    assert back("log", values.against) == pytest.approx([0.125, 0.0625])
    assert values.replaced == 2
    assert scaled([UNDERFLOW], [1.0], "log").replaced == 0
    assert back("log", scaled([0.0, 8.0], [6.0, 7.0], "log").arm) == pytest.approx([3, 8])


def test_a_one_counts_as_half_as_far_from_one_as_the_nearest_other():
    values = scaled([1.0, 0.5], [0.75, 0.0], "logit")
    assert back("logit", values.arm) == pytest.approx([0.875, 0.5])
    assert back("logit", values.against) == pytest.approx([0.75, 0.25])
    assert values.replaced == 2


def test_nothing_but_zeros_is_equal():
    assert list(scaled([0.0, 0.0], [0.0, 0.0], "log").differences) == [0, 0]
    assert scaled([0.0, 1.0], [1.0, 0.0], "logit").differences == pytest.approx([-2 * math.log(3), 2 * math.log(3)])


def test_ratios_tie_where_they_are_equal_but_for_rounding():
    a, b = np.array([0.3, 0.6, 0.7]), np.array([0.1, 0.2, 0.7 / 3])
    values = scaled(a, b, "log")
    assert (values.sizes >= 1).all()
    assert values.sizes[0] == pytest.approx(-np.log(0.1))
    flip = sign_flip(values.differences, sizes=values.sizes)
    assert flip.p(math.log(3)) == 1.0  # all three are a factor of 3


def test_sizes_on_the_linear_scale_are_the_larger_values():
    assert list(scaled([-3.5, 1.0], [2.0, -4.0]).sizes) == [3.5, 4]


def test_differences_of_whole_numbers_are_exact_and_go_by_their_own_size():
    assert list(scaled([1e14, 1.0], [1e14 + 1, -4.0]).sizes) == [1, 5]
    assert list(scaled([2.0**51, 1.0], [2.0**51 + 1, -4.0]).sizes) == [
        2**51 + 1,
        4,
    ]  # every number of this size is whole


def test_margins():
    assert margin_on("linear", 0.0) == 0
    assert margin_on("linear", 2.5) == 2.5
    assert margin_on("log", 1.0) == margin_on("logit", 1.0) == margin_on("log", 0.0) == 0
    assert margin_on("logit", 1.05) == math.log(1.05)


@pytest.mark.parametrize(
    "call",
    [
        lambda: scaled([-0.1], [0.1], "log"),
        lambda: scaled([0.1], [-0.1], "logit"),
        lambda: scaled([0.1], [1.1], "logit"),
        lambda: margin_on("linear", -0.1),
        lambda: margin_on("linear", math.inf),
        lambda: margin_on("log", 0.99),
        lambda: margin_on("log", math.inf),
        lambda: margin_on("logit", math.nan),
    ],
)
def test_what_a_scale_cannot_hold_is_refused(call):
    with pytest.raises(InputRefusedError):
        call()
