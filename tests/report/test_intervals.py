"""Differences and their intervals as figures have them: no unbounded bar, ratios on an axis of ratios, every bar said in words."""

from __future__ import annotations

import dataclasses
import math
import xml.etree.ElementTree as ET
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import xarray as xr
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zoneout_lab.plot.differences import difference_axis, ratio_ticks, view
from zoneout_lab.report.arms import Arm, Style
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.figures import Panel, Row, Shift, differences, forest
from zoneout_lab.report.figures.canvas import Drawing
from zoneout_lab.report.figures.intervals import draw
from zoneout_lab.report.shifts import axis, in_words, levels, reading, shift
from zoneout_lab.results import Comparison

EVERYTHING = (-math.inf, math.inf)
FEW = Shift(-4.0, EVERYTHING, EVERYTHING, (-6.0, -2.0), 0.5)
ENOUGH = Shift(-4.0, (-5.0, -3.0), (-4.5, -3.5), (-6.0, -2.0), 0.5)


def bars(what: Shift) -> list[tuple[tuple[float, float], float, bool]]:
    """Every bar drawn: its ends, its width, whether it is dashed."""
    with Drawing("d", height=100) as drawing:
        difference_axis(drawing.axes, view([what]), ratio=what.ratio)
        draw(drawing.axes, 0.0, what)
        lines = [line for line in drawing.axes.lines if len(line.get_xdata()) == 2]
        return [(tuple(line.get_xdata()), line.get_linewidth(), line.is_dashed()) for line in lines]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.floats(-30, 30), st.floats(1e-3, 40))
@example(math.log(0.481), math.log(1.849 / 0.481))
def test_ticks_of_ratios_lie_on_the_axis_in_order(low, length):
    high = low + length
    ticks = ratio_ticks(low, high)
    assert 2 <= len(ticks) <= 12
    assert all(a < b for a, b in pairwise(ticks))
    assert all(low - 1e-5 <= math.log(tick) <= high + 1e-5 for tick in ticks)
    if low < 0 < high:
        assert 1.0 in ticks


def test_two_intervals_are_a_thin_bar_and_a_thick_one():
    (outer, thin, _), (inner, thick, dashed) = bars(ENOUGH)
    assert (outer, inner) == (ENOUGH.outer, ENOUGH.inner)
    assert thin < thick
    assert not dashed


def test_with_too_few_seeds_the_t_interval_is_drawn_dashed_and_holds_the_mean():
    ((ends, _, dashed),) = bars(FEW)
    assert ends == FEW.t
    assert dashed
    assert ends[0] < FEW.mean < ends[1]


def test_what_reaches_beyond_the_axis_ends_in_an_arrowhead():
    wide = Shift(1.0, (-1000.0, 2.0), (0.0, 1.5), (0.0, 2.0), 0.0)
    ends = view([wide, ENOUGH, ENOUGH])
    assert -1000 < ends[0] < -5
    with Drawing("d", height=100) as drawing:
        difference_axis(drawing.axes, ends, ratio=False)
        draw(drawing.axes, 0.0, wide)
        heads = [line for line in drawing.axes.lines if line.get_marker() == "<"]
    assert [list(head.get_xdata()) for head in heads] == [[ends[0]]]


@pytest.mark.parametrize("what", [FEW, ENOUGH, Shift(math.nan, EVERYTHING, EVERYTHING, (math.nan, math.nan), 0.0)])
def test_an_axis_holds_no_difference_the_margin_and_the_mean(what: Shift):
    low, high = view([what])
    assert low < -what.bound <= 0 <= what.bound < high
    assert math.isnan(what.mean) or low < what.mean < high


@pytest.mark.parametrize("span", [0.01, 0.1, 0.5, 1.0, 3.0, 20.0, 200.0])
def test_ratio_ticks_are_round_few_and_have_no_difference_among_them(span: float):
    ticks = ratio_ticks(-span, span)
    assert 2 <= len(ticks) <= 12
    assert 1.0 in ticks
    assert all(-span <= math.log(tick) <= span for tick in ticks)
    assert all(len(f"{tick:g}") <= 6 for tick in ticks)


def words_of(panel: Panel) -> list[str]:
    return [text for element in ET.fromstring(panel.svg).iter("text") if (text := "".join(element.itertext()))]


