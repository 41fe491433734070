"""Small studies with values chosen so that every answer can be worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from zoneout_lab import profiles, schema


def make_run(arm: str, seed: int, errors: list[float], *, status: str = "finished", **more: Any) -> xr.DataTree:
    """One run whose best epoch is that of the smallest of ``errors``."""
    best = None if status == "diverged" else int(np.argmin(errors)) + 1
    return schema.run_tree(
        run_id=f"{arm}-{seed}",
        arm=arm,
        seed=seed,
        status=status,
        by_epoch={"valid_error": errors},
        at_best={"test_error": min(errors) + 0.01},
        best_epoch=best,
        measured={group: more.get(group, {}) for group in ("gradients", "dynamics")},
        seconds=1.0,
        provenance={
            "versions": {"torch": "2.11"},
            "machine": more.get("machine", "laptop"),
            "git": "abc",
            "data": "digest",
            "engine": "cpu (compiled)",
        },
    )


def make_gradients(profile: list[float], layers: tuple[str, ...] = ("l0",)) -> xr.Dataset:
    """Gradient norms whose candidate cell profile is ``profile``, and the hidden one and those after zoneout reversed; without noise all four are it."""
    forwards, backwards = np.array(profile), np.array(profile)[::-1]
    cell, hidden = [forwards, backwards], [backwards, forwards]
    drawn, expected = [[cell, hidden]] * len(layers), [[[forwards] * 2] * 2] * len(layers)
    return profiles.both(
        *(profiles.gradient_dataset(each, layers=layers, states=["cell", "hidden"]) for each in (drawn, expected))
    )


def make_spec(hypotheses: list[dict[str, Any]] | None = None, *, seeds: int = 7) -> dict[str, Any]:
    return {
        "name": "tiny",
        "title": "A tiny study",
        "question": "Does it work?",
        "task": "digits",
        "baseline": "lstm",
        "seeds": seeds,
        "seed": 0,
        "alpha": 0.05,
        "arms": [
            {"name": "lstm", "label": "the LSTM", "regularizer": {}, "change": {}},
            {"name": "zoneout", "label": "zoneout", "regularizer": {}, "change": {}},
            {"name": "dropout", "label": "dropout", "regularizer": {}, "change": {}},
        ],
        "hypotheses": hypotheses or [],
    }


def hypothesis(arm: str = "zoneout", against: str = "lstm", **change: Any) -> dict[str, Any]:
    return {
        "name": f"{arm}-{against}",
        "statement": f"{arm} against {against}",
        "claims": [16],
        "arm": arm,
        "against": against,
        "metric": "valid_error",
        "direction": "lower",
        "margin": 0.0,
        "reason": "any gain counts",
    } | change


def make_study(
    values: Mapping[str, Mapping[int, float]], spec: dict[str, Any] | None = None, *, diverged: tuple[Any, ...] = ()
) -> xr.DataTree:
    """A study of one epoch with valid_error ``values[arm][seed]``; ``diverged`` holds (arm, seed)."""
    runs = [
        make_run(arm, seed, [value], status="diverged" if (arm, seed) in diverged else "finished")
        for arm, by_seed in values.items()
        for seed, value in by_seed.items()
    ]
    seeds = sorted({seed for by_seed in values.values() for seed in by_seed})
    return schema.study_tree(
        [(run, "sha") for run in runs],
        arms=list(values),
        seeds=seeds,
        provenance={} if spec is None else {"study": spec},
    )
