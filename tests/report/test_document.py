"""The report as a page: whole, self-contained, accessible, and the same bytes for the same study."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr
from html_page import Element, parse

from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.report import write_report
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.verdicts import VERDICTS
from zoneout_lab.results import judge


@pytest.fixture(scope="module")
def html(report_path: Path) -> str:
    return report_path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Element:
    return parse(html)


def test_the_sections_come_in_order(page: Element) -> None:
    headings = [heading.text for heading in page.find("h2")]
    assert headings == [
        "At a glance",
        "Hypotheses",
        "Learning curves",
        "Gradient flow",
        "Dynamics",
        "Runs",
        "Setting",
        "Provenance",
        "Deviations from the declaration",
        "Run it again",
        "How to read the verdicts",
    ]
    assert [heading.text for heading in page.find("h1")] == ["Should cells and hidden states share a zoneout mask?"]


def test_a_glance_gives_the_difference_with_its_interval(study: xr.DataTree, page: Element) -> None:
    rows = page.find("ol", class_="glances")[0].find("li")
    expected = [judgement.comparison.short for judgement in judge(study)]
    assert all("interval" in text and "percentage points" in text for text in expected)
    assert all(text in row.text for text, row in zip(expected, rows, strict=True))


def test_curves_are_of_the_score_in_validation_and_in_training_and_of_the_loss(page: Element) -> None:
    titles = [title.text for title in page.find("section", id="curves")[0].find("title")]
    assert titles == ["Validation error", "Training error", "Training loss under noise"] * 2, "curves, then differences"


def test_provenance_says_what_computed_the_recurrences(page: Element) -> None:
    assert "cpu (compiled)" in page.find("section", id="provenance")[0].text


def test_nothing_is_loaded_from_anywhere(html: str, page: Element) -> None:
    assert not page.find("script")
    assert not page.find("link")
    assert len(page.find("style")) == 1, "a style inside a figure reaches the whole page"
    assert not page.find("img")
    assert not re.search(r"(src|href|action)\s*=\s*[\"'](?!#)", html)
    assert not re.search(r"@import|url\((?!#)", html)
    assert not re.search(r"https?://", html)
    (policy,) = page.find("meta", http_equiv="Content-Security-Policy")
    assert "default-src 'none'" in str(policy.attributes["content"])


def test_ids_are_unique_and_every_reference_has_its_target(html: str, page: Element) -> None:
    ids = Counter(str(element.attributes["id"]) for element in page.find() if "id" in element.attributes)
    assert not [name for name, times in ids.items() if times > 1]
    references = {name for element in page.find() for name in (element.attributes.get("aria-labelledby") or "").split()}
    references |= set(re.findall(r"href=\"#([^\"]+)\"", html)) | set(re.findall(r"url\(#([^)]+)\)", html))
    assert references <= set(ids)


def test_every_figure_says_what_it_shows(page: Element) -> None:
    pictures = [svg for svg in page.find("svg") if svg.attributes.get("aria-hidden") != "true"]
    assert len(pictures) == 3 * 3 + 2 * 3 + 2 * (8 + 2) + 8 + 2 * 4
    for picture in pictures:
        assert picture.attributes["role"] == "img"
        title, description = (picture.find(tag)[0] for tag in ("title", "desc"))
        assert picture.attributes["aria-labelledby"] == f"{title.attributes['id']} {description.attributes['id']}"
        assert title.text
        assert re.search(r"\d", description.text), description.text


def test_figures_follow_the_page_s_colours(page: Element) -> None:
    for svg in page.find("svg", class_="plot"):
        painted = {value for part in svg.find() for value in part.attributes.values() if value and "#f" in value}
        assert not [value for value in painted if re.search(r"#f[de]00[0-9a-f]{2}", value)], "a sentinel was left"
    colours = {
        v
        for svg in page.find("svg")
        for part in svg.find()
        for v in re.findall(r"var\((--[a-z0-9-]+)\)", str(part.attributes))
    }
    defined = set(re.findall(r"(--[a-z0-9-]+):", page.find("style")[0].text))
    assert colours <= defined
    assert {"--arm-0", "--arm-1", "--arm-2", "--arm-3", "--sans"} <= colours


def test_tables_have_captions_and_scoped_heads(page: Element) -> None:
    for table in page.find("table"):
        assert table.find("caption")[0].text
        assert all(head.attributes.get("scope") in ("row", "col") for head in table.find("th"))
    for region in page.find("div", class_="scroll"):
        assert region.attributes["tabindex"] == "0"
        assert region.attributes["aria-label"]


def test_verdicts_are_the_judgements(page: Element, study: xr.DataTree) -> None:
    judgements = ReportData.read(study).judgements
    verdicts = [judgement.comparison.verdict for judgement in judgements]
    assert len(set(verdicts)) > 1
    for badges in (page.find("ol", class_="glances")[0], page.find("section", id="hypotheses")[0]):
        shown = [badge.text for badge in badges.find("span", class_="badge")]
        assert shown == [f"{VERDICTS[verdict].symbol}{verdict}" for verdict in verdicts]
    for part, judgement in zip(page.find("article"), judgements, strict=True):
        assert part.find("h3")[0].text == judgement.statement
        assert part.find("div", class_="ruling")[0].find("p")[0].text == judgement.comparison.sentence
        assert [claim.text for claim in part.find("span", class_="claim")] == [
            f"Claim {c} of the paper" for c in judgement.claims
        ]


def test_numbers_shown_are_the_numbers_computed(page: Element, study: xr.DataTree) -> None:
    for part, judgement in zip(page.find("article"), ReportData.read(study).judgements, strict=True):
        c = judgement.comparison
        rows = {
            row.find("th")[0].text: [float(str(cell.attributes["value"])) for cell in row.find("data")]
            for row in part.find("table", class_="numbers")[0].find("tr")
        }
        assert list(rows.values()) == [
            [len(c.seeds)],
            [c.mean_difference],
            list(c.interval),
            list(c.t_interval),
            [c.p],
            [c.p_adjusted],
            [c.p_wilcoxon],
            [c.d_z],
            list(c.d_z_interval),
            [c.hodges_lehmann],
            [c.margin],
        ]
        pairs = [
            [float(str(cell.attributes["value"])) for cell in row.find("data")]
            for row in part.find("details")[0].find("tr")[1:]
        ]
        assert pairs == [list(row) for row in zip(c.against_values, c.arm_values, c.differences, strict=True)]
        shown = {cell.text: float(str(cell.attributes["value"])) for cell in part.find("data")}
        for text, value in shown.items():
            digits = re.fullmatch(r"−?\d+(\.\d+)?", text)
            if digits:
                number = float(text.replace("−", "-"))
                unit = 10.0 ** -(len(text.split(".")[1]) if "." in text else 0)
                # fractions are shown in percent: a value is itself or a hundred times itself, to the digits shown
                assert min(abs(number - value), abs(number - 100 * value)) <= 0.51 * unit + 0.005 * abs(value), text


def test_failures_are_counted_and_named(page: Element) -> None:
    assert "38 of 40 runs finished; 1 diverged and 1 missing." in page.find("section", id="summary")[0].text
    assert [item.text for item in page.find("ul", class_="failures")[0].find("li")] == [
        "1 run diverged Zoneout, one mask for both, seed 7",
        "1 run missing Recurrent dropout, seed 4",
    ]
    rows = page.find("section", id="runs")[0].find("details")[0].find("tbody")[0].find("tr")
    assert Counter(row.attributes["class"] for row in rows) == {"finished": 38, "diverged": 1, "missing": 1}


def test_the_same_study_gives_the_same_bytes(study: xr.DataTree, html: str, tmp_path: Path) -> None:
    schema.write_tree(study, tmp_path / "study.nc")
    write_report(str(tmp_path / "study.nc"), tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == html


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
    assert "0.125" in page.find("section", id="tuning")[0].text
    assert "found by search: cell 0.3" in page.find("section", id="setting")[0].text


def test_the_setting_says_when_gradients_were_measured(studies: Callable[..., xr.DataTree], tmp_path: Path) -> None:
    tree = studies(seeds=6, measured=())
    declared = schema.provenance(tree, "study") | {"gradient_epochs": [0, 3, -1], "gradient_examples": 100}
    tree = studies(seeds=6, measured=(), provenance={"study": declared})
    page = parse(write_report(tree, tmp_path / "r.html").read_text(encoding="utf-8"))
    text = page.find("section", id="setting")[0].text
    assert "before training, 3, each run's last" in text
    assert "100" in text.split("Measured inside the recurrence")[1]


def test_a_single_run_is_refused(tmp_path: Path) -> None:
    run = schema.run_tree(
        run_id="r",
        arm="a",
        seed=0,
        status="finished",
        by_epoch={},
        at_best={},
        best_epoch=None,
        seconds=1,
        provenance={},
    )
    with pytest.raises(InputRefusedError, match="study"):
        write_report(run, tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_contrast_is_enough_in_light_and_dark(page: Element) -> None:
    style = page.find("style")[0].text
    light, dark = (
        dict(re.findall(r"(--[a-z0-9-]+): (#[0-9a-f]{6})", part))
        for part in style.split("@media screen and (prefers-color-scheme: dark)")
    )
    for colours in (light, {**light, **dark}):
        for name, ground, least in [
            *(("--" + ink, "--" + paper, 4.5) for ink in ("ink", "soft", "link") for paper in ("paper", "raised")),
            *((f"--{verdict}", f"--{verdict}-tint", 4.5) for verdict in VERDICTS),
            *((f"--arm-{k}", "--paper", 3.0) for k in range(8)),
            ("--soft", "--band", 4.5),
        ]:
            assert _contrast(colours[name], colours[ground]) >= least, (name, ground)


def _contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_a_laptop_study_says_what_scale_it_holds_for_and_a_paper_study_does_not(study, tmp_path: Path) -> None:
    record = schema.provenance(study, "study")
    setting = record["setting"]
    size = f"{setting['model']['layers']} × {setting['model']['hidden']} units"
    for preset, said in (("laptop", True), ("paper", False)):
        tree = study.copy()
        tree["provenance"].attrs["study"] = json.dumps(record | {"preset": preset})
        text = write_report(tree, tmp_path / f"{preset}.html").read_text()
        assert (f"at the {preset} preset: {size}" in text) is said
