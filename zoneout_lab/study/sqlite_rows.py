"""Rows put into an SQLite file that Optuna or MLflow made, many in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from zoneout_lab.errors import IntegrityError

Each = TypeVar("Each")
#: runs whose records are in memory at once, and which one transaction adds
PIECE = 50
_WAIT = 5.0  # seconds to wait while another process writes


@contextmanager
def transaction(path: Path) -> Iterator[sqlite3.Connection]:
    """A transaction in which nobody else writes to a file that is there; undone where the ``with`` block raises. Raises sqlite3.Error."""
    at = f"file:{quote(str(path.absolute()))}?mode=rw"
    with closing(sqlite3.connect(at, uri=True, timeout=_WAIT)) as connection, connection:
        connection.execute("BEGIN IMMEDIATE")  # what is read now is so until the rows are there
        yield connection


def has_columns(connection: sqlite3.Connection, tables: Mapping[str, Sequence[str]]) -> bool:
    """True where tables have these columns and no others."""
    return all(
        {name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")} == set(columns)
        for table, columns in tables.items()
    )


def insert(connection: sqlite3.Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Add rows. ``table`` and ``columns`` are names of ours, or those that the table itself has."""
    names, places = ", ".join(columns), ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table} ({names}) VALUES ({places})"  # noqa: S608 # nosec B608 # names of ours
    connection.executemany(statement, rows)


def in_pieces(records: Iterable[Each]) -> Iterator[list[Each]]:
    """Records in lists of :data:`PIECE`. A damaged file, IntegrityError, costs none of those before it."""
    piece: list[Each] = []
    try:
        for record in records:
            piece.append(record)
            if len(piece) == PIECE:
                yield piece
                piece = []
    except IntegrityError:
        if piece:
            yield piece
        raise
    if piece:
        yield piece
