"""A study made up for the report: numbers of known size, with a diverged and a missing run, in the shape of real results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from html_page import Element, parse

from zoneout_lab import profiles, schema
from zoneout_lab.report import write_report

LABELS = {
    "lstm": "LSTM",
    "zoneout": "Zoneout, separate masks",
    "shared": "Zoneout, one mask for both",
    "dropout": "Recurrent dropout",
}
REGULARIZERS: dict[str, dict[str, Any]] = {
    "lstm": {"kind": "none"},
    "zoneout": {"kind": "zoneout", "cell": 0.5, "hidden": 0.05, "share": False, "per": "unit", "resample": "step"},
    "shared": {"kind": "zoneout", "cell": 0.5, "hidden": 0.05, "share": True, "per": "unit", "resample": "step"},
    "dropout": {"kind": "recurrent_dropout", "p": 0.25},
}


def _gradients(rng: np.random.Generator, slope: float, steps: int, states: Sequence[str]) -> xr.Dataset:
    time = np.arange(steps)
    norms = 1e-3 * np.exp(
        slope * (time - steps) / steps + 0.06 * rng.normal(size=(1, len(states), 2, steps)).cumsum(-1)
    )
    norms[:, :, 1] *= 0.7
    silent = norms * np.exp(-0.5 * time / steps)
    return profiles.both(
        *(profiles.gradient_dataset(each, layers=["l0"], states=list(states)) for each in (norms, silent))
    )


def _dynamics(rng: np.random.Generator, slope: float, steps: int, states: Sequence[str]) -> xr.Dataset:
    lag = np.arange(1, steps // 2 + 1)
    growth = np.exp(-slope * lag / steps + 0.05 * rng.normal(size=(1, len(states), lag.size)).cumsum(-1))
    return profiles.both(
        *(profiles.perturbation_dataset(each, layers=["l0"], states=list(states)) for each in (growth, 0.8 * growth))
    )


def make_run(
    arm: str,
    seed: int,
    *,
    level: float,
    slope: float = 3.0,
    epochs: int = 12,
    steps: int = 64,
    status: str = "finished",
    measured: tuple[int, ...] = (0, 2),
) -> xr.DataTree:
    """One run whose final validation error lies near ``level``."""
    rng = np.random.default_rng([seed, sum(map(ord, arm))])
    seed_effect = 0.02 * np.random.default_rng(seed).normal()
    epoch = np.arange(1, epochs + 1)
    error = level + seed_effect + 0.5 * np.exp(-epoch / 3) + 0.004 * rng.normal(size=epochs)
    loss = 2.2 * np.exp(-epoch / 5) + 0.15 + 0.01 * rng.normal(size=epochs)
    at_best = {"test_error": float(error.min() + 0.01 + 0.003 * rng.normal()), "test_loss": 0.4}
    best: int | None = int(error.argmin()) + 1
    if status == "diverged":
        loss[epochs // 3], error[epochs // 3] = 1e30, 0.9
        loss[epochs // 3 + 1 :], error[epochs // 3 + 1 :] = np.nan, np.nan
        at_best, best = dict.fromkeys(at_best, float("nan")), None
    gradients = (
        {} if status == "diverged" else {e: _gradients(rng, slope + e / 4, steps, ("cell", "hidden")) for e in measured}
    )
    return schema.run_tree(
        run_id=f"{arm}-{seed}-7f3a",
        arm=arm,
        seed=seed,
        status=status,
        by_epoch={"train_loss": loss, "train_eval_error": error / 2, "valid_loss": error * 3, "valid_error": error},
        at_best=at_best,
        best_epoch=best,
        measured={
            "gradients": gradients,
            "dynamics": {e: _dynamics(rng, slope, steps, ("cell", "hidden")) for e in gradients},
        },
        seconds=75.0 + seed,
        provenance={},
    )


def study_record(arms: Mapping[str, str], seeds: int, **changes: Any) -> dict[str, Any]:
    names = list(arms)
    return {
        "name": "mask_sharing",
        "title": "Should cells and hidden states share a zoneout mask?",
        "question": "Do separate masks for memory cells and hidden states generalise better than one shared mask, "
        "and does either improve on the plain LSTM?",
        "background": "Krueger et al. (2017) report single runs. Here every arm is trained at every seed and compared in pairs.",
        "task": "digits",
        "baseline": names[0],
        "seeds": seeds,
        "seed": 2017,
        "alpha": 0.05,
        "preset": "laptop",
        "setting": {
            "options": {"permute": True},
            "model": {"cell": "lstm", "hidden": 32, "layers": 1, "forget_bias": 1.0, "learned_state": False},
            "training": {"optimizer": "adam", "lr": 0.002, "epochs": 12, "batch": 32, "clip": 1.0, "patience": None},
        },
        "arms": [
            {"name": name, "label": label, "regularizer": REGULARIZERS.get(name, {"kind": "none"}), "change": {}}
            for name, label in arms.items()
        ],
        "hypotheses": [
            {
                "name": f"h{k}",
                "statement": statement,
                "claims": claims,
                "arm": arm,
                "against": against,
                "metric": "test_error",
                "direction": direction,
                "margin": margin,
                "reason": "half a test image in a hundred",
            }
            for k, (statement, claims, arm, against, direction, margin) in enumerate(
                [
                    ("Zoneout lowers the test error of the LSTM", [16], names[1], names[0], "lower", 0.005),
                    (
                        "Separate masks and a shared one do equally well",
                        [8],
                        names[-1],
                        names[len(names) > 2],
                        "same",
                        0.02,
                    ),
                    ("Zoneout raises the test error", [1, 99], names[1], names[0], "higher", 0.005),
                ]
            )
        ],
    } | changes


def make_study(
    *,
    arms: Mapping[str, str] | None = None,
    seeds: int = 10,
    skip: Sequence[tuple[str, int]] = (("dropout", 4),),
    diverged: Sequence[tuple[str, int]] = (("shared", 7),),
    provenance: Mapping[str, Any] | None = None,
    **run: Any,
) -> xr.DataTree:
    """A study tree: by default four arms at ten seeds, one run missing and one diverged."""
    arms = LABELS if arms is None else arms
    levels = {name: 0.20 - 0.04 * (place > 0) - 0.004 * (place % 3) for place, name in enumerate(arms)}
    runs = [
        (
            make_run(
                arm,
                seed,
                level=levels[arm],
                slope=4.0 - place,
                status="diverged" if (arm, seed) in diverged else "finished",
                **run,
            ),
            f"{seed:064x}",
        )
        for place, arm in enumerate(arms)
        for seed in range(seeds)
        if (arm, seed) not in skip
    ]
    study = study_record(arms, seeds)
    record = {
        "study": study,
        "declared": study,
        "overrides": [],
        "command": "zoneout-lab run mask_sharing --seeds 10",
        "versions": [{"python": "3.12.4", "torch": "2.12.0", "numpy": "2.3.1", "zoneout_lab": "0.1.0"}],
        "machine": [{"system": "Linux", "processor": "x86_64", "cores": 2}],
        "git": ["3f2c9ab0d1e24f6a8b7c5d4e3f2a1b0c9d8e7f6a"],
        "engine": ["cpu (compiled)"],
        "data": [
            {
                "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                "notes": ["scikit-learn digits"],
            }
        ],
    }
    return schema.study_tree(runs, arms=list(arms), seeds=range(seeds), provenance=record | dict(provenance or {}))


@pytest.fixture(scope="session")
def study() -> xr.DataTree:
    return make_study()


@pytest.fixture(scope="session")
def studies() -> Callable[..., xr.DataTree]:
    return make_study


@pytest.fixture(scope="session")
def records() -> Callable[..., dict[str, Any]]:
    """What a study of these arms and seeds records of itself."""
    return study_record


@pytest.fixture(scope="session")
def report_path(study: xr.DataTree, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on ``study``, written once."""
    path = tmp_path_factory.mktemp("report") / "deep" / "report.html"
    assert write_report(study, path) == path
    return path


@pytest.fixture(scope="module")
def html(report_path: Path) -> str:
    return report_path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Element:
    return parse(html)