def test_ratios_are_drawn_as_ratios():
    ratio = Shift(
        math.log(0.5),
        (math.log(0.1), math.log(0.8)),
        (math.log(0.4), math.log(0.7)),
        EVERYTHING,
        math.log(1.25),
        ratio=True,
    )
    panel = forest(
        "f", [Row("a", ratio, "supported", "✓")], sides=("better", "worse"), xlabel="ratio", title="t", description="1"
    )
    ticks = [word for word in words_of(panel) if word.startswith("×")]
    assert "× 1" in ticks
    assert "× 0.5" in ticks
    arm = Arm("a", "A", Style(1))
    panel = differences("d", [0, 1], [math.log(0.5), math.log(2)], arm, shift=ratio, levels=("95% thin",), xlabel="r", description="1")  # fmt: skip
    assert "Ratios by seed" in words_of(panel)
    assert "× 1" in words_of(panel)


Compared = Callable[..., Comparison]


@pytest.fixture
def comparison(studies: Callable[..., xr.DataTree], records: Callable[..., dict[str, Any]]) -> Compared:
    """A comparison of zoneout with the LSTM as a study declared it."""

    def compared(
        direction: str, margin: float, *, scale: str = "linear", family: str | None = "joint", seeds: int = 8
    ) -> Comparison:
        arms = {"lstm": "LSTM", "zoneout": "Zoneout"}
        study = records(arms, seeds)
        study["hypotheses"] = [study["hypotheses"][0] | {"direction": direction, "margin": margin, "scale": scale}]
        study |= {"family": family} if family else {}
        tree = studies(arms=arms, seeds=seeds, skip=(), diverged=(), measured=(), epochs=2, provenance={"study": study})
        return ReportData.read(tree).judgements[0].comparison

    return compared


@pytest.mark.parametrize(
    ("direction", "margin", "scale", "family", "said"),
    [
        ("lower", 0.0, "linear", "joint", "Supported if the whole bar lies left of zero, contradicted if it lies right of it; no margin was declared."),
        ("higher", 0.0, "log", "joint", "Supported if the whole bar lies right of × 1, contradicted if it lies left of it; no margin was declared."),
        ("lower", 0.01, "linear", "joint", "Supported if the whole bar lies left of the shaded margin, contradicted if it lies right of it, equivalent if the thick bar lies within it."),
        ("same", 0.01, "linear", "joint", "Supported if the thick bar lies within the shaded margin; contradicted if the whole bar lies outside it."),
        ("same", 0.01, "linear", None, "Supported if the bar lies within the shaded margin; contradicted if the whole bar lies outside it."),
        ("not higher", 0.01, "linear", "joint", "Supported if the thick bar ends left of the margin's right edge; contradicted if the thick bar begins right of it."),
        ("not lower", 0.01, "linear", "joint", "Supported if the thick bar begins right of the margin's left edge; contradicted if the thick bar ends left of it."),
    ],
)  # fmt: skip
def test_which_bar_the_verdict_is_read_off_is_said(
    comparison: Compared, direction: str, margin: float, scale: str, family: str | None, said: str
):
    c = comparison(direction, margin, scale=scale, family=family)
    assert reading(c) == said
    assert ("thick" in " ".join(levels(c))) == (family is not None)


def test_a_ratio_s_figure_has_logs_and_its_words_have_ratios(comparison: Compared):
    c = comparison("lower", 1.1, scale="log")
    assert shift(c).ratio
    assert (shift(c).mean, shift(c).bound) == (c.mean_difference, math.log(1.1))
    assert axis(c) == "ratio of test error"
    assert in_words(c).startswith(f"Ratio × {math.exp(c.mean_difference):.3f}, ")
    assert in_words(c).endswith("; margin × 1.10.")


def test_a_difference_s_figure_is_in_the_unit_shown(comparison: Compared):
    c = comparison("lower", 0.01)
    assert shift(c).mean == 100 * c.mean_difference
    assert axis(c) == "difference in test error (percentage points)"
    assert in_words(c).endswith(" percentage points; margin ±1.00.")


def test_too_few_seeds_are_said_to_be_too_few(comparison: Compared):
    c = comparison("lower", 0.0, seeds=4)
    assert reading(c).startswith("Too few seeds for a verdict: the dashed bar is the t interval")
    assert levels(c) == ("95% t interval", "(dashed)")
    assert "t interval" in in_words(c)
    assert "∞" not in in_words(c)


def test_an_open_verdict_without_an_interval_is_not_said_to_have_too_few_seeds(comparison: Compared):
    c = dataclasses.replace(
        comparison("lower", 0.0, seeds=6), verdict="inconclusive", interval=(-math.inf, math.inf), alpha=0.031
    )
    assert reading(c).startswith(
        "6 seeds give no interval at 96.9%, the level left for this hypothesis: the dashed bar is the t"
    )
