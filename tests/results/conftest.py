"""A study's folder on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from zoneout_lab import schema


@pytest.fixture
def study_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a study's folder: runs by (arm, seed), spec and manifest; ``entry`` changes a run's manifest entry."""

    def write(
        runs: list[xr.DataTree], spec: dict[str, Any], *, tune: list[xr.DataTree] | None = None, **more: Any
    ) -> Path:
        entries = {}
        for phase, trees in (("confirm", runs), ("tune", tune or [])):
            for tree in trees:
                name = f"{phase}-{tree.attrs['run_id']}"
                digest = schema.write_tree(tree, tmp_path / "runs" / f"{name}.nc")
                entries[tree.attrs["run_id"] if phase == "confirm" else name] = {
                    "file": f"runs/{name}.nc",
                    "sha256": digest,
                    "arm": tree.attrs["arm"],
                    "seed": tree.attrs["seed"],
                    "phase": phase,
                    "status": tree["metrics/status"].item(),
                }
        manifest = {
            "schema": 1,
            "study": spec,
            "declared": spec,
            "overrides": ["seeds=7"],
            "command": "zoneout-lab run tiny --seeds 7",
            "runs": entries,
        } | more
        (tmp_path / "spec.json").write_text(json.dumps(spec))
        (tmp_path / "MANIFEST.json").write_text(json.dumps(manifest))
        return tmp_path

    return write
