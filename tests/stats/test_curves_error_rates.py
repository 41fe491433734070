"""Error rates of the methods for curves by simulation: each holds with its correction, and the same simulation shows it failing without."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from analysis.calibration.profiles import noise, outcomes, profiles_calibration
from zoneout_lab.stats import curves_look_skewed, max_t

SIMULATIONS = 300


@pytest.fixture(scope="module")
def rates() -> Mapping[tuple[str, str, int], float]:
    """For smooth normal curves: (method, what is counted, seeds) → how often."""
    rng = np.random.default_rng(7)
    counted: dict[tuple[str, str, int], list[float]] = {}
    for seeds in (6, 8):
        effect = np.where(np.arange(100) < 50, 3.0, 0.0)
        for _ in range(SIMULATIONS):
            d = noise(rng, seeds, "normal")
            for method, quantity, _, yes in outcomes(d, d + effect, rng):
                counted.setdefault((method, quantity, seeds), []).append(float(yes))
    return {key: float(np.mean(values)) for key, values in counted.items()}


@pytest.mark.parametrize("seeds", [6, 8])
def test_wrong_timesteps_are_named_as_rarely_as_promised(rates: Mapping, seeds: int) -> None:
    bound = 0.05 + 3 * (0.05 * 0.95 / SIMULATIONS) ** 0.5
    assert 0 < rates["max-T", "any timestep named, no effect anywhere", seeds] <= bound
    assert rates["max-T", "any timestep named wrongly, effect in the other half", seeds] <= bound
    assert rates["max-T", "share of the effect's timesteps named", seeds] > 0.5
    assert 0 < rates["clusters", "anything found, no effect anywhere", seeds] <= bound
    assert rates["t test at each timestep, uncorrected", "any timestep named, no effect anywhere", seeds] > 0.3


@pytest.mark.parametrize("seeds", [6, 8])
def test_the_band_holds_the_whole_curve_and_only_studentised_again(rates: Mapping, seeds: int) -> None:
    assert 0.90 <= rates["band", "whole curve covered", seeds] <= 0.985
    assert rates["band, flips not studentised again", "whole curve covered", seeds] < 0.7
    assert rates["caution", "differences called skewed", seeds] < 0.06
    assert rates["t interval at each timestep", "whole curve covered", seeds] < 0.7


def test_calibration_is_a_function_of_its_generator() -> None:
    rows, again = (profiles_calibration(np.random.default_rng(1), 2) for _ in range(2))
    assert str(rows) == str(again)
    assert len(rows) == 4 * 5 * 9
    assert all(row["low"] <= row["rate"] <= row["high"] for row in rows if row["nominal"] == row["nominal"])
    assert {row["seeds"] for row in rows} == {5, 6, 8, 10, 20}


def test_skewed_curves_are_called_so_where_they_mislead() -> None:
    rng = np.random.default_rng(3)
    skewed = [noise(rng, 8, "lognormal") for _ in range(60)]
    wrong = [bool((max_t(d).p <= 0.05).any()) for d in skewed]
    assert 0.2 < np.mean(wrong) < 0.65, "the null is symmetry"
    assert all(curves_look_skewed(d) for d, misled in zip(skewed, wrong, strict=True) if misled)
    assert not curves_look_skewed(skewed[0][:3])
    assert not curves_look_skewed(np.ones((8, 4)))
