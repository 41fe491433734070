"""The report as a page: whole, self-contained, accessible, and the same bytes for the same study."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from math import isfinite, isnan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from html_page import Element, parse

from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.report import write_report
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.verdicts import VERDICTS
from zoneout_lab.results import judge
from zoneout_lab.results.arms import arm_values, largest_difference
from zoneout_lab.results.correlation import correlations
from zoneout_lab.results.edge import near_edge
from zoneout_lab.results.shown import read_off


def test_the_sections_come_in_order(page: Element) -> None:
    headings = [heading.text for heading in page.find("h2")]
    assert headings == [
        "Answer",
        "Arms",
        "Differences",
        "Hypotheses",
        "Learning curves",
        "Gradient flow",
        "Dynamics",
        "Runs",
        "Setting",
        "Provenance",
        "Deviations from the declaration",
        "Run it again",
        "Files",
        "How to cite",
        "How to read the verdicts",
    ]
    assert [heading.text for heading in page.find("h1")] == ["Should cells and hidden states share a zoneout mask?"]


def test_the_answer_gives_each_claim_s_outcome_and_verdict(study: xr.DataTree, page: Element) -> None:
    rows = page.find("ol", class_="answers")[0].find("li")
    for row, judgement in zip(rows, judge(study), strict=False):
        assert "interval" in judgement.comparison.short
        assert row.find("p", class_="outcome")[0].text == judgement.comparison.short
        assert row.find("a", class_="statement")[0].text == judgement.statement
        assert row.find("span", class_="badge")[0].text.endswith(judgement.comparison.verdict)


def test_what_is_largest_and_in_no_hypothesis_is_pointed_at(
    studies: Callable[..., xr.DataTree], study: xr.DataTree, page: Element, tmp_path: Path
) -> None:
    """Shared masks lower the error most, and the hypotheses are about zoneout and about dropout."""
    *_, last = page.find("ol", class_="answers")[0].find("li")
    largest = largest_difference(study, "valid_error", "lstm")
    assert largest is not None
    assert largest.arm == "shared"
    assert last.find("span", class_="exploratory")
    assert largest.short in last.text
    assert "no verdict" in last.text
    two = studies(arms={"lstm": "LSTM", "zoneout": "Zoneout"}, seeds=6, measured=(), skip=(), diverged=())
    asked = parse(write_report(two, tmp_path / "r.html").read_text(encoding="utf-8"))
    assert len(asked.find("ol", class_="answers")[0].find("li")) == 3, "a hypothesis is about the only other arm"


def test_the_background_stands_with_the_arms(page: Element) -> None:
    assert "Krueger et al. (2017) report single runs." in page.find("section", id="arms")[0].text
    assert "Krueger" not in page.find("header")[0].text


def test_arms_have_their_means_with_intervals_and_runs_lost(page: Element, study: xr.DataTree) -> None:
    rows = page.find("section", id="arms")[0].find("tbody")[0].find("tr")
    for row, arm in zip(rows, arm_values(study, "valid_error"), strict=True):
        assert float(str(row.find("data")[0].attributes["value"])) == arm.mean
        low, high = (f"{100 * end:.1f}" for end in arm.interval)
        assert f"{low} to {high}" in row.text
    assert "9 of 10 1 diverged" in rows[2].text
    assert "9 of 10 1 missing" in rows[3].text
    assert rows[1].text.endswith("zoneout: cell 0.5, hidden 0.05, per unit, resample step")


def test_an_arm_is_told_by_what_it_changes(
    studies: Callable[..., xr.DataTree], records: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    arms = {"lstm": "LSTM", "slow": "slow"}
    study = records(arms, 6)
    study["arms"][1]["change"] = {"training.lr": 0.001, "model.forget_bias": 2.0}
    tree = studies(arms=arms, seeds=6, skip=(), diverged=(), measured=(), provenance={"study": study})
    page = parse(write_report(tree, tmp_path / "r.html").read_text(encoding="utf-8"))
    rows = page.find("section", id="arms")[0].find("tbody")[0].find("tr")
    assert [row.find("td")[-1].text for row in rows] == ["–", "forget bias 2; lr 0.001"]


def test_a_forest_plot_has_every_claim_of_its_metric(page: Element, study: xr.DataTree) -> None:
    (svg,) = page.find("section", id="differences")[0].find("svg", class_="plot")
    words = [text.text for text in svg.find("text")]
    assert "← better" in words
    assert "worse →" in words
    assert [w.split(" ", 1)[1] for w in words if w[:1] in "✓✗≈?△"] == [j.comparison.verdict for j in judge(study)]
    assert "1. Zoneout, separate masks lower than LSTM" in words
    assert svg.find("desc")[0].text.count("interval") == 3


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
    # numbers to take out of the page are inside it, and go nowhere
    assert not re.search(r"(src|href|action)\s*=\s*[\"'](?!#|data:text/csv)", html)
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
    # strips, a forest plot, two for each hypothesis, learning curves and their differences, gradient profiles and theirs, what a perturbation leaves
    assert len(pictures) == 2 + 1 + 3 * 2 + 2 * 3 + 2 * (8 + 2) + 8 + 2 * 4
    for picture in pictures:
        assert picture.attributes["role"] == "img"
        title, description = (picture.find(tag)[0] for tag in ("title", "desc"))
        assert picture.attributes["aria-labelledby"] == f"{title.attributes['id']} {description.attributes['id']}"
        assert title.text
        assert re.search(r"\d", description.text), description.text


def test_figures_follow_the_page_s_colours(page: Element) -> None:
    for svg in page.find("svg", class_="plot"):
        painted = {value for part in svg.find() for value in part.attributes.values() if value and "#f" in value}
        assert not [value for value in painted if re.search(r"#f[cde]00[0-9a-f]{2}", value)], "a sentinel was left"
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
    told = [f"{VERDICTS[verdict].symbol}{verdict}" for verdict in verdicts]
    hypotheses = page.find("section", id="hypotheses")[0]
    for badges in (page.find("ol", class_="answers")[0], hypotheses.find("table")[0]):
        assert [badge.text for badge in badges.find("span", class_="badge")][: len(told)] == told
    assert [article.find("span", class_="badge")[0].text for article in page.find("article")] == told
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
            *([list(c.inner)] if c.inner != c.interval else []),
            list(c.t_interval),
            [c.p],
            [c.p_adjusted],
            *([[c.p_holm]] if c.correction == "joint" else []),
            [c.p_wilcoxon],
            [c.p_sign],
            *([list(c.median_interval)] if isfinite(c.median_interval[0]) else []),
            *([] if isnan(c.p_worst) else [[c.p_worst]]),
            [c.d_z],
            list(c.d_z_interval),
            [c.hodges_lehmann],
            [c.margin],
        ]
        pairs = [
            [float(str(cell.attributes["value"])) for cell in row.find("data")]
            for row in part.find("table", class_="by-seed")[0].find("tr")[1:]
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


def test_one_table_has_the_numbers_of_all_hypotheses(page: Element, study: xr.DataTree) -> None:
    table = page.find("section", id="hypotheses")[0].find("table")[0]
    heads = [head.text for head in table.find("thead")[0].find("th")]
    rows = table.find("tbody")[0].find("tr")
    for row, judgement in zip(rows, judge(study), strict=True):
        c = judgement.comparison
        cells = {str(cell.attributes["data-head"]): cell for cell in row.find("td")}
        assert ["claim", *cells] == heads
        values = {head: [float(str(d.attributes["value"])) for d in cell.find("data")] for head, cell in cells.items()}
        low, high = read_off(c)[0]
        assert values["pairs"] == [len(c.seeds)]
        assert values["difference"] == [c.mean_difference]
        assert values["interval"] == [low, high]
        assert (values["p"], values["adjusted p"], values["dz"]) == ([c.p], [c.p_adjusted], [c.d_z])
        assert 1.0 < values["could find"][0] < 2.0, "ten seeds and three hypotheses find about 1.2 sd"
    words = [term.text for term in page.find("dl", class_="glossary")[0].find("dt")]
    assert words == ["difference", "interval", "p", "adjusted p", "dz", "could find"]


def test_an_open_question_says_how_many_seeds_would_decide_and_a_close_call_that_it_is_one(
    studies: Callable[..., xr.DataTree], records: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    arms = {"lstm": "LSTM", "zoneout": "Zoneout"}
    study = records(arms, 6, family="joint")
    study["hypotheses"] = [study["hypotheses"][0] | {"margin": margin, "name": f"h{margin}"} for margin in (0.0, 0.041)]
    tree = studies(arms=arms, seeds=6, skip=(), diverged=(), measured=(), provenance={"study": study})
    sure, open_ = (judgement.comparison for judgement in judge(tree))
    assert (sure.verdict, open_.verdict) == ("supported", "inconclusive")
    page = parse(write_report(tree, tmp_path / "r.html").read_text(encoding="utf-8"))
    first, second = page.find("ol", class_="answers")[0].find("li")[:2]
    assert first.find("p", class_="edge")[0].text == near_edge(sure) != ""
    assert "would probably" not in first.text
    assert "seeds in all would probably" in second.text
    shown = page.find("section", id="hypotheses")[0].find("tbody")[0].find("tr")[1].find("td")[-2]
    assert shown.attributes["data-head"] == "decides at"
    assert shown.text == ("> 100" if open_.seeds_to_decide is None else str(open_.seeds_to_decide))


def test_what_pairing_buys_is_printed(page: Element, study: xr.DataTree) -> None:
    found = correlations(study, "valid_error").sel(arm="lstm", other=["zoneout", "shared", "dropout"]).values
    low, middle, high = (f"{f(found):.2f}".replace("-", "−") for f in (min, np.median, max))
    assert f"correlates at {low} to {high} (median {middle})" in page.find("section", id="arms")[0].text


def test_failures_are_counted_and_named(page: Element) -> None:
    assert "38 of 40 runs finished; 1 diverged and 1 missing." in page.find("section", id="summary")[0].text
    assert [item.text for item in page.find("ul", class_="failures")[0].find("li")] == [
        "1 run diverged Zoneout, one mask for both, seed 7",
        "1 run missing Recurrent dropout, seed 4",
    ]
    rows = page.find("section", id="runs")[0].find("details")[0].find("tbody")[0].find("tr")
    assert Counter(row.attributes["class"] for row in rows) == {"finished": 38, "diverged": 1, "missing": 1}


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


@pytest.mark.slow
def test_a_laptop_study_says_what_scale_it_holds_for_and_a_paper_study_does_not(study, tmp_path: Path) -> None:
    record = schema.provenance(study, "study")
    setting = record["setting"]
    size = f"{setting['model']['layers']} × {setting['model']['hidden']} units"
    for preset, said in (("laptop", True), ("paper", False)):
        tree = study.copy()
        tree["provenance"].attrs["study"] = json.dumps(record | {"preset": preset})
        text = write_report(tree, tmp_path / f"{preset}.html").read_text()
        assert (f"at the {preset} preset: {size}" in text) is said
