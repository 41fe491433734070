"""Pairs of very few and of very many seeds: every label stands clear of its neighbours."""

from __future__ import annotations

import re

import numpy as np
import pytest

from zoneout_lab.report.arms import Arm, Style
from zoneout_lab.report.figures import Shift, differences, pairs

ARMS = Arm("z", "Zoneout", Style(1)), Arm("lstm", "LSTM", Style(0))


def heights(svg: str, pattern: str) -> list[float]:
    """Where each label that matches stands, from the top, in points."""
    found = re.findall(r'<text[^>]*?(?:y="([\d.-]+)"|translate\([\d.-]+ ([\d.-]+)\))[^>]*>([^<]*)</text>', svg)
    return sorted(float(y or moved) for y, moved, text in found if re.match(pattern, text))


@pytest.mark.parametrize("seeds", [1, 6, 26, 30, 31, 100, 1000])
def test_no_labels_of_differences_overlap(seeds: int) -> None:
    values = np.random.default_rng(0).normal(size=seeds)
    shift = Shift(0.0, (-0.1, 0.1), (-0.08, 0.08), (-0.2, 0.2), 0.05)
    panel = differences(
        "d", range(seeds), values, ARMS[0], shift=shift, levels=["95%", "90%"], xlabel="x", description="d"
    )
    at = heights(panel.svg, r"seed |lowest|median|highest|9[05]%")
    assert len(at) == (seeds if seeds <= 30 else 3) + 2
    assert min(np.diff(at)) >= 11, "letters are ten points high"
    (height,) = re.findall(r'viewBox="0 0 360 ([\d.]+)"', panel.svg)
    assert float(height) <= 620


def test_more_than_thirty_pairs_are_shown_as_a_distribution() -> None:
    left, right = np.random.default_rng(0).normal(size=(2, 31))
    few, many = (pairs("p", range(n), *ARMS, left[:n], right[:n], means=(0.0, 0.0), ylabel="error") for n in (30, 31))
    assert few.svg.count("<path") > 30 > many.svg.count("<path")
    assert "Middle half and middle 90% of the seeds" in many.svg
    assert many.description.startswith("31 paired seeds.")
