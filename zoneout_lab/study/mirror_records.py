"""What a database that is an SQLite file has of a study, in a few numbers that change when a record is lost, doubled, added or
put in place of another.

The tables are asked themselves: reading all records by way of Optuna and MLflow takes a minute where there are ten thousand, and importing
MLflow seconds. Nothing is written.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from zoneout_lab import schema

Records = list[int | str]

_TRIALS = "SELECT COUNT(*), COUNT(DISTINCT state) FROM trials JOIN studies USING (study_id) WHERE study_name = ?"
_OF_TRIALS = """
SELECT value_json FROM trial_user_attributes JOIN trials USING (trial_id) JOIN studies USING (study_id)
WHERE key = 'run' AND study_name = ? ORDER BY value_json
"""
_RUNS = """
SELECT COUNT(*) FROM tags JOIN runs USING (run_uuid)
WHERE key = 'zoneout_lab.study' AND value = ? AND lifecycle_stage = 'active' AND status = 'FINISHED'
"""
_OF_RUNS = """
SELECT one.value FROM tags AS one JOIN tags AS study USING (run_uuid) JOIN runs USING (run_uuid)
WHERE one.key = 'zoneout_lab.run' AND study.key = 'zoneout_lab.study' AND study.value = ? AND lifecycle_stage = 'active' ORDER BY one.value
"""
# the study's own run is the one that is no run of ours
_REPORT = """
SELECT published.value FROM tags AS published JOIN tags AS study USING (run_uuid) JOIN runs USING (run_uuid)
WHERE published.key = 'zoneout_lab.sha256' AND study.key = 'zoneout_lab.study' AND study.value = ? AND lifecycle_stage = 'active'
AND NOT EXISTS (SELECT 1 FROM tags AS one WHERE one.run_uuid = study.run_uuid AND one.key = 'zoneout_lab.run')
"""


def in_optuna(path: Path, folder: Path) -> Records | None:
    """Versions of the tables, how many trials of a study's folder there are, in how many states, and a digest of whose they are; None where
    the file does not say."""
    with suppress(sqlite3.Error), closing(_opened(path)) as connection:
        counts = connection.execute(_TRIALS, (folder.name,)).fetchone()
        return [
            *_versions(connection, "version_info"),
            *counts,
            _digest(connection.execute(_OF_TRIALS, (folder.name,))),
        ]
    return None


def in_mlflow(path: Path, folder: Path) -> Records | None:
    """The version of the tables, how many finished runs of a study's folder there are, and a digest of which; None where the file does not
    say, or has another report than the folder."""
    report = folder / "report.html"
    with suppress(sqlite3.Error, OSError), closing(_opened(path)) as connection:
        published = [sha256 for (sha256,) in connection.execute(_REPORT, (folder.name,))]
        if published == ([schema.digest(report)] if report.is_file() else []):
            counts = connection.execute(_RUNS, (folder.name,)).fetchone()
            return [*_versions(connection), *counts, _digest(connection.execute(_OF_RUNS, (folder.name,)))]
    return None


def _digest(rows: Iterable[tuple[str]]) -> str:
    return hashlib.sha256("\n".join(text for (text,) in rows).encode()).hexdigest()


def _versions(connection: sqlite3.Connection, *tables: str) -> Records:
    found: Records = []
    for table in ("alembic_version", *tables):
        query = f"SELECT * FROM {table}"  # noqa: S608 # nosec B608 # names of ours
        found += map(str, connection.execute(query))
    return found


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=1)
