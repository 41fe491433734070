"""How large a report grows: a page is to be opened and mailed, so a thousand runs must not make it hundreds of megabytes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr

from zoneout_lab.report import write_report

MB = 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arms", "seeds", "most"), [(10, 10, 3 * MB), (10, 100, 6 * MB), (100, 10, 6 * MB)], ids=["100", "1000", "100 arms"]
)
def test_a_report_stays_small(
    studies: Callable[..., xr.DataTree], tmp_path: Path, arms: int, seeds: int, most: int
) -> None:
    """With learning curves of 20 epochs, and profiles of gradients and perturbations over 100 timesteps at two epochs."""
    names = {f"arm_{k}": f"arm number {k}" for k in range(arms)}
    tree = studies(arms=names, seeds=seeds, skip=(), diverged=[("arm_1", 3)], epochs=20, steps=100)
    began = time.perf_counter(), time.process_time()
    path = write_report(tree, tmp_path / "report.html")
    took = time.perf_counter() - began[0], time.process_time() - began[1]
    size = path.stat().st_size
    print(f"\n{arms * seeds} runs: {size / MB:.2f} MB, {took[0]:.1f} s of which {took[1]:.1f} s of processor")  # noqa: T201 - times are shown and not asserted
    assert size <= most
