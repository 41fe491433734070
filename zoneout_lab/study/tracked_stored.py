"""Runs read from MLflow's database, where that is an SQLite file: in a tenth of the time that its client takes for thousands."""

from __future__ import annotations

import math
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Run, RunData, RunInfo, RunTag

from zoneout_lab.study.mirror_records import opened
from zoneout_lab.study.sqlite_rows import has_columns
from zoneout_lab.study.tracked_run import PARENT, STUDY

_TABLES = {
    "tags": ("run_uuid", "key", "value"),
    "latest_metrics": ("run_uuid", "key", "value", "timestamp", "step", "is_nan"),
}
_RUNS = """
SELECT run_uuid, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri, name FROM runs JOIN tags USING (run_uuid)
WHERE experiment_id = ? AND lifecycle_stage = 'active' AND key = ? AND value = ? ORDER BY start_time DESC, run_uuid
"""
_TAGS = "SELECT run_uuid, key, value FROM tags WHERE key IN ('status', ?) OR key LIKE 'zoneout_lab.%'"
_METRICS = "SELECT run_uuid, key, value, timestamp, step, is_nan FROM latest_metrics"


def stored_runs(path: Path, experiment: str, study: str) -> list[Run] | None:
    """The runs of an experiment that say they are of a study, as MLflow's client finds them, with the tags of this package and the last of each
    metric, and without parameters. None where the file has other tables than those that are known.

    Args:
        path: of the database.
        experiment: its id.
        study: what the study's tag says.
    """
    tags: dict[str, list[RunTag]] = defaultdict(list)
    metrics: dict[str, list[Metric]] = defaultdict(list)
    try:
        with closing(opened(path)) as connection:
            if not has_columns(connection, _TABLES):
                return None
            found = connection.execute(_RUNS, (int(experiment), STUDY, study)).fetchall()
            ours = {run_id for run_id, *_ in found}
            for run_id, key, value in connection.execute(_TAGS, (PARENT,)):
                if run_id in ours:
                    tags[run_id].append(RunTag(key, value))
            for run_id, key, value, at, step, is_nan in connection.execute(_METRICS):
                if run_id in ours:
                    metrics[run_id].append(Metric(key, math.nan if is_nan else value, at, step))
    except (sqlite3.Error, ValueError):
        return None
    return [_run(experiment, tags, metrics, *row) for row in found]


def _run(
    experiment: str, tags: dict[str, list[RunTag]], metrics: dict[str, list[Metric]], run_id: str, *info: Any
) -> Run:
    user, status, start, end, stage, place, name = info
    about = RunInfo(run_id, experiment, user, status, start, end, stage, place, name)
    return Run(about, RunData(metrics[run_id], [], tags[run_id]))
