"""Correlation between arms over seeds, against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr
from tiny_studies import make_study

from zoneout_lab.errors import UsageError
from zoneout_lab.results.correlation import correlations

RNG = np.random.default_rng(4)
ERRORS = {arm: dict(enumerate(RNG.uniform(0.1, 0.9, size=7))) for arm in ("lstm", "zoneout", "dropout")}


def test_is_pearson_s_for_every_pair():
    found = correlations(make_study(ERRORS), "valid_error")
    for one in ERRORS:
        for other in ERRORS:
            expected = pearsonr(list(ERRORS[one].values()), list(ERRORS[other].values())).statistic
            assert found.sel(arm=one, other=other).item() == pytest.approx(expected)
    assert (found.attrs["units"], found.dims) == ("1", ("arm", "other"))


def test_only_common_seeds_count():
    """Seed 0 diverged in one arm and seed 6 is missing in another."""
    errors = ERRORS | {"dropout": {seed: value for seed, value in ERRORS["dropout"].items() if seed != 6}}
    found = correlations(make_study(errors, diverged=(("zoneout", 0),)), "valid_error")
    one, other = ([errors[arm][seed] for seed in range(1, 6)] for arm in ("zoneout", "dropout"))
    assert found.sel(arm="zoneout", other="dropout").item() == pytest.approx(pearsonr(one, other).statistic)
    one, other = ([errors[arm][seed] for seed in range(6)] for arm in ("lstm", "dropout"))
    assert found.sel(arm="dropout", other="lstm").item() == pytest.approx(pearsonr(one, other).statistic)


def test_two_seeds_or_a_constant_have_none():
    short = {"lstm": {0: 0.1, 1: 0.2, 2: 0.3}, "zoneout": {0: 0.3, 1: 0.1}, "dropout": dict.fromkeys(range(3), 0.5)}
    found = correlations(make_study(short), "valid_error")
    assert np.isnan(found.sel(arm="lstm", other=["zoneout", "dropout"])).all()
    assert np.isnan(found.sel(arm="dropout", other="dropout"))
    assert found.sel(arm="lstm", other="lstm") == pytest.approx(1)


def test_an_unknown_metric():
    with pytest.raises(UsageError, match="valid_err"):
        correlations(make_study(ERRORS), "valid_err")
