"""The index of several studies: every claim of the paper with its verdicts, links that lead to them, and what could not be read."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest
import xarray as xr
from html_page import Element, parse

from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError, IntegrityError
from zoneout_lab.paper import CLAIMS
from zoneout_lab.report import write_index, write_report
from zoneout_lab.report.side_by_side import write_side_by_side
from zoneout_lab.results import judge

TWO = {"lstm": "LSTM", "zoneout": "Zoneout"}
RUN = {"epochs": 4, "steps": 6}


def named(tree: xr.DataTree, name: str, claims: list[list[int]], **changes: object) -> xr.DataTree:
    """The same results under another study's name, its hypotheses about other claims."""
    study = schema.study_of(tree) or {}
    hypotheses = [h | {"claims": about} for h, about in zip(study["hypotheses"], claims, strict=True)]
    copy = tree.copy()
    copy["provenance"].attrs["study"] = json.dumps(study | {"name": name, "hypotheses": hypotheses} | changes)
    return copy


@pytest.fixture(scope="module")
def small(studies: Callable[..., xr.DataTree]) -> xr.DataTree:
    return studies(arms=TWO, seeds=7, skip=(), diverged=(), **RUN)


@pytest.fixture(scope="module")
def folder(small: xr.DataTree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two studies in folders with odd names, one of them with a report, and a folder of something else."""
    folder = tmp_path_factory.mktemp("runs")
    first, second = folder / "one #1 % «a»", folder / "second"
    schema.write_tree(named(small, "first", [[16], [8, 16], [99]]), first / "study.nc")
    write_report(first / "study.nc", first / "report.html")
    schema.write_tree(named(small, "second", [[16], [], [1]], preset="paper"), second / "study.nc")
    (folder / "thesis").mkdir()
    (folder / ".hidden").mkdir()
    (folder / "mlartifacts").mkdir()  # MLflow's, and nobody has to be told of it
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> Element:
    found = write_index([folder], folder / "index.html")
    assert [entry.name for entry in found.entries] == ["first", "second"]
    assert found.skipped == ()
    assert found.passed_over == (folder / "thesis",)
    return parse((folder / "index.html").read_text(encoding="utf-8"))


def test_every_claim_is_there_with_its_verdicts_or_as_not_judged(page: Element, small: xr.DataTree) -> None:
    verdicts = [judgement.comparison.verdict for judgement in judge(small)]
    assert len(set(verdicts)) > 1
    (claims,) = page.find("section", id="claims")
    shown = {
        int(article.attributes["id"].removeprefix("claim-")): [
            (badge.attributes["class"] or "").split()[-1] for badge in article.find("span", class_="badge")
        ]
        for article in claims.find("article")
    }
    assert shown == {1: [verdicts[2]], 8: [verdicts[1]], 16: [verdicts[0], verdicts[1], verdicts[0]]}
    (unjudged,) = claims.find("ul", class_="unjudged")
    assert [item.text for item in unjudged.find("li")] == [
        f"{number} {words}" for number, words in CLAIMS.items() if number not in shown
    ]
    found = Counter(verdict for each in shown.values() for verdict in each)
    lead = claims.find("p", class_="lead")[0].text
    assert lead.startswith("Of 30 claims, 3 are tested by these studies, with 5 verdicts: ")
    assert all(f"{number} {verdict}" in lead for verdict, number in found.items())


def test_effects_are_given_in_words_with_seeds_task_and_preset(page: Element, small: xr.DataTree) -> None:
    (claim,) = page.find("article", id="claim-1")
    assert claim.find("p", class_="outcome")[0].text == " ".join(judge(small)[2].comparison.short.split())
    assert claim.find("p", class_="source")[0].text.startswith("second · on digits · paper preset · 7 paired seeds")


def test_hypotheses_about_no_claim_are_not_lost(page: Element) -> None:
    (others,) = page.find("section", id="others")
    assert [row.text for row in others.find(class_="statement")] == [
        "Zoneout raises the test error",  # its claim 99 is none of the paper's
        "Separate masks and a shared one do equally well",
    ]


def test_every_link_leads_to_the_hypothesis_it_names(page: Element, folder: Path) -> None:
    links = {e.attributes["href"]: e.text for e in page.find("a")}
    inside = {link for link in links if link.startswith("#")}
    ids = {e.attributes.get("id") for e in page.find()}
    assert {link[1:] for link in inside} <= ids
    outside = [link for link in links if link not in inside]
    assert len(outside) == 3 + 2 + 1  # hypotheses and report of the first, and study.nc of each
    for link in outside:
        name, _, anchor = link.partition("#")
        assert not re.match(r"[a-z]+:|/", link)
        target = folder / unquote(name)
        assert target.is_file()
        if anchor:
            (article,) = parse(target.read_text(encoding="utf-8")).find("article", id=anchor)
            assert article.find("h3")[0].text == links[link]


def test_where_there_is_no_report_the_page_says_how_to_write_it(page: Element) -> None:
    for place in (page.find("article", id="claim-1")[0], page.find("section", id="studies")[0]):
        assert [code.text for code in place.find("code", class_="breaks")] == ["zoneout-lab report second"]


def test_a_command_can_be_copied(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a folder" / "study.nc").write_bytes((folder / "second" / "study.nc").read_bytes())
    write_index([tmp_path], tmp_path / "index.html")
    (code, *_) = parse((tmp_path / "index.html").read_text()).find("code", class_="breaks")
    assert code.text == "zoneout-lab report 'a folder'"


def test_the_table_counts_the_verdicts_of_each_study(page: Element, small: xr.DataTree) -> None:
    found = Counter(judgement.comparison.verdict for judgement in judge(small))
    (table,) = page.find("section", id="studies")[0].find("table")
    cells = [{cell.attributes["data-head"]: cell.text for cell in row.find("td")} for row in table.find("tr")[1:]]
    assert [cell["seeds"] for cell in cells] == ["7", "7"]
    assert [cell["preset"] for cell in cells] == ["laptop", "paper"]
    for cell in cells:
        assert all(f"{number} {verdict}" in cell["verdicts"] for verdict, number in found.items())


def test_runs_that_two_studies_share_are_said(page: Element) -> None:
    notes = page.find("section", id="verdicts")[0].text
    assert "first and second share 7 runs" in notes  # the digests of the made-up study differ by seed alone


def test_it_is_the_same_page_again_and_asks_nothing_of_the_network(folder: Path) -> None:
    before = (folder / "index.html").read_bytes()
    write_index([folder], folder / "index.html")
    assert (folder / "index.html").read_bytes() == before
    text = before.decode()
    assert "default-src 'none'" in text
    assert not re.search(r"<script|<link|https?:", text)


def test_a_study_named_twice_is_read_once(folder: Path, tmp_path: Path) -> None:
    second = folder / "second"
    found = write_index([second, second / "study.nc", folder / ".." / folder.name / "second"], tmp_path / "index.html")
    assert len(found.entries) == 1


def test_a_file_with_a_name_of_its_own_has_a_report_of_that_name(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.nc").write_bytes((folder / "second" / "study.nc").read_bytes())
    write_index([tmp_path / "mine.nc"], tmp_path / "index.html")
    page = parse((tmp_path / "index.html").read_text())
    commands = {code.text for code in page.find("code", class_="breaks")}
    assert commands == {"zoneout-lab report mine.nc --to mine.html"}
    (tmp_path / "report.html").write_text("another's")
    (tmp_path / "mine.html").write_text("its own")
    write_index([tmp_path / "mine.nc"], tmp_path / "index.html")
    links = [e.attributes["href"] for e in parse((tmp_path / "index.html").read_text()).find("a")]
    assert "mine.html#hypothesis-1" in links
    assert "report.html" not in " ".join(links)


def test_what_cannot_be_read_is_named_and_stops_nothing(folder: Path, tmp_path: Path) -> None:
    damaged, foreign = tmp_path / "damaged", tmp_path / "foreign"
    damaged.mkdir()
    foreign.mkdir()
    content = (folder / "second" / "study.nc").read_bytes()
    (damaged / "study.nc").write_bytes(content[: len(content) // 2])
    found = write_index([damaged, folder / "second", foreign, tmp_path / "absent"], tmp_path / "index.html")
    assert [each.path.name for each in found.skipped] == ["damaged", "foreign", "absent"]
    assert [type(each.error) for each in found.skipped] == [IntegrityError, InputRefusedError, InputRefusedError]
    (notice,) = parse((tmp_path / "index.html").read_text()).find("div", class_="notice")
    assert "3 places that were named" in notice.text
    assert [code.text for code in notice.find("code")] == ["damaged", "foreign", "absent"]


@pytest.mark.parametrize(("name", "error"), [("damaged", IntegrityError), ("foreign", InputRefusedError)])
def test_where_nothing_can_be_read_nothing_is_written(tmp_path: Path, name: str, error: type[Exception]) -> None:
    (tmp_path / name).mkdir()
    if name == "damaged":
        (tmp_path / name / "study.nc").write_bytes(b"no netCDF")
    with pytest.raises(error, match=name):
        write_index([tmp_path / name], tmp_path / "index.html")
    assert not (tmp_path / "index.html").exists()


def test_damage_outweighs_what_is_merely_foreign(tmp_path: Path) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "study.nc").write_bytes(b"no netCDF")
    with pytest.raises(IntegrityError, match=r"study\.nc cannot be read.*foreign holds no results"):
        write_index([tmp_path / "study.nc", tmp_path / "foreign"], tmp_path / "index.html")


def test_hostile_words_stay_words(small: xr.DataTree, tmp_path: Path) -> None:
    words = 'שלום <script>alert(1)</script> \x1b[31m \ud800 "' + "long " * 60
    hypotheses = [h | {"statement": words} for h in (schema.study_of(small) or {})["hypotheses"]]
    tree = named(small, words, [[1]] * 3, title=words, hypotheses=hypotheses)
    schema.write_tree(tree, tmp_path / "javascript:alert(1)" / "study.nc")
    write_report(tree, tmp_path / "javascript:alert(1)" / "report.html")
    write_index([tmp_path], tmp_path / "index.html")
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "\x1b" not in text
    page = parse(text)
    assert not page.find("script")
    assert "<script>alert(1)</script>" in page.find("section", id="studies")[0].text
    links = [e.attributes["href"] for e in page.find("a")]
    assert any(link.startswith("javascript%3Aalert%281%29/") for link in links)
    assert not any(link.startswith("javascript:") for link in links)


def test_studies_without_any_claim_of_the_paper(small: xr.DataTree, tmp_path: Path) -> None:
    schema.write_tree(named(small, "mine", [[], [], []]), tmp_path / "mine" / "study.nc")
    write_index([tmp_path], tmp_path / "index.html")
    page = parse((tmp_path / "index.html").read_text())
    assert not page.find("section", id="claims")
    assert page.find("h1")[0].text == "Studies, and what came of them"
    assert "Krueger" not in page.text
    assert "claim" not in page.find("section", id="verdicts")[0].find("ul")[0].text
    (others,) = page.find("section", id="others")
    assert others.find("h2")[0].text == "Hypotheses"
    assert len(others.find("li")) == 3


def test_links_in_a_circle_are_no_fault_of_ours(tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to("runs")
    with pytest.raises(InputRefusedError, match="There are no results at"):
        write_index([tmp_path / "runs"], tmp_path / "index.html")
    with pytest.raises(InputRefusedError, match="runs"):
        write_report(tmp_path / "runs" / "x", tmp_path / "report.html")
    with pytest.raises(InputRefusedError, match="runs"):
        write_side_by_side(tmp_path / "runs" / "x", tmp_path / "runs" / "y", tmp_path / "report.html")
