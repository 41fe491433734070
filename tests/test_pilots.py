"""The pilots' table is what their curves say, row by row."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from zoneout_lab.study import builtin_studies, load_study

PILOTS = Path(__file__).parents[1] / "reports" / "pilots"
#: decimals of each score
PLACES = {"error": 3, "bpc": 3, "ppl": 0}


def rows(name: str) -> list[dict[str, str]]:
    with (PILOTS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def curves() -> dict[str, list[np.ndarray]]:
    """Pilot → for each seed [epochs, 2]: score on training data, score on validation data."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows("curves.csv"):
        scores = found[row["pilot"]][row["seed"]]
        scores.append((float(row["train_score"]), float(row["valid_score"])))
        assert len(scores) == int(row["epoch"])
    return {pilot: [np.array(scores) for scores in seeds.values()] for pilot, seeds in found.items()}


def written(pilot: dict[str, str], seeds: list[np.ndarray]) -> str:
    """A pilot's row of the table."""
    places = PLACES[pilot["score"]]
    at = [int(scores[:, 1].argmin()) for scores in seeds]
    best = [scores[k, 1] for k, scores in zip(at, seeds, strict=True)]
    earlier = np.mean([scores[: len(scores) * 3 // 4, 1].min() for scores in seeds])

    def shown(value: float) -> str:
        return f"{value:.{places}f}".removeprefix("0")

    def span(values: list[int]) -> str:
        return f"{min(values)}–{max(values)}" if min(values) < max(values) else str(values[0])

    seconds = pilot["cpu_seconds_per_epoch"]
    cells = [
        f"`{pilot['pilot']}`",
        pilot["what"],
        f"{span([k + 1 for k in at])} of {len(seeds[0])}",
        f"{shown(float(np.mean(best)))} ({shown(min(best))}–{shown(max(best))})",
        shown(float(np.mean([scores[k, 0] for k, scores in zip(at, seeds, strict=True)]))),
        shown(float(np.mean([scores[-1, 1] for scores in seeds]))),
        f"{100 * (earlier / np.mean(best) - 1):.1f}%",
        f"{float(seconds) * (np.mean(at) + 1):.0f}" if seconds else "–",
    ]
    return f"| {' | '.join(cells)} |"


def test_every_row_is_that_of_its_curves():
    of, page = curves(), (PILOTS / "README.md").read_text(encoding="utf-8").splitlines()
    pilots = rows("pilots.csv")
    assert [pilot["pilot"] for pilot in pilots] == list(of)
    assert all(len(of[pilot["pilot"]]) == int(pilot["seeds"]) for pilot in pilots)
    table = [line for line in page if line.startswith("| `")]
    assert table == [written(pilot, of[pilot["pilot"]]) for pilot in pilots]


@pytest.mark.parametrize("name", ["pmnist", "text8", "word"])
def test_pilots_are_of_the_baseline_on_seeds_that_no_study_uses(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pilotdata").mkdir()
    for file in ("mnist_pool2.npz", "wiki_train_200k.txt", "wiki_valid.txt", "wiki_test.txt"):
        (tmp_path / "pilotdata" / file).touch()
    study = load_study(str(PILOTS / f"{name}.py"))
    assert study.seed not in {load_study(other).seed for other in builtin_studies()}
    assert {type(arm.regularizer).__name__ for arm in study.arms} <= {"NoRegularizer", "NonRecurrentDropout"}
    assert not study.hypotheses
