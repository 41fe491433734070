"""Studies that went wrong, or large, or are named with care for nobody: each still gives a whole page."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from html_page import Element, parse

from zoneout_lab import schema
from zoneout_lab.report import write_report
from zoneout_lab.results.legible import legible

HOSTILE = '<script>alert("x")</script> $\\alpha_{i}$ _b_ & "q" \x00\x1b 损失 🙂 id="ink" #fe0001 var(--x)'


def report(tree: xr.DataTree, folder: Path) -> Element:
    page = parse(write_report(tree, folder / "report.html").read_text(encoding="utf-8"))
    ids = Counter(e.attributes["id"] for e in page.find() if "id" in e.attributes)
    assert max(ids.values()) == 1
    return page


def without_gradients(study: xr.DataTree) -> xr.DataTree:
    bare = xr.DataTree.from_dict(
        {f"/{name}": group.to_dataset() for name, group in study.children.items() if name != "gradients"}
    )
    bare.attrs.update(study.attrs)
    return bare


def test_all_runs_diverged(studies: Callable[..., xr.DataTree], tmp_path: Path) -> None:
    arms = {"lstm": "LSTM", "zoneout": "Zoneout"}
    tree = studies(arms=arms, seeds=6, skip=(), diverged=[(arm, seed) for arm in arms for seed in range(6)])
    page = report(tree, tmp_path)
    assert "12 runs diverged" in page.find("section", id="runs")[0].text
    assert {badge.attributes["class"] for badge in page.find("span", class_="badge")} >= {"badge underpowered"}
    assert not page.find("section", id="gradients")


def test_no_run_at_all(studies: Callable[..., xr.DataTree], tmp_path: Path) -> None:
    arms = {"lstm": "LSTM", "zoneout": "Zoneout"}
    page = report(studies(arms=arms, seeds=3, skip=[(arm, seed) for arm in arms for seed in range(3)]), tmp_path)
    assert "0 of 6 runs finished; 6 missing." in page.text
    assert not page.find("section", id="curves")


def test_nothing_recorded(study: xr.DataTree, tmp_path: Path) -> None:
    bare = without_gradients(study)
    bare["provenance"].attrs.clear()
    page = report(bare, tmp_path)
    assert page.find("h1")[0].text == "Untitled study"
    assert "No study was recorded" in page.text
    assert "The command was not recorded." in page.text


def test_no_provenance_group(study: xr.DataTree, tmp_path: Path) -> None:
    bare = xr.DataTree.from_dict({"/metrics": study["metrics"].to_dataset()})
    bare.attrs.update(study.attrs)
    assert "Untitled study" in report(bare, tmp_path).text


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_few_seeds(studies: Callable[..., xr.DataTree], tmp_path: Path, seeds: int) -> None:
    page = report(studies(arms={"lstm": "LSTM", "zoneout": "Zoneout"}, seeds=seeds, measured=()), tmp_path)
    assert [b.text for b in page.find("ol", class_="answers")[0].find("span", class_="badge")] == ["△underpowered"] * 3


@pytest.mark.slow
def test_many_arms_and_seeds(studies: Callable[..., xr.DataTree], tmp_path: Path) -> None:
    arms = {
        f"arm_{k}": f"Arm number {k} with a label that goes on for much longer than any axis has room"
        for k in range(12)
    }
    page = report(
        studies(arms=arms, seeds=20, epochs=20, steps=300, measured=(2,), skip=[("arm_3", 2)], diverged=[("arm_5", 1)]),
        tmp_path,
    )
    assert "238 of 240 runs finished" in page.text
    assert len(page.find("section", id="runs")[0].find("details")[0].find("tbody")[0].find("tr")) == 240
    assert "not a confidence band" in page.find("section", id="curves")[0].text
    looks = {
        str(item.find("svg")[0].find("path")[0].attributes) + item.find("g")[0].find()[0].tag
        for item in page.find("section", id="curves")[0].find("li")
    }
    assert len(looks) == 12
    assert (tmp_path / "report.html").stat().st_size < 4_000_000


def test_labels_are_only_ever_text(studies: Callable[..., xr.DataTree], tmp_path: Path) -> None:
    arms = {"lstm": "LSTM", "zoneout": HOSTILE}
    tree = studies(arms=arms, seeds=6, measured=())
    study = schema.provenance(tree, "study")
    study |= {"title": HOSTILE, "question": HOSTILE, "background": HOSTILE, "name": HOSTILE}
    for hypothesis in study["hypotheses"]:
        hypothesis |= {"statement": HOSTILE, "reason": HOSTILE}
    tree = studies(
        arms=arms,
        seeds=6,
        measured=(),
        provenance={
            "study": study,
            "overrides": [HOSTILE],
            "command": HOSTILE,
            "machine": [{HOSTILE: HOSTILE}],
            "git": [HOSTILE, None],
        },
    )
    page = report(tree, tmp_path)
    assert not page.find("script")
    assert page.find("h1")[0].text.startswith('<script>alert("x")</script> $\\alpha_{i}$ _b_ & "q"')
    ticks = [t.text for svg in page.find("svg") for t in svg.find("text")]
    assert any("<script>alert" in text for text in ticks)
    assert any("#fe0001" in text or "$" in text for text in ticks)


TWO = {"lstm": "LSTM", "zoneout": "Zoneout"}


def two_arms(studies: Callable[..., xr.DataTree], **more: object) -> xr.DataTree:
    return studies(arms=TWO, measured=(), **({"seeds": 8, "skip": (), "diverged": ()} | more))


def verdicts(page: Element) -> list[str]:
    return [badge.text[1:] for badge in page.find("ol", class_="answers")[0].find("span", class_="badge")]


def outcomes(page: Element) -> list[str]:
    return [each.text for each in page.find("p", class_="outcome")]


def test_one_arm(studies: Callable[..., xr.DataTree], tmp_path: Path) -> None:
    tree = two_arms(studies).sel(arm=["lstm"])
    study = schema.provenance(tree, "study")
    study |= {"arms": study["arms"][:1], "hypotheses": []}
    tree["provenance"].attrs["study"] = json.dumps(study)
    page = report(tree, tmp_path)
    assert "1 arm × 8 seeds" in page.text
    assert "This study declares no hypothesis: it describes and does not test. All 8 runs finished." in page.text
    assert not page.find("section", id="differences")
    assert len(page.find("section", id="arms")[0].find("tbody")[0].find("tr")) == 1


def test_one_seed_has_values_and_no_interval(studies: Callable[..., xr.DataTree], tmp_path: Path) -> None:
    page = report(two_arms(studies, seeds=1), tmp_path)
    assert verdicts(page)[:3] == ["underpowered"] * 3
    lower, _, raised = outcomes(page)[:3]
    assert "percentage points lower (margin" in lower
    assert "percentage points lower, against the claim (margin" in raised
    assert "interval" not in page.find("section", id="summary")[0].text
    assert len(page.find("section", id="differences")[0].find("svg", class_="plot")) == 1


def test_every_seed_of_one_arm_diverged(studies: Callable[..., xr.DataTree], tmp_path: Path) -> None:
    page = report(two_arms(studies, diverged=[("zoneout", seed) for seed in range(8)]), tmp_path)
    assert verdicts(page)[:3] == ["underpowered"] * 3
    assert all(text.startswith("No seed has both values (seeds 0, 1, ") for text in outcomes(page))
    assert "0 of 8 8 diverged" in page.find("section", id="arms")[0].text
    assert "with diverged runs counted as worst" not in page.find("section", id="summary")[0].text


def test_a_constant_metric(studies: Callable[..., xr.DataTree], tmp_path: Path) -> None:
    tree = two_arms(studies)
    metrics = tree["metrics"].to_dataset()
    metrics["test_error"][:], metrics["valid_error"][:] = 0.25, 0.25
    tree["metrics"] = xr.DataTree(metrics)
    page = report(tree, tmp_path)
    assert outcomes(page)[0] == (
        "The test error is 25.00% for Zoneout and 25.00% for LSTM: the same on average (98.33% interval 0.00 to 0.00; "
        "margin 0.500 points; all 8 differences are equal)."
    )
    assert len(outcomes(page)) == 3, "there is no largest difference"


def test_a_metric_that_only_some_runs_have(studies: Callable[..., xr.DataTree], tmp_path: Path) -> None:
    tree = two_arms(studies)
    metrics = tree["metrics"].to_dataset()
    metrics["test_error"][0, :2] = np.nan
    tree["metrics"] = xr.DataTree(metrics)
    page = report(tree, tmp_path)
    assert all("seeds 0 and 1 are lost" in text for text in outcomes(page)[:3])
    cells = page.find("section", id="hypotheses")[0].find("tbody")[0].find("tr")[0].find("data")
    assert cells[0].attributes["value"] == "6"


@pytest.mark.slow
def test_a_hundred_arms(studies: Callable[..., xr.DataTree], tmp_path: Path) -> None:
    arms = {f"arm_{k}": f"arm number {k}" for k in range(100)}
    page = report(studies(arms=arms, seeds=3, skip=(), diverged=(), measured=(), epochs=4), tmp_path)
    assert len(page.find("section", id="arms")[0].find("tbody")[0].find("tr")) == 100
    assert (tmp_path / "report.html").stat().st_size < 3_000_000


@pytest.mark.parametrize(
    "label",
    ["a label that goes on and on " * 11, "x" * 300, "שלום עולם", "half \ud800 \x1b[31m\x00 \u202e \x9b"],
    ids=["words", "word", "right to left", "control"],
)
def test_labels_of_every_kind(
    studies: Callable[..., xr.DataTree], records: Callable[..., dict[str, Any]], tmp_path: Path, label: str
) -> None:
    arms = {"lstm": label, "zoneout": f"{label} too"}
    study = records(arms, 6, title=label, question=label, background=label, authors=[label])
    for hypothesis in study["hypotheses"]:
        hypothesis |= {"statement": label, "reason": label}
    record = {"study": study, "declared": study, "overrides": [label], "command": label, "written": [label]}
    tree = studies(arms=arms, seeds=6, skip=(), diverged=(), measured=(), provenance=record)
    tree["metrics"]["test_error"].attrs.update(long_name=label, units=label[:40], noun=label[:40])
    page = report(tree, tmp_path)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not [c for c in text if unicodedata.category(c) in ("Cc", "Cs") and c != "\n"]
    assert "\u202e" not in text
    assert text.count("\u2068") == text.count("\u2069")
    assert ("\u2068" in outcomes(page)[0]) == ("שלום" in label)
    assert all(len(outcome) < 450 for outcome in outcomes(page)), "a sentence is to be read"
    assert page.find("h1")[0].text == " ".join(legible(label).split())
    assert len(page.find("ol", class_="answers")[0].find("li")) >= 3


def test_numbers_beyond_all_bounds(study: xr.DataTree, tmp_path: Path) -> None:
    odd = study.sel(seed=range(6)).copy(deep=True)
    metrics = odd["metrics"].to_dataset()
    metrics["train_loss"][0, 0, :] = [np.inf, 1e308, -1e308, np.nan, *[0.0] * 8]
    metrics["valid_error"][:] = np.nan
    metrics["valid_loss"][:] = 1.0
    gradients = odd["gradients"].to_dataset().sel(epoch=[2], state=["cell"])
    gradients["norm"][0] = 0.0
    gradients["norm"][1] = 1e-310
    gradients["normalised"][0] = np.nan
    odd["metrics"], odd["gradients"] = xr.DataTree(metrics), xr.DataTree(gradients)
    page = report(odd, tmp_path)
    assert "Validation loss" in page.find("section", id="curves")[0].text


def test_gradients_of_several_layers(study: xr.DataTree, tmp_path: Path) -> None:
    deep = study.copy()
    gradients = study["gradients"].to_dataset().sel(epoch=[2], state=["cell"])
    deep["gradients"] = xr.DataTree(xr.concat([gradients, gradients.assign_coords(layer=["l1"])], "layer"))
    page = report(deep, tmp_path)
    heads = [head.text for head in page.find("section", id="gradients")[0].find("thead")[0].find("th")]
    assert "Cell before the mask, layer l1" in heads


def of_values(records: Callable[..., dict[str, Any]], values: dict[str, list[float]]) -> xr.DataTree:
    """Two arms with these validation errors by seed, compared as a ratio."""
    seeds = range(len(values["lstm"]))
    study = records({"lstm": "LSTM", "zoneout": "Zoneout"}, len(seeds))
    study["hypotheses"] = [study["hypotheses"][0] | {"metric": "valid_error", "margin": 0.0, "scale": "log"}]
    runs = [
        schema.run_tree(
            run_id=f"{arm}-{seed}", arm=arm, seed=seed, status="finished", by_epoch={"valid_error": [row[seed]]}, at_best={}, best_epoch=1, seconds=1.0,
            provenance={},
        )
        for arm, row in values.items()
        for seed in seeds
    ]  # fmt: skip
    return schema.study_tree([(run, "") for run in runs], arms=list(values), seeds=seeds, provenance={"study": study})


def test_a_mean_orders_of_magnitude_below_another_is_not_shown_as_zero(
    records: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    values = {"lstm": [0.3 + 0.01 * seed for seed in range(8)], "zoneout": [1e-9 * (1 + seed) for seed in range(8)]}
    table = report(of_values(records, values), tmp_path).find("section", id="arms")[0].find("table")[0]
    assert "3.76 × 10⁻⁷" in table.text  # geometric: 10⁻⁷ 8!^⅛


@pytest.mark.filterwarnings("error")
def test_values_that_are_all_the_same_make_no_axis_of_logs(
    records: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    report(of_values(records, {"lstm": [0.1], "zoneout": [0.1]}), tmp_path)
