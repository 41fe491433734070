"""A study of a second on real digits, ways to run it, and ways to look at what it left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from zoneout_lab import Arm, Hypothesis, RecurrentDropout, Study, Tuning, Zoneout, schema
from zoneout_lab.study.driver import Watcher
from zoneout_lab.study.run import Summary, run_study

SMALL = {"model.hidden": 4, "training.epochs": 2, "training.batch": 256}
ARMS = (Arm(name="lstm"), Arm(name="zoneout", regularizer=Zoneout(cell=0.5, hidden=0.05)))
HELPS = Hypothesis(name="helps", statement="It helps.", arm="zoneout", against="lstm", metric="valid_score")
# no clipping, and a step that no weight survives
DIVERGES = Arm(
    name="diverges",
    change={"training.optimizer": "sgd", "training.lr": 3e38, "training.clip": None},
)


def small(change: dict[str, Any] | None = None, **fields: Any) -> Study:
    """Two arms at two seeds, no hypotheses."""
    defaults: dict[str, Any] = {
        "name": "small",
        "title": "A small study",
        "question": "Does it run?",
        "arms": ARMS,
        "baseline": "lstm",
        "seeds": 2,
    }
    return Study(**(defaults | fields), change=SMALL | (change or {}))


def searching(**fields: Any) -> Study:
    """Two arms tuned on four settings each, two at a time, and one with nothing to tune."""
    arms = (
        Arm(name="lstm"),
        Arm(name="zoneout", regularizer=Zoneout(), search={"cell": (0.1, 0.5), "hidden": (0.0, 0.3)}),
        Arm(name="dropout", regularizer=RecurrentDropout(), search={"p": (0.0, 0.7)}),
    )
    tuning = Tuning(trials=4, seeds=2, at_once=2)
    return small({"training.epochs": 1}, name="searching", arms=arms, tuning=tuning, **fields)


def run(study: Study, out: Path, **options: Any) -> Summary:
    """In this process, without MLflow."""
    return run_study(study, out=out, **({"workers": 1, "tracking": None} | options))


def listening() -> tuple[Watcher, list[str]]:
    """A watcher and the list of warnings it is given."""
    warnings: list[str] = []
    return Watcher(warn=warnings.append), warnings


def manifest(folder: Path) -> dict[str, Any]:
    """What a manifest says, apart from its own SHA-256: written as JSON again, it is one from before there was that."""
    content: dict[str, Any] = json.loads((folder / "MANIFEST.json").read_text())
    content.pop("sha256", None)
    return content


def file_of(folder: Path, arm: str, seed: int) -> Path:
    """The file of a confirmatory run."""
    (entry,) = [
        e for e in manifest(folder)["runs"].values() if (e["arm"], e["seed"], e["phase"]) == (arm, seed, "confirm")
    ]
    return folder / entry["file"]


def arrays(folder: Path) -> dict[str, np.ndarray]:
    """Every number that every run measured, in full; times and dates, which differ, are left out."""
    out = {}
    for run_id, entry in manifest(folder)["runs"].items():
        tree = schema.read_tree(folder / entry["file"], entry["sha256"])
        for group in set(tree.children) - {"provenance"}:
            for name, values in tree[group].to_dataset().variables.items():
                out[f"{run_id}/{group}/{name}"] = values.values
    return out


def assert_same_bits(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name, values in one.items():
        assert values.dtype == other[name].dtype, name
        assert values.tobytes() == other[name].tobytes() if values.dtype != object else (values == other[name]).all(), (
            name
        )


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file below a folder: when it was written and its bytes."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
