"""What a page says of itself: the same bytes each time, its files and numbers, date, authors, citation, what was done otherwise, tuning."""

from __future__ import annotations

import base64
import csv
import io
from collections import Counter
from collections.abc import Callable
from math import isnan
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from html_page import Element, parse

from zoneout_lab import schema
from zoneout_lab.paper import PAPER
from zoneout_lab.report import write_report
from zoneout_lab.report.sections import cite
from zoneout_lab.results import scalar


def test_the_same_study_gives_the_same_bytes(
    study: xr.DataTree, html: str, tmp_path: Path, drawn_anew: Callable[[], None]
) -> None:
    schema.write_tree(study, tmp_path / "study.nc")
    drawn_anew()
    again = write_report(str(tmp_path / "study.nc"), tmp_path / "elsewhere" / "again.html")
    assert again.read_text(encoding="utf-8") == html


@pytest.mark.slow
def test_files_that_lie_beside_the_page_are_linked_and_those_of_others_are_not(
    study: xr.DataTree, tmp_path: Path
) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    for folder in (mine, other):
        schema.write_tree(study, folder / "study.nc")

    def links(given: xr.DataTree | Path, to: Path) -> list[str | None]:
        section = parse(write_report(given, to).read_text(encoding="utf-8")).find("section", id="files")[0]
        return [link.attributes["href"] for link in section.find("a")][1:]

    assert links(mine / "study.nc", mine / "report.html") == ["study.nc"]
    assert links(study, mine / "report.html") == ["study.nc"]
    assert links(mine / "study.nc", other / "report.html") == []
    (mine / "spec.json").write_text("{}")
    assert links(mine / "study.nc", mine / "report.html") == ["study.nc", "spec.json"]


def test_every_run_s_numbers_are_in_the_page_to_the_last_bit(page: Element, study: xr.DataTree) -> None:
    link = page.find("section", id="files")[0].find("a")[0]
    assert link.attributes["download"] == "mask_sharing-runs.csv"
    head, content = str(link.attributes["href"]).split(",", 1)
    assert head == "data:text/csv;charset=utf-8;base64"
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(content).decode())))
    assert [(row["arm"], int(row["seed"])) for row in rows[:11]] == [*(("lstm", s) for s in range(10)), ("zoneout", 0)]
    values = scalar(study, "test_error")
    for row in rows:
        value = float(values.sel(arm=row["arm"], seed=int(row["seed"])))
        assert row["test_error"] == ("" if isnan(value) else repr(value))
    assert Counter(row["status"] for row in rows) == {"finished": 38, "diverged": 1, "missing": 1}


def test_date_and_authors_are_those_on_record(
    studies: Callable[..., xr.DataTree], records: Callable[..., dict[str, Any]], page: Element, tmp_path: Path
) -> None:
    assert not page.find("time")
    assert not page.find("p", class_="authors")
    arms = {"lstm": "LSTM", "zoneout": "Zoneout"}
    study = records(arms, 6, authors=["A. Author", "B. <Author>"])
    tree = studies(
        arms=arms,
        seeds=6,
        measured=(),
        provenance={"study": study, "written": ["2026-03-01T23:00:00", "2026-03-04", "no date"]},
    )
    shown = parse(write_report(tree, tmp_path / "r.html").read_text(encoding="utf-8"))
    assert shown.find("time")[0].text == "2026-03-04"
    assert shown.find("p", class_="authors")[0].text == "A. Author and B. <Author>"
    assert (
        shown.find("section", id="cite")[0]
        .find("li")[0]
        .text.startswith("A. Author and B. <Author> (2026). Should cells and hidden states share a zoneout mask?")
    )


def test_the_citation_is_that_of_the_repository(page: Element) -> None:
    citation = (Path(__file__).parents[2] / "CITATION.cff").read_text(encoding="utf-8")
    assert f'title: "{cite.PACKAGE}"' in citation
    assert f'- name: "{cite.PACKAGE_AUTHORS}"' in citation
    entries = [item.text for item in page.find("section", id="cite")[0].find("li")]
    assert entries[1].endswith("Version 0.1.0.")
    assert entries[2] == f"{PAPER}."


def test_what_was_done_otherwise_is_said_twice(
    studies: Callable[..., xr.DataTree], study: xr.DataTree, tmp_path: Path
) -> None:
    declared = schema.provenance(study, "study")
    changed = declared | {"setting": declared["setting"] | {"training": declared["setting"]["training"] | {"lr": 0.1}}}
    tree = studies(seeds=6, measured=(), provenance={"declared": changed, "overrides": ["--lr 0.002 (declared: 0.1)"]})
    page = parse(write_report(tree, tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "1 deviation" in page.find("p", class_="notice")[0].text
    section = page.find("section", id="deviations")[0]
    assert "--lr 0.002 (declared: 0.1)" in section.find("li")[0].text
    cells = [[cell.text for cell in row.children] for row in section.find("tbody")[0].find("tr")]
    assert ["setting · training · lr", "0.1", "0.002"] in cells


def test_tuning_is_shown_where_there_was_some(studies: Callable[..., xr.DataTree], tmp_path: Path) -> None:
    tuning = {
        "zoneout": {
            "best": {"cell": 0.3},
            "trials": [{"params": {"cell": 0.3}, "value": 0.125}, {"params": {}, "value": None}],
        }
    }
    tree = studies(seeds=6, measured=(), provenance={"tuning": tuning})
    page = parse(write_report(tree, tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "cell 0.3" in page.find("section", id="tuning")[0].text
    assert "12.5" in page.find("section", id="tuning")[0].text
    assert "One of the " in page.find("section", id="tuning")[0].text
    assert "found by search: cell 0.3" in page.find("section", id="setting")[0].text


def test_the_setting_says_when_gradients_were_measured(studies: Callable[..., xr.DataTree], tmp_path: Path) -> None:
    tree = studies(seeds=6, measured=())
    declared = schema.provenance(tree, "study") | {"gradient_epochs": [0, 3, -1], "gradient_examples": 100}
    tree = studies(seeds=6, measured=(), provenance={"study": declared})
    page = parse(write_report(tree, tmp_path / "r.html").read_text(encoding="utf-8"))
    text = page.find("section", id="setting")[0].text
    assert "before training, 3, each run's last" in text
    assert "100" in text.split("Measured inside the recurrence")[1]
