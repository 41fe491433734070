"""What a database that is an SQLite file has of a study, in a few numbers that change when a record is lost, doubled, added or
put in place of another.

The tables are asked themselves: reading all records by way of Optuna and MLflow takes a minute where there are ten thousand, and importing
MLflow seconds. Nothing is written.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from zoneout_lab import schema
from zoneout_lab.study.mirror_owner import Owner
from zoneout_lab.study.tracked_place import is_moved

Records = list[int | str]

# a searched arm's study is called after the folder's
_OURS_THERE = "(study_name = :name OR substr(study_name, 1, length(:name) + 1) = :name || '/')"
_TRIALS = f"""
SELECT COUNT(*), COUNT(DISTINCT state), COUNT(DISTINCT study_id) FROM trials JOIN studies USING (study_id) WHERE {_OURS_THERE}
"""  # noqa: S608 # nosec B608 # words of ours
_OF_TRIALS = f"""
SELECT value_json FROM trial_user_attributes JOIN trials USING (trial_id) JOIN studies USING (study_id)
WHERE key IN ('run', 'runs') AND {_OURS_THERE} ORDER BY value_json
"""  # noqa: S608 # nosec B608
# not those that another folder of the same study has in this database
_OURS = """
CREATE TEMPORARY TABLE ours AS SELECT run_uuid, status FROM tags JOIN runs USING (run_uuid)
WHERE key = 'zoneout_lab.study' AND value = :study AND lifecycle_stage = 'active' AND :folder IS
(SELECT value FROM tags AS said WHERE said.run_uuid = runs.run_uuid AND said.key = 'zoneout_lab.folder')
"""
_RUNS = "SELECT COUNT(*) FROM ours WHERE status = 'FINISHED'"
_OF_RUNS = "SELECT value FROM tags JOIN ours USING (run_uuid) WHERE key = 'zoneout_lab.run' ORDER BY value"
# the study's own run is the one that is no run of ours
_REPORT = """
SELECT value FROM tags JOIN ours USING (run_uuid) WHERE key = 'zoneout_lab.sha256'
AND NOT EXISTS (SELECT 1 FROM tags AS one WHERE one.run_uuid = ours.run_uuid AND one.key = 'zoneout_lab.run')
"""


def in_optuna(path: Path, whose: Owner) -> Records | None:
    """Versions of the tables, how many trials of a study's folder there are, in how many states, and a digest of whose they are; None where
    the file does not say."""
    with suppress(sqlite3.Error), closing(opened(path)) as connection:
        counts = connection.execute(_TRIALS, {"name": whose.name}).fetchone()
        return [
            *_versions(connection, "version_info"),
            *counts,
            _digest(connection.execute(_OF_TRIALS, {"name": whose.name})),
        ]
    return None


def in_mlflow(path: Path, folder: Path, whose: Owner) -> Records | None:
    """The version of the tables, how many finished runs of a study's folder there are, and a digest of which; None where the file does not
    say, has another report than the folder, or looks for what lies beside it in another place."""
    report = folder / "report.html"
    with suppress(sqlite3.Error, OSError), closing(opened(path)) as connection:
        if is_moved(connection, path):
            return None
        connection.execute(_OURS, {"study": whose.study, "folder": whose.folder})
        published = [sha256 for (sha256,) in connection.execute(_REPORT)]
        if published == ([schema.digest(report)] if report.is_file() else []):
            counts = connection.execute(_RUNS).fetchone()
            return [*_versions(connection), *counts, _digest(connection.execute(_OF_RUNS))]
    return None


def once_in_mlflow(path: Path, whose: Owner, run_ids: Iterable[str]) -> bool:
    """True where each of these runs of a study's folder is there just once; False also where the file does not say."""
    with suppress(sqlite3.Error), closing(opened(path)) as connection:
        connection.execute(_OURS, {"study": whose.study, "folder": whose.folder})
        many = Counter(run_id for (run_id,) in connection.execute(_OF_RUNS))
        return all(many[run_id] == 1 for run_id in run_ids)
    return False


def _digest(rows: Iterable[tuple[str]]) -> str:
    return hashlib.sha256("\n".join(text for (text,) in rows).encode()).hexdigest()


def _versions(connection: sqlite3.Connection, *tables: str) -> Records:
    found: Records = []
    for table in ("alembic_version", *tables):
        query = f"SELECT * FROM {table}"  # noqa: S608 # nosec B608 # names of ours
        found += map(str, connection.execute(query))
    return found


def opened(path: Path) -> sqlite3.Connection:
    """A database to be read, and never to be made. Raises sqlite3.Error."""
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=1)
