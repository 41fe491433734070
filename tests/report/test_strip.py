"""The axis of the runs' dots: all values, and the intervals as far as they leave the values half of it."""

from __future__ import annotations

import pytest

from zoneout_lab.report.figures.strip import _limits


@pytest.mark.parametrize(
    ("known", "ends", "log", "low", "high"),
    [
        ([1.0, 3.0], [], False, 0.9, 3.1),
        ([1.0, 3.0], [0.6, 3.4, float("nan")], False, 0.46, 3.54),  # whole
        ([1.0, 3.0], [-70.0, 3.0], False, -0.15, 3.15),  # no further than half the span of the values
        ([2.0, 2.0], [1.5, 2.5], False, 1.9, 2.1),
        ([1.0, 100.0], [0.001, 50.0], True, 0.1 / 1000**0.04, 100 * 1000**0.04),
        ([1.0, 100.0], [-5.0, 50.0], True, 0.1 / 1000**0.04, 100 * 1000**0.04),
    ],
)
def test_limits(known: list[float], ends: list[float], log: bool, low: float, high: float):
    assert _limits(known, ends, log=log) == pytest.approx((low, high))
