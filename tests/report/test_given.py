"""The report on results from elsewhere has what they have, and shows nothing that they do not."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import zoneout_lab as zl
from zoneout_lab.errors import InputRefusedError

METRICS = {"acc": zl.Metric("test accuracy", unit="%", better="higher"), "loss": "lower"}


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    cells = itertools.product(("full", "bare"), ("iris", "wine"), range(3))
    return pd.DataFrame([(*cell, *rng.random(2)) for cell in cells], columns=["arm", "data", "seed", "acc", "loss"])


def page(tmp_path: Path, **more) -> str:
    results = zl.results_from(table(), **({"metrics": METRICS, "block": ("data", "seed"), "baseline": "full"} | more))
    return zl.write_report(results, tmp_path / "r.html").read_text()


def test_nothing_is_shown_that_the_table_does_not_have(tmp_path: Path):
    text = page(tmp_path)
    assert "Not run here · <span>a pandas table</span> · 2 arms × 6 blocks" in text
    for absent in (
        "Run it again", "Provenance", "Setting", "Deviations from", "best epoch", "total time", "regularizer", "runs finished", "initialisation", "by seed,", "paired seeds", "seeds give",
        "At each seed", "seeds are the unit", "of the paper", "Ablation study “",
    ):  # fmt: skip
        assert absent.lower() not in text.lower(), absent
    assert "iris, seed 0" in text


def test_it_says_what_stands_and_what_was_left_out(tmp_path: Path):
    text = page(tmp_path)
    assert "Nothing was declared: every arm is compared with full." in text
    assert "Exploratory comparison 1" in text
    assert "p, flips of whole datas" in text
    claim = {"arm": "bare", "against": "full", "metric": "loss"}
    text = page(tmp_path, baseline=None, hypotheses=[claim])
    assert "Nothing shows that the hypotheses were written down before the results existed." in text
    assert "Exploratory" not in text


def test_arms_that_are_not_paired_have_no_pairs(tmp_path: Path):
    text = page(tmp_path, paired=False)
    assert "6 and 6" in text
    assert "p, Mann–Whitney" in text
    for absent in ("sign flip", "sign-flip", "Every pair", "d<sub>z</sub>", "Paired", "paired seeds,"):
        assert absent not in text, absent


def test_without_a_baseline_it_describes(tmp_path: Path):
    assert "this describes and does not test" in page(tmp_path, baseline=None)


def test_a_page_that_no_browser_could_hold_is_refused(tmp_path: Path):
    frame = pd.DataFrame({"arm": np.repeat(["a", "b"], 15_000), "seed": np.tile(np.arange(15_000), 2), "acc": 1.0})
    with pytest.raises(InputRefusedError, match="more than the 20,000"):
        zl.write_report(zl.results_from(frame, metrics=["acc"]), tmp_path / "r.html")
    assert list(tmp_path.iterdir()) == []
