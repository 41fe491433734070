"""What a database that is an SQLite file has of a study, in a few numbers that change when a record is lost, doubled or added.

The tables are asked themselves: reading all records by way of Optuna and MLflow takes a minute where there are ten thousand, and importing
MLflow seconds. Nothing is written.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from zoneout_lab import schema

Records = list[int | str]

_TRIALS = "SELECT COUNT(*), COUNT(DISTINCT state) FROM trials JOIN studies USING (study_id) WHERE study_name = ?"
_RUNS = """
SELECT COUNT(*) FROM tags JOIN runs USING (run_uuid)
WHERE key = 'zoneout_lab.study' AND value = ? AND lifecycle_stage = 'active' AND status = 'FINISHED'
"""
# the study's own run is the one that is no run of ours
_REPORT = """
SELECT published.value FROM tags AS published JOIN tags AS study USING (run_uuid) JOIN runs USING (run_uuid)
WHERE published.key = 'zoneout_lab.sha256' AND study.key = 'zoneout_lab.study' AND study.value = ? AND lifecycle_stage = 'active'
AND NOT EXISTS (SELECT 1 FROM tags AS one WHERE one.run_uuid = study.run_uuid AND one.key = 'zoneout_lab.run')
"""


def in_optuna(path: Path, folder: Path) -> Records | None:
    """Versions of the tables, and how many trials of a study's folder there are, in how many states; None where the file does not say."""
    with suppress(sqlite3.Error), closing(_opened(path)) as connection:
        return [*_versions(connection, "version_info"), *connection.execute(_TRIALS, (folder.name,)).fetchone()]
    return None


def in_mlflow(path: Path, folder: Path) -> Records | None:
    """The version of the tables, and how many finished runs of a study's folder there are; None where the file does not say, or has another
    report than the folder."""
    report = folder / "report.html"
    with suppress(sqlite3.Error, OSError), closing(_opened(path)) as connection:
        published = [sha256 for (sha256,) in connection.execute(_REPORT, (folder.name,))]
        if published == ([schema.digest(report)] if report.is_file() else []):
            return [*_versions(connection), *connection.execute(_RUNS, (folder.name,)).fetchone()]
    return None


def _versions(connection: sqlite3.Connection, *tables: str) -> Records:
    found: Records = []
    for table in ("alembic_version", *tables):
        query = f"SELECT * FROM {table}"  # noqa: S608 # nosec B608 # names of ours
        found += map(str, connection.execute(query))
    return found


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=1)
