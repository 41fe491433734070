"""What is to be recorded of a study's folder in MLflow, read from its files when it is first asked for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import xarray as xr

from zoneout_lab import schema
from zoneout_lab.errors import LabError
from zoneout_lab.study.patience import Answered, own_work
from zoneout_lab.study.store import CONFIRM
from zoneout_lab.study.tracked_run import times
from zoneout_lab.study.tracked_study import StudyRecord, study_record
from zoneout_lab.study.tracked_values import Curves, Values, curves_by_run, results_of, state_of, values_by_run


class Content:
    """A study's folder as MLflow is to be told of it; ``answered`` is told of the time that reading takes."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any], answered: Answered) -> None:
        self.folder, self.manifest, self._answered = folder, manifest, answered
        report = folder / "report.html"
        self.state = state_of(manifest, schema.digest(report) if report.exists() else "")

    @cached_property
    def tree(self) -> xr.DataTree | None:
        """The study's results; None where they cannot be read: a damaged file is named when its run is recorded."""
        with own_work(self._answered), suppress(LabError):
            return results_of(self.folder)
        return None

    @cached_property
    def _by_run(self) -> dict[str, Values]:
        if self.tree is None:
            return {}
        with own_work(self._answered):
            return values_by_run(self.tree)

    def values_of(self, run_id: str) -> Values | None:
        """A run's numbers as the report has them, none of one that it leaves out; None for what the run's file has of itself, as those of a search."""
        confirmed = self.tree is not None and self.manifest["runs"][run_id]["phase"] == CONFIRM
        return self._by_run.get(run_id, {} if confirmed else None)

    @cached_property
    def _curves(self) -> dict[str, Curves]:
        if self.tree is None:
            return {}
        with own_work(self._answered):
            return curves_by_run(self.tree)

    def curves_of(self, run_id: str) -> Curves | None:
        """A run's metrics by epoch; None for those of its file, as of one that the report leaves out."""
        return self._curves.get(run_id)

    @cached_property
    def times(self) -> tuple[int, int]:
        """When the study's first run began and its last one ended, in milliseconds, as far as the files say."""
        entries = list(self.manifest["runs"].values())
        written = [str(entry.get("written", "")) for entry in entries]
        # of a whole second there are several, and which of them was the first or last is in their files
        ends = {min(written, default=""), max(written, default="")}
        found = []
        for entry in (entry for entry, when in zip(entries, written, strict=True) if when in ends):
            with suppress(LabError):
                file = self.folder / entry["file"]
                found.append(times(schema.read_groups(file, entry["sha256"], only=schema.ORIGIN), entry))
        now = int(time.time() * 1000)
        return (min(start for start, _ in found), max(end for _, end in found)) if found else (now, now)

    @cached_property
    def study(self) -> StudyRecord:
        tree = self.tree
        with own_work(self._answered):
            return study_record(self.manifest, tree)
