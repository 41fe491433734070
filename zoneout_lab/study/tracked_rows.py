"""Many runs at once into MLflow's database, where that is an SQLite file.

MLflow's client takes three transactions and thirty statements for a run. Here all runs of a piece are inserted in one transaction, as the
rows that MLflow itself made of one run that its client was told of; what another version of MLflow has beside them is copied from that run.
"""

from __future__ import annotations

import re
import sqlite3
import uuid
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from zoneout_lab.study.sqlite_rows import has_columns, insert, transaction
from zoneout_lab.study.tracked_run import COMMIT, FINISHED, Record, linked, unlink

#: the tables of what belongs to a run, and all of their columns
_TABLES = {
    "tags": ("run_uuid", "key", "value"),
    "params": ("run_uuid", "key", "value"),
    "metrics": ("run_uuid", "key", "value", "timestamp", "step", "is_nan"),
    "latest_metrics": ("run_uuid", "key", "value", "timestamp", "step", "is_nan"),
}
_NAME = re.compile(r"\w[\w\-]*(?:[./ ][\w\-]+)*")  # what MLflow and all databases take without a question
_LONGEST_NAME, _LONGEST = 250, 5000  # characters of a name and of a value that they keep whole


def inserted(path: Path, like: str, records: Sequence[Record]) -> bool:
    """Have runs recorded in a database that has the run ``like``, an id of MLflow's; all of them, or none and False: the client is to be told of them then.

    Args:
        path: the database.
        like: was recorded by MLflow's client, in the same experiment.
        records: of the new runs.
    """
    if not all(map(_plain, records)):
        return False
    places: list[str] = []
    done = False
    try:
        with transaction(path) as connection:
            if not has_columns(connection, _TABLES):
                return False
            connection.row_factory = sqlite3.Row
            model = dict(connection.execute("SELECT * FROM runs WHERE run_uuid = ?", (like,)).fetchone())
            tags = dict(connection.execute("SELECT key, value FROM tags WHERE run_uuid = ?", (like,)).fetchall())
            whole = (model["status"], model["lifecycle_stage"]) == (FINISHED, "active")
            if like not in model["artifact_uri"] or not whole:
                return False
            rows = {}
            for record in records:
                own = uuid.uuid4().hex
                place = model["artifact_uri"].replace(like, own)
                places.append(place)
                if not linked(record.file, place):
                    return False
                times = {"start_time": record.start, "end_time": record.end}
                new = {"run_uuid": own, "name": record.name, "artifact_uri": place} | times
                rows[own] = tuple((model | new).values())
            insert(connection, "runs", tuple(model), rows.values())
            # what MLflow says of a run by itself; the rest is another's
            tags = {key: value for key, value in tags.items() if key.startswith("mlflow.") and key != COMMIT}
            for own, record in zip(rows, records, strict=True):
                told = tags | {"mlflow.runName": record.name} | dict(record.tags)
                insert(connection, "tags", _TABLES["tags"], ((own, *each) for each in told.items()))
                insert(connection, "params", _TABLES["params"], ((own, *each) for each in record.params.items()))
                metrics = [(own, name, value, record.end, step, False) for name, value, step in record.metrics]
                insert(connection, "metrics", _TABLES["metrics"], metrics)
                last = {row[1]: row for row in metrics}  # of each name: epochs come in their order
                insert(connection, "latest_metrics", _TABLES["latest_metrics"], last.values())
        done = True
    except (sqlite3.Error, TypeError, KeyError, ValueError):  # locked, or other tables than those that are known
        return False
    finally:
        if not done:
            unlink(places)
    return True


def _plain(record: Record) -> bool:
    """True where MLflow keeps every name and value as it is, so that nothing is left to its checks."""
    names = {*record.tags, *record.params, *(name for name, _, _ in record.metrics)}
    values = [record.name, *record.tags.values(), *record.params.values()]
    return all(map(_is_plain, names)) and max(map(len, values)) <= _LONGEST


@lru_cache(1024)  # runs have the same names
def _is_plain(name: str) -> bool:
    return len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None
