"""Generated specs, options, results folders and data files end well or in a documented error, and do nothing else: see `fuzzing.py`."""

from __future__ import annotations

from pathlib import Path

from fuzzing import generate


def test_a_hundred(tmp_path: Path) -> None:
    """`make faults` generates 10,000."""
    generate(100, tmp_path, 600)
