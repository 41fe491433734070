"""Curves over steps that have names in place of numbers."""

from __future__ import annotations

import re

import numpy as np

from zoneout_lab.report.arms import Arm, Style
from zoneout_lab.report.figures import lines
from zoneout_lab.report.figures.bands import Strand, bands


def test_steps_that_have_names_are_labelled_with_them() -> None:
    values = np.array([[[0.1, 0.5, 0.2]]])
    described = {"title": "Saturated", "description": "By gate.", "xlabel": "gate", "ylabel": ""}
    names = ["input", "forget", "output"]
    panel = lines("p", np.arange(3.0), values, [Arm("a", "A", Style(0))], names=names, **described)
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", panel.svg)
    assert [text for text in texts if text in names] == names
    assert "2" not in texts
    numbered = lines("p", np.arange(3.0), values, [Arm("a", "A", Style(0))], **described)
    assert {"0", "1", "2"} <= set(re.findall(r"<text[^>]*>([^<]*)</text>", numbered.svg))


def test_labels_of_any_length_are_broken_into_lines_that_fit() -> None:
    arm, x = Arm("a", "A", Style(0)), np.arange(3.0)
    label = "share of held-out pages read by epoch (%, higher is better)"
    words = {
        "title": f"Recorded {label} of every layer",
        "description": "",
        "xlabel": f"{label} of one reader",
        "ylabel": label,
    }
    strand = Strand(arm, x, x - 1, x + 1, x > 5)
    for panel in (lines("p", x, np.array([[x]]), [arm], **words), bands("b", x, [strand], **words)):
        texts = re.findall(r"<text[^>]*>([^<]*)</text>", panel.svg)
        assert label not in texts
        assert max(map(len, texts)) <= 52
        assert sum(each in label for each in texts if len(each) > 5) >= 2
        assert " ".join(texts).count("higher is better)") == 3
