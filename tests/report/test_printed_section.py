"""The paper's figures beside measured ones: right arms, right units, doubts said, and nothing where there is nothing to compare."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from html_page import parse

from zoneout_lab import Zoneout
from zoneout_lab.descriptions import describe
from zoneout_lab.paper import METRICS
from zoneout_lab.regularizers import to_json
from zoneout_lab.report import write_report
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.sections import printed

OF_THE_PAPER = {"zoneout": to_json(Zoneout(cell=0.15, hidden=0.15, share=True))}
ARMS = {"lstm": "LSTM", "zoneout": "Zoneout", "shared": "Shared"}


@pytest.fixture(scope="module")
def study(studies: Callable[..., xr.DataTree]) -> Callable[..., xr.DataTree]:
    record = dict(ReportData.read(studies(arms=ARMS, skip=())).study)
    arms = [arm | {"regularizer": OF_THE_PAPER.get(arm["name"], arm["regularizer"])} for arm in record["arms"]]

    def made(task: str, **change: object) -> xr.DataTree:
        return studies(arms=ARMS, skip=(), provenance={"study": record | {"task": task, "arms": arms} | change})

    return made


def test_measured_and_printed_stand_side_by_side_in_one_unit(study: Callable[..., xr.DataTree]):
    tree = study("pmnist")
    section = printed.build(ReportData.read(tree))
    assert section is not None
    rows = {row["arm"].name: row for row in section.values["rows"]}
    assert list(rows) == ["lstm", "zoneout"]  # the paper has no arm called shared
    assert rows["lstm"]["printed"] == ["9.2", "10.2"]
    assert rows["zoneout"]["printed"] == ["6.3", "6.9"]
    measured = 100 * tree["metrics"]["test_error"].sel(arm="lstm").values
    assert rows["lstm"]["measured"][1].startswith(f"{np.median(measured):.1f} ({measured.min():.1f} to ")
    assert section.values["heads"] == ["validation error (%)", "test error (%)"]


def test_it_is_in_the_page(study: Callable[..., xr.DataTree], tmp_path: Path):
    page = write_report(study("pmnist"), tmp_path / "report.html").read_text()
    assert 'id="reported"' in page
    assert "The printed figures enter no test." in page
    assert "shared mask, z = .15" in page


@pytest.mark.parametrize("task", ["digits", "char_ptb"])
def test_nothing_is_shown_without_figures_or_without_their_metrics(study: Callable[..., xr.DataTree], task: str):
    assert printed.build(ReportData.read(study(task))) is None


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("word_ptb", "equals Zaremba et al.'s 2 × 200 model"),
        ("char_ptb", "validates in chunks and tests on one sequence"),
    ],
)
def test_the_page_says_what_does_not_fit_in_the_printed_figures(
    study: Callable[..., xr.DataTree], tmp_path: Path, task: str, said: str
):
    tree = study(task, hypotheses=[])
    names = dict(zip(("valid_error", "test_error"), METRICS[task][:2], strict=True))
    tree["metrics"] = xr.DataTree(describe(tree["metrics"].to_dataset().rename(names)))
    page = parse(write_report(tree, tmp_path / "report.html").read_text(encoding="utf-8"))
    text = page.find("section", id="reported")[0].text
    assert "What does not fit in the printed figures" in text
    assert f"LSTM: {said}" in text or f"LSTM: the code {said}" in text


def test_an_arm_of_the_same_name_with_another_regularizer_is_not_compared(studies: Callable[..., xr.DataTree]):
    record = dict(ReportData.read(studies(arms=ARMS, skip=())).study)  # its zoneout has other rates
    section = printed.build(
        ReportData.read(studies(arms=ARMS, skip=(), provenance={"study": record | {"task": "pmnist"}}))
    )
    assert section is not None
    assert [row["arm"].name for row in section.values["rows"]] == ["lstm"]
