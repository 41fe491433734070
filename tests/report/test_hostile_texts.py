"""Whatever a study's authors, or whoever wrote its files, put into its texts: pages show it, and no browser or terminal obeys it."""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from zoneout_lab import schema
from zoneout_lab.report import write_across, write_index, write_report, write_side_by_side

HOSTILE = "\x1b[31m<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202e\x00\ud800\x9b{{7*7}}{% x %}]]><!--"


class Tags(HTMLParser):
    """The tags of a page, its attributes that run something, and what it loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        run = [
            name for name, value in attrs if name.startswith("on") or (value or "").lower().startswith("javascript:")
        ]
        elsewhere = [value for name, value in attrs if name == "src" and not (value or "").startswith("data:")]
        self.found += [
            *run,
            *map(str, elsewhere),
            *([tag] if tag in ("img", "iframe", "object", "embed", "base") else []),
        ]


def hostile(value: Any, depth: int = 0) -> Any:
    """A value in which every text that has no meaning of its own ends in what should not be obeyed."""
    kept = (
        "name",
        "arm",
        "against",
        "baseline",
        "metric",
        "direction",
        "scale",
        "family",
        "vary",
        "kind",
        "preset",
        "task",
        "digest",
    )
    if isinstance(value, dict):
        return {key: each if key in kept else hostile(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [hostile(each, depth + 1) for each in value]
    return value + HOSTILE if isinstance(value, str) else value


def study(task: str) -> xr.DataTree:
    """Two arms at eight seeds."""
    runs = [
        schema.run_tree(
            run_id=f"{arm}{seed}", arm=arm, seed=seed, status="finished" if seed else "diverged", by_epoch={"valid_error": [0.5 - gain + seed / 1000]},
            at_best={"test_error": 0.4}, best_epoch=1, seconds=1.0, provenance=hostile({"versions": {"torch": "2"}, "git": "abc", "engine": "cpu"}),
        )
        for arm, gain in (("lstm", 0.0), ("zoneout", 0.25))
        for seed in range(8)
    ]  # fmt: skip
    spec = {
        "name": "hostile", "title": "T", "question": "Q", "background": "B", "task": task, "preset": "laptop", "authors": ["A"], "baseline": "lstm", "seeds": 8, "seed": 0,
        "alpha": 0.05, "family": "joint", "setting": {"options": {"path": "p"}, "model": {"hidden": 4}, "training": {"epochs": 1}},
        "arms": [{"name": name, "label": name, "regularizer": {"kind": "none", "x": "y"}, "change": {"options.path": "p"}} for name in ("lstm", "zoneout")],
        "hypotheses": [{"name": "h", "statement": "S", "claims": [16], "arm": "zoneout", "against": "lstm", "metric": "valid_error", "direction": "lower", "margin": 0.0,
                        "scale": "linear", "reason": "R"}],
    }  # fmt: skip
    record = {
        "study": spec, "declared": spec, "overrides": ["o"], "command": "zoneout-lab run x", "versions": [{"torch": "2"}], "machine": [{"processor": "p"}], "git": ["abc"],
        "data": [{"digest": "0", "notes": ["n"]}], "engine": ["cpu"], "taken_over": {"x": 1}, "written": ["2026-01-01T00:00:00"],
        "unmeasured": [{"arm": "lstm", "seed": 1, "group": "gradients", "epoch": 1, "error": "e"}],
        "earlier_looks": [{"seeds": 4, "date": "2026-01-01", "alpha": 0.05, "hypotheses": [{"name": "h", "statement": "S", "verdict": "inconclusive", "p": 0.2}]}],
    }  # fmt: skip
    return schema.study_tree(
        [(run, "0" * 64) for run in runs], arms=["lstm", "zoneout"], seeds=range(8), provenance=hostile(record)
    )


def test_no_page_obeys_what_it_quotes(tmp_path: Path) -> None:
    trees = {task: study(task) for task in ("digits", "adding")}
    for task, tree in trees.items():
        schema.write_tree(tree, tmp_path / task / "study.nc")
    write_report(tmp_path / "digits", tmp_path / "report.html")
    write_side_by_side(tmp_path / "digits", tmp_path / "digits" / "study.nc", tmp_path / "beside.html")
    write_across([tmp_path / "digits", tmp_path / "adding"], tmp_path / "across.html")
    write_index([tmp_path / "digits", tmp_path / "adding"], tmp_path / "index.html")
    for name in ("report", "beside", "across", "index"):
        page = (tmp_path / f"{name}.html").read_text(encoding="utf-8")
        assert "alert(1)" in page, name
        scripts = re.findall(r"<script\b[^>]*>(.*?)</script>", page, re.DOTALL)
        assert not [script for script in scripts if script.strip() == "alert(1)"], name
        tags = Tags()
        tags.feed(page)
        assert tags.found == [], name
        obeyed = {
            c for c in page if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\u2068\u2069\u00ad\u200b"
        }
        assert not obeyed, (name, obeyed)
        assert "{{7*7}}" in page, name
        assert "could not be made" not in page, name
    assert np.isfinite(trees["digits"]["metrics/valid_error"].values).any()
