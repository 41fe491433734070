"""SQLite files that others fill: made whole or not at all, and moved aside where nothing can use them any more.

MLflow makes its tables in a hundred steps and cannot go on from the middle of them, so a process that is killed there leaves a file that is
of no use to anyone. So a database is made in a folder of its own beside its place, and put there when it is complete.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, event

from zoneout_lab.study.databases import sqlite_url

_MAGIC = b"SQLite format 3\0"
# SQLite's own files beside a database: what is in one of them belongs to the database of that name, whichever that is by then
_BESIDE = ("-journal", "-wal", "-shm")
# checking a larger file would take longer than a second, and what is wrong with it comes up when it is used
_CHECKED_WHOLE = 256 * 2**20
#: seconds since the last change of a half-made file after which nobody is making it any more
BEING_MADE = 30.0

HalfMade = Callable[[sqlite3.Connection], bool]


def make_whole(path: Path, make: Callable[[str], None]) -> bool:
    """Make an SQLite file where there is none, so that it is there complete or not at all; True where it was made.

    Args:
        path: where it is to lie. An empty file there counts as none.
        make: fills the database that a URL names, and closes it.

    To be called by one process at a time for each path. Raises OSError, sqlite3.OperationalError where another process
    is about to fill an empty file, and what ``make`` raises.
    """
    if path.exists():
        if path.stat().st_size:
            return False
        _refuse_locked(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}."
    for left in path.parent.glob(f"{_escaped(prefix)}*.making"):
        shutil.rmtree(left, ignore_errors=True)  # by a process that was killed
    folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=prefix, suffix=".making"))
    try:
        made = folder / "new.db"
        with _unflushed():  # what a power cut would leave of it is made again
            make(sqlite_url(made))
        with made.open("rb+") as file:
            os.fsync(file.fileno())
        made.chmod(0o644)
        if path.exists() and not path.stat().st_size:
            path.unlink()
        if not path.exists():
            _move_beside(path, _free(path))
        try:
            # unlike a rename this replaces nothing that another program has put there meanwhile
            os.link(made, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            made.rename(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return True


def fault(path: Path, half_made: HalfMade = lambda _: False) -> str | None:
    """Why nothing can use an SQLite file; None where it can be used, or is not there, or cannot be looked at just now.

    Args:
        path: the file.
        half_made: whether a database that SQLite itself reads was left half-made by who makes its tables.

    Raises TimeoutError where another process seems to be making it just now.
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
        age = time.time() - path.stat().st_mtime
        size = path.stat().st_size
    except OSError:
        return None
    if not head:
        return None
    if head != _MAGIC:
        return "file is not a database"
    try:
        # to be written to: what a killed process was in the middle of is then undone first
        with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=rw", uri=True, timeout=1)) as connection:
            half = half_made(connection)
            found = "ok" if size > _CHECKED_WHOLE else connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError:
        return None  # locked, or out of reach: whoever uses it says so
    except sqlite3.DatabaseError as error:
        return str(error)
    if half and age < BEING_MADE:
        raise TimeoutError(f"{path} is being made by another process")
    if half:
        return "its tables were left half-made"
    return None if found == "ok" else "database disk image is malformed: " + " ".join(found.split())


@contextmanager
def flushed_once(path: Path) -> Iterator[None]:
    """Connections that SQLAlchemy makes while this is open do not wait for the disk at each transaction; ``path`` is flushed when it ends.

    A process that is killed loses nothing by it. A power cut may leave a file that cannot be used: so only what can be made again is
    written like this.
    """

    try:
        with _unflushed():
            yield
    finally:
        # closing it gives up this process's locks on the file: connections to it have to be idle by now
        with suppress(OSError), path.open("rb+") as file:
            os.fsync(file.fileno())


def move_aside(path: Path) -> Path:
    """Rename a database's file, and SQLite's files beside it, to a name that is free; returns the new one."""
    to = _free(path)
    path.rename(to)
    _move_beside(path, to)
    return to


def holds(path: Path, table: str) -> bool:
    """True where an SQLite file is there and has a table of that name; it is read and nothing else.

    >>> holds(Path("/nowhere.db"), "runs")
    False
    """
    if not path.is_file():
        return False
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)) as connection,
    ):
        return table in tables(connection)
    return False


def tables(connection: sqlite3.Connection) -> set[str]:
    """Names of a database's tables."""
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


@contextmanager
def _unflushed() -> Iterator[None]:
    def hurry(connection: Any, _: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF").close()

    event.listen(Engine, "connect", hurry)
    try:
        yield
    finally:
        event.remove(Engine, "connect", hurry)


def _refuse_locked(path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=1, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")


def _free(path: Path) -> Path:
    number = 1
    while any(path.parent.glob(f"{_escaped(f'{path.name}.unusable-{number}')}*")):
        number += 1
    return path.with_name(f"{path.name}.unusable-{number}")


def _move_beside(path: Path, to: Path) -> None:
    for suffix in _BESIDE:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(to.with_name(to.name + suffix))


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
