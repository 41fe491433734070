"""What is meant where nothing is said: levels of .05, and no mark but zero."""

from __future__ import annotations

import dataclasses
import inspect

import numpy as np

from zoneout_lab import stats


def test_every_level_is_five_percent_unless_another_is_named():
    routines = [getattr(stats, name) for name in stats.__all__ if inspect.isfunction(getattr(stats, name))]
    routines += [stats.SignFlip.interval, stats.CurveTest.differing]
    levels = {
        routine.__name__: parameter.default
        for routine in routines
        for name, parameter in inspect.signature(routine).parameters.items()
        if name == "alpha" and parameter.default is not inspect.Parameter.empty
    }
    levels["Design"] = next(field.default for field in dataclasses.fields(stats.Design) if field.name == "alpha")
    assert {"decide", "paired_effect", "simultaneous_band", "differing"} < levels.keys()
    assert set(levels.values()) == {0.05}


def test_a_mean_that_only_rounding_keeps_from_zero_is_zero():
    differences = np.array([0.3, 0.7, 0.6, 0.3]) - np.array([0.2, 0.6, 0.5, 0.6])
    assert differences.sum() != 0
    effect = stats.paired_effect(differences, sizes=[0.3, 0.7, 0.6, 0.6])
    assert effect.mean == 0


def test_power_is_counted_on_a_thousand_samples_and_four_fifths_of_them_are_enough():
    design = stats.Design((stats.Claim(),), np.eye(1))
    spelled = stats.Design((stats.Claim(),), np.eye(1), samples=1000, seed=0)
    assert design.powers(7, [-1.2]) == spelled.powers(7, [-1.2])
    assert stats.chance_over_tasks((5, 5), 1.0) == stats.chance_over_tasks((5, 5), 1.0, 0.05, 2000)
    assert stats.smallest_over_tasks((5, 5)) == stats.smallest_over_tasks((5, 5), 0.05, chance=0.8)
    assert stats.upper_sd(1.0, 10) == stats.upper_sd(1.0, 10, confidence=0.8)
