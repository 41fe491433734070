"""Numbers that MLflow is told of a run: the same from the study's results as from the run's own file."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoneout_lab import schema
from zoneout_lab.study.tracked_values import curves_by_run, last_of, own_curves


def _run(arm: str, seed: int, curves: dict[str, list[float]], epochs: list[int] | None = None) -> Any:
    return schema.run_groups(
        run_id=f"{arm}-{seed}",
        arm=arm,
        seed=seed,
        status="finished",
        by_epoch=curves,
        epochs=epochs,
        at_best={"valid_score": 1.0 + seed},
        best_epoch=1,
        measured={},
        seconds=1.0,
        provenance={},
    )


def _stacked(runs: list[Any]) -> Any:
    seeds = sorted({run["/"].attrs["seed"] for run in runs})
    arms = sorted({run["/"].attrs["arm"] for run in runs})
    fresh = [
        {path: type(group)(dict(group.attrs), dict(group.variables)) for path, group in run.items()} for run in runs
    ]
    return schema.study_tree([(run, "0") for run in fresh], arms=arms, seeds=seeds, provenance={})


def test_curves_of_results_are_those_of_the_files() -> None:
    runs = [
        _run("a", 0, {"loss": [3.0, 2.0, 1.5], "score": [0.5, np.nan, 0.25]}),
        _run("a", 1, {"loss": [3.5], "score": [np.inf]}),  # stopped early, and diverged
        _run("b", 0, {"loss": [2.0, 1.0]}, [10, 40]),  # its own epochs, and one curve less
    ]
    found = curves_by_run(_stacked(runs))
    assert found.keys() == {"a-0", "a-1", "b-0"}
    for run in runs:
        assert sorted(found[run["/"].attrs["run_id"]]) == sorted(own_curves(run))
    assert found["a-0"] == (
        ("curve/loss", 3.0, 1),
        ("curve/loss", 2.0, 2),
        ("curve/loss", 1.5, 3),
        ("curve/score", 0.5, 1),
        ("curve/score", 0.25, 3),
    )
    assert found["a-1"] == (("curve/loss", 3.5, 1),)
    assert last_of(found["b-0"]) == {"curve/loss": 1.0}


def test_results_without_curves_have_none() -> None:
    assert curves_by_run(_stacked([_run("a", 0, {})])) == {"a-0": ()}
