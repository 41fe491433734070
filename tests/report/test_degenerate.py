"""Studies that went wrong, or large, or are named with care for nobody: each still gives a whole page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from html_page import Element, parse

from zoneout_lab import schema
from zoneout_lab.report import write_report

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
