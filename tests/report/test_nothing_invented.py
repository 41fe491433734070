"""A report on results made elsewhere shows what is in them, and nothing that this package would have taken for granted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from html_page import Element, parse

from zoneout_lab import schema
from zoneout_lab.report import write_report
from zoneout_lab.results import judge
from zoneout_lab.study import Arm, Hypothesis, Study

STUDY = Study(
    name="by_hand",
    title="Trained elsewhere",
    question="Does it help?",
    arms=(Arm(name="plain"), Arm(name="mine", label="my method")),
    baseline="plain",
    seeds=24,
    hypotheses=(
        Hypothesis(
            name="helps", statement="My method scores higher and has a z score.", arm="mine", against="plain", metric="acc",
            direction="higher", margin=0.001234,
        ),
    ),
)  # fmt: skip


def results(seeds: int, record: dict[str, object] | None = None) -> xr.DataTree:
    rng = np.random.default_rng(0)
    runs = [
        schema.run_tree(
            run_id=f"{arm}-{seed}", arm=arm, seed=seed, status="finished", by_epoch={"acc": [0.5, 0.5 + gain + rng.normal(0, 0.01)]},
            at_best={}, best_epoch=2, seconds=1.0, provenance={},
        )
        for arm, gain in (("plain", 0.0), ("mine", 0.02))
        for seed in range(seeds)
    ]  # fmt: skip
    study = record or STUDY.to_json()
    return schema.study_tree(
        [(run, "") for run in runs], arms=["plain", "mine"], seeds=range(seeds), provenance={"study": study}
    )


def page(tree: xr.DataTree, folder: Path) -> Element:
    return parse(write_report(tree, folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Element:
    return page(results(24), tmp_path_factory.mktemp("report"))


def test_no_task_model_or_training_is_claimed(report: Element) -> None:
    for invented in ("digits", "laptop", "preset", "lstm", "units", "adam", "percentage", "%)"):
        assert invented not in report.find("main")[0].text, invented
    assert "The runs did not record what they were trained on, nor how." in report.find("section", id="setting")[0].text


def test_what_was_declared_is_printed_as_declared(report: Element) -> None:
    assert report.find("h3")[0].text == "My method scores higher and has a z score."
    assert STUDY.resolved().hypotheses[0].statement == STUDY.hypotheses[0].statement


def test_the_method_is_that_which_was_used(report: Element) -> None:
    rows = {row.find("th")[0].text: row.text for row in report.find("table", class_="numbers")[0].find("tr")}
    assert "exact" not in str(rows)
    assert "smallest this number of seeds can give" not in str(rows)
    assert "Monte-Carlo standard error" in rows["p, sign-flip, 99,999 random flips"]
    assert "signed ranks, 99,999 random flips" in rows["p, Wilcoxon"]
    assert "0.001234" in rows["Margin"]


def test_the_table_prints_p_as_the_sentence_does(tmp_path: Path) -> None:
    tree = results(18)
    (judgement,) = judge(tree)
    article = page(tree, tmp_path).find("article")[0]
    rows = {row.find("th")[0].text: row.text for row in article.find("table", class_="numbers")[0].find("tr")}
    assert "exact sign-flip" in str(rows)
    shown = (
        article.find("div", class_="ruling")[0].text.split("p = ")[1].split(";")[0].removesuffix(" for no difference")
    )
    assert shown in rows["p, exact sign-flip"]
    assert judgement.comparison.p < 1e-4
    assert " × 10" in shown


def test_one_seed_that_was_selected_by_itself_has_a_report(tmp_path: Path) -> None:
    assert "2 arms × 1 seed" in page(results(8).isel(seed=2), tmp_path).text.replace("\n", " ")


def test_what_nobody_recorded_is_not_filled_in(tmp_path: Path) -> None:
    record = {
        "alpha": 0.05,
        "arms": [{"name": "plain", "label": "x"}, {"name": "mine", "label": "x"}],
        "hypotheses": [],
    }
    main = page(results(8, record), tmp_path).find("main")[0]
    text = main.text
    assert "baseline" not in text
    assert "initialisation" not in text
    assert "none" not in main.find("section", id="setting")[0].text
    assert "x (plain)" in text
    assert "x (mine)" in text
    bare = results(8)
    bare["provenance"].attrs.clear()
    assert "No study was recorded" in page(bare, tmp_path).text


def test_what_a_record_by_hand_leaves_out_is_not_needed(tmp_path: Path) -> None:
    record = {
        "alpha": 0.05,
        "arms": [{"name": "plain"}, {"name": "mine"}],
        "hypotheses": [{"name": "h", "statement": "It helps.", "arm": "mine", "against": "plain", "metric": "acc"}],
    }
    assert "contradicted" in page(results(8, record), tmp_path).find("article")[0].text
