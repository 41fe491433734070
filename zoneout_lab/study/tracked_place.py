"""Where MLflow's artifacts lie: beside its database, also after both were moved or copied, of which MLflow itself knows nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from os.path import realpath
from pathlib import Path
from urllib.parse import unquote, urlsplit

from zoneout_lab.study.sqlite_rows import transaction

_FOLDER = "mlartifacts"


def place_of(database: Path, experiment: str) -> Path:
    """The folder of an experiment's artifacts beside a database."""
    return (database.parent / _FOLDER / experiment).absolute()


def is_moved(connection: sqlite3.Connection, database: Path) -> bool:
    """True where :func:`follow` has something to do. Raises sqlite3.Error where the database does not say."""
    return any(True for _ in _moved(connection, database))


def follow(database: Path, beside: Path | None = None) -> None:
    """Have a database know that artifacts lie beside it, where it names another folder for them that is not this one by another path.

    Those that were not moved with it are missed there from then on, and the next run puts them there: nothing is written to where they were.

    What cannot be read or written now is left for another time.

    Args:
        database: is written to.
        beside: the file that the artifacts lie beside, where that is another.
    """
    with suppress(sqlite3.Error), transaction(database) as connection:
        for experiment, old, new in list(_moved(connection, beside or database)):
            connection.execute(
                "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (new, experiment)
            )
            connection.execute(
                "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) WHERE experiment_id = ? AND substr(artifact_uri, 1, ?) = ?",
                (new, len(old) + 1, experiment, len(old) + 1, f"{old}/"),
            )


def _moved(connection: sqlite3.Connection, database: Path) -> Iterator[tuple[int, str, str]]:
    """Experiments whose artifacts are beside the database, and of which it says that they lie elsewhere: id, where, and where they are."""
    for experiment, name, old in connection.execute("SELECT experiment_id, name, artifact_location FROM experiments"):
        there = place_of(database, str(name))
        new = there.as_uri()
        ours = str(old).startswith("file:///") and str(old).endswith(new[new.rindex(f"/{_FOLDER}/") :])
        if ours and realpath(unquote(urlsplit(old).path)) != realpath(there):
            yield experiment, old, new
