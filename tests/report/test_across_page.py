"""The page over all tasks: what it says is what was found, whatever the results hold, and nothing of it is loaded from elsewhere."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from zoneout_lab import schema, write_across
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.results import across

ARMS = [{"name": "lstm", "label": "the LSTM"}, {"name": "zoneout", "label": "zoneout <&> $x$"}]


def tree(task: str, differences: list[float], metric: str = "valid_error", **claim: Any) -> xr.DataTree:
    runs = []
    for seed, difference in enumerate(differences):
        base = 0.3 + 0.01 * (seed * 3 % 5)
        for arm, value in (("lstm", base), ("zoneout", base + difference)):
            runs.append(
                schema.run_tree(
                    run_id=f"{arm}-{seed}", arm=arm, seed=seed, status="finished", by_epoch={metric: [value]}, at_best={}, best_epoch=1,
                    seconds=1.0, provenance={},
                )
            )  # fmt: skip
    hypothesis = {
        "name": "h",
        "statement": "It <helps>.",
        "arm": "zoneout",
        "against": "lstm",
        "metric": metric,
    } | claim
    study = {
        "name": "s", "title": "Two tasks & more", "question": "Does it?", "task": task, "alpha": 0.05, "family": "joint", "baseline": "lstm", "arms": ARMS,
        "hypotheses": [hypothesis],
    }  # fmt: skip
    return schema.study_tree(
        [(run, "") for run in runs],
        arms=["lstm", "zoneout"],
        seeds=range(len(differences)),
        provenance={"study": study},
    )


BETTER = [-0.04, -0.02, -0.05, -0.01, -0.03, -0.06]
CASES: dict[str, list[xr.DataTree]] = {
    "one unit": [tree("digits", BETTER), tree("adding", BETTER[:3])],
    "two units": [tree("digits", BETTER), tree("chars", BETTER, "valid_bpc")],
    "ratios": [tree("a", BETTER, "valid_ppl", scale="log"), tree("b", BETTER, "valid_ppl", scale="log")],
    "a margin": [tree(task, BETTER, direction="same", margin=0.2) for task in ("a", "b")],
    "a constant difference": [tree("a", [0.25] * 6), tree("b", [0.0] * 6)],
    "no pair on one task": [tree("a", BETTER), tree("b", [float("nan")] * 3)],
    "one seed each": [tree("a", [-0.1]), tree("b", [0.1])],
    "a task from a file": [tree("./mine.py:My", BETTER), tree("b", BETTER)],
}


@pytest.mark.parametrize("case", CASES)
def test_says_what_was_found(case: str, tmp_path: Path, drawn_anew: Callable[[], None]) -> None:
    trees = CASES[case]
    page = write_across(trees, tmp_path / "page.html")
    text = page.read_text()
    words = html.unescape(re.sub(r"\s+", " ", text))
    (judgement,) = across(trees).judgements
    assert judgement.sentence in words
    assert f'class="badge {judgement.verdict}"' in text
    assert words.count("<svg") >= 1
    assert "nan" not in re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL).lower()
    assert not re.search(r"(src|href)=\"(https?:|//)", text)
    assert "default-src 'none'" in text
    assert "<helps>" not in text
    drawn_anew()
    assert write_across(trees, tmp_path / "again.html").read_bytes() == page.read_bytes()


def test_the_axis_is_what_the_tasks_share(tmp_path: Path) -> None:
    def text(case: str) -> str:
        return html.unescape(write_across(CASES[case], tmp_path / "p.html").read_text())

    assert "(percentage points)" in text("one unit")
    assert "standard deviations" in text("two units")
    assert "× " in text("ratios")
    assert "They assume normal differences" in text("two units")
    assert "Those of adding assume normal differences" in text("one unit")


def test_results_of_one_study_alone_write_no_page(tmp_path: Path) -> None:
    with pytest.raises(InputRefusedError, match="two at least"):
        write_across([CASES["one unit"][0]], tmp_path / "p.html")
    assert list(tmp_path.iterdir()) == []
