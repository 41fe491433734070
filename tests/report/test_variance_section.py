"""The section on where the variance comes from: the numbers are those of the results, and it is there only where arms differ in what they vary."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import xarray as xr

from zoneout_lab import schema
from zoneout_lab.report import document, write_report
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.sections import answer, deviations, provenance, setting, variance
from zoneout_lab.results.numbers import number
from zoneout_lab.results.variance import sources_of_variance

ARMS = {"every": "everything", "weights": "weights alone", "order": "order and masks"}
VARY = {"weights": ["init"], "order": ["data", "masks"]}


@pytest.fixture(autouse=True)
def only_these_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures of the others take seconds."""
    builds = (answer.build, variance.build, setting.build, provenance.build, deviations.build)
    monkeypatch.setattr(document, "SECTIONS", builds)


@pytest.fixture
def tree(studies: Callable[..., xr.DataTree]) -> xr.DataTree:
    return varied(studies(arms=ARMS, measured=(), epochs=3, skip=(), diverged=(("weights", 2),)), VARY)


def varied(tree: xr.DataTree, of_arms: dict[str, list[str]], **study: Any) -> xr.DataTree:
    record = schema.study_of(tree) | {"hypotheses": []} | study
    record["arms"] = [
        arm | ({"vary": of_arms[arm["name"]]} if arm["name"] in of_arms else {}) for arm in record["arms"]
    ]
    tree["provenance"].attrs |= {"study": json.dumps(record), "declared": json.dumps(record)}
    return tree


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_rows_have_the_numbers_of_the_results(tree, tmp_path):
    page = write_report(tree, tmp_path / "r.html").read_text()
    (section,) = re.findall(r'<section[^>]*id="variance".*?</section>', page, re.DOTALL)
    shown = words(section)
    for spread in sources_of_variance(tree, "valid_error"):
        row = next(
            row
            for row in re.findall(r"<tr>.*?</tr>", section)
            if f"<span>{ARMS[spread.arm]}</span>" in row.split("</th>")[0]
        )
        cells = words(row)
        assert f" {spread.n} " in cells
        assert number(100 * spread.sd, 2) in cells
        low, high = (number(100 * bound, 2) for bound in spread.sd_interval)
        assert f"{low} to {high}" in cells
        if spread.whole:
            assert f"{number(100 * spread.relative, 0)}% ({number(100 * spread.relative_interval[0], 0)} to" in cells
    assert {
        "every": "everything",
        "weights": "initial weights",
        "order": "order of the data and masks",
    }.items() <= {
        spread.arm: row["varies"]
        for spread, row in zip(
            sources_of_variance(tree, "valid_error"), variance.build(ReportData.read(tree)).values["rows"], strict=True
        )
    }.items()
    assert "need not add up to 100%" in shown
    assert 'href="#variance"' in page


def test_arms_that_vary_different_kinds_are_not_said_to_share_them(tree, studies, tmp_path):
    sentence = "Arms that share a seed share initialisation and data order."
    assert sentence not in words(write_report(tree, tmp_path / "a.html").read_text())
    assert sentence in words(
        write_report(studies(arms=ARMS, measured=(), epochs=3, skip=()), tmp_path / "b.html").read_text()
    )


def test_no_section_where_all_vary_the_same(studies):
    assert variance.build(ReportData.read(studies(arms=ARMS, measured=(), epochs=3, skip=()))) is None
    same = varied(studies(arms=ARMS, measured=(), epochs=3, skip=()), {}, vary=["init"])
    assert variance.build(ReportData.read(same)) is None


def test_too_few_seeds_are_dashes(studies, tmp_path):
    tree = varied(studies(arms=ARMS, measured=(), epochs=3, seeds=2, skip=(), diverged=()), VARY)
    section = variance.build(ReportData.read(tree))
    assert ["(" in row["sd"] for row in section.values["rows"]] == [False] * 3
    assert write_report(tree, tmp_path / "r.html").exists()


def test_what_is_held_by_every_arm_stands_under_the_setting(studies, tmp_path):
    page = words(
        write_report(
            varied(studies(arms=ARMS, measured=(), epochs=3, skip=()), {}, vary=["init", "data"]), tmp_path / "r.html"
        ).read_text()
    )
    assert "vary init, data" in page
