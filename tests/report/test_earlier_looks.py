"""Looks at the same runs that were not declared stand among the deviations."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_variance_section import words

from zoneout_lab import schema
from zoneout_lab.report import document, write_report
from zoneout_lab.report.sections import answer, deviations


@pytest.fixture(autouse=True)
def only_these_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures of the others take seconds."""
    monkeypatch.setattr(document, "SECTIONS", (answer.build, deviations.build))


def test_what_was_looked_at_before_is_under_deviations(studies, tmp_path):
    """Hostile text is text; another α and other hypotheses are said to be so."""
    tree = studies(measured=(), epochs=3)
    hypothesis = schema.study_of(tree)["hypotheses"][0] | {"verdict": "inconclusive", "p": 0.125}
    look = {
        "folder": "<b>x</b>-1",
        "seeds": 6,
        "date": "2026-01-02T03:04:05+00:00",
        "alpha": 0.1,
        "hypotheses": [hypothesis],
    }
    tree["provenance"].attrs["earlier_looks"] = json.dumps(
        [look, look | {"seeds": 10, "hypotheses": [hypothesis | {"p": None}]}]
    )
    page = write_report(tree, tmp_path / "r.html").read_text()
    assert "<b>x</b>" not in page
    shown = words(page)
    assert (
        "Judged before at 6 seeds, at α = 0.1, on other hypotheses than now (&lt;b&gt;x&lt;/b&gt;-1, 2026-01-02): Zoneout lowers the test error of "
        "the LSTM: inconclusive (p = 0.125)" in shown
    )
    assert "(p = –)" in shown
    assert "None: the study was run as it was declared" not in shown
    # ten now as then: two numbers of seeds in all
    assert "Looking twice raises the chance of a false verdict above α = 0.05" in shown


def test_a_look_that_could_decide_nothing_adds_no_chance_of_a_false_verdict(studies, tmp_path):
    tree = studies(measured=(), epochs=3)
    study = schema.study_of(tree)
    few: dict[str, Any] = {
        "folder": "s-1",
        "seeds": 5,
        "date": "",
        "alpha": 0.05,
        "family": study.get("family"),
        "looks": [],
    }
    look = few | {"hypotheses": [study["hypotheses"][0] | {"verdict": "underpowered", "p": 0.06}]}
    tree["provenance"].attrs["earlier_looks"] = json.dumps([look])
    shown = words(write_report(tree, tmp_path / "r.html").read_text())
    assert "No verdict could be reached then" in shown
    assert "raises the chance" not in shown
    later = look | {"family": "another", "looks": [4, 9]}
    tree["provenance"].attrs["earlier_looks"] = json.dumps([later])
    shown = words(write_report(tree, tmp_path / "r.html").read_text())
    assert "with the another correction, with other declared looks" in shown


@pytest.mark.parametrize("recorded", ["[]", "{}", "3", "[null]", '[{"seeds": "x"}]', '[{"hypotheses": [null]}]'])
def test_damaged_looks_do_not_stop_a_report(studies, tmp_path, recorded):
    tree = studies(seeds=2, skip=(), diverged=(), measured=(), epochs=3)
    tree["provenance"].attrs["earlier_looks"] = recorded
    assert write_report(tree, tmp_path / "r.html").exists()
