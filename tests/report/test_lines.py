"""Curves over steps that have names in place of numbers."""

from __future__ import annotations

import re

import numpy as np

from zoneout_lab.report.arms import Arm, Style
from zoneout_lab.report.figures import lines


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
