"""Databases that mirror the results: the URL of a file, checks of a URL, and what to do when a database fails."""

from __future__ import annotations

import errno
import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from zoneout_lab.errors import LabError, UsageError
from zoneout_lab.passwords import scrubbed

TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"

_PASSING_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EHOSTUNREACH, errno.ENETUNREACH)
# what drivers say in words only
_PASSING = re.compile(
    r"database (is|table is) locked|disk is full|disk I/O error|timed out|timeout expired|refused|could not connect|can't connect"
    r"|could not translate host name|lost connection|closed the connection|too many (connections|clients|50\d)|starting up"
    r"|^(TEMPORARILY_UNAVAILABLE|REQUEST_LIMIT_EXCEEDED|RESOURCE_EXHAUSTED)",
    re.IGNORECASE,
)


def sqlite_url(path: Path) -> str:
    """The URL of an SQLite file, wherever it lies.

    >>> sqlite_url(Path("/runs/mlflow.db")), sqlite_url(Path("/100%?/mlflow.db"))
    ('sqlite:////runs/mlflow.db', 'sqlite+pysqlite:////100%25%3F/mlflow.db')
    """
    url = URL.create("sqlite", database=str(path.absolute()))
    try:
        text = url.render_as_string()
    except UnicodeEncodeError:
        # a name that is not UTF-8 is in no URL: the caller reports it
        return f"sqlite:///{url.database}"
    # MLflow makes the folder of what looks like a path to it, escapes and all; not where the driver is named too
    return text if "%" not in text else url.set(drivername="sqlite+pysqlite").render_as_string()


def tracking_uri(uri: str | None, out: Path) -> str:
    """Where MLflow is: the URI given, else $MLFLOW_TRACKING_URI, else SQLite in ``out``."""
    return uri or os.environ.get(TRACKING_VARIABLE) or sqlite_url(out / "mlflow.db")


def sqlite_path(url: str) -> Path | None:
    """The file that a URL of SQLite names; None for another database or none.

    >>> sqlite_path("sqlite:///mlflow.db"), sqlite_path("http://localhost:5000")
    (PosixPath('mlflow.db'), None)
    """
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        return None
    return Path(parts.database) if parts.get_backend_name() == "sqlite" and parts.database else None


def without_password(url: str) -> str:
    """A URL as it may be printed: with ``***`` for a password.

    >>> without_password("postgresql://me:secret@host/name"), without_password("http://localhost:5000")
    ('postgresql://me:***@host/name', 'http://localhost:5000')
    """
    if not url.startswith("http"):  # a database's password may have any letter but @
        with suppress(ArgumentError, ValueError):
            parts = make_url(url)
            url = url if parts.password is None else parts.render_as_string(hide_password=True)
    return scrubbed(url)


def check_database_url(url: str, option: str) -> None:
    """Raise UsageError where ``url`` is not a valid database URL.

    >>> check_database_url("study.db", "--storage")
    Traceback (most recent call last):
    ...
    zoneout_lab.errors.UsageError: --storage 'study.db' is not the URL of a database. For a file: --storage sqlite:///study.db; ...
    """
    try:
        make_url(url).get_dialect()
    except (ArgumentError, ValueError):
        shown = without_password(url)
        file = shown if url and "://" not in url else "study.db"
        raise UsageError(
            f"{option} {shown!r} is not the URL of a database. For a file: {option} sqlite:///{file}; for a server: {option} "
            "postgresql://user:password@host/name."
        ) from None  # whose message may quote the password
    except ImportError:
        return  # its driver is not installed, which the caller reports


@contextmanager
def quiet(*loggers: str, level: int = logging.WARNING) -> Iterator[None]:
    """These loggers pass on nothing below ``level`` while the ``with`` block runs, and are then as they were.

    >>> with quiet("mlflow"):
    ...     logging.getLogger("mlflow").isEnabledFor(logging.INFO)
    False
    """
    levels = {logger: logger.level for logger in map(logging.getLogger, loggers)}
    for logger, before in levels.items():
        logger.setLevel(max(before, level))
    try:
        yield
    finally:
        for logger, before in levels.items():
            logger.setLevel(before)


def may_pass(error: BaseException) -> bool:
    """True where the same may succeed later: no answer, a lock held elsewhere, a full disk.

    >>> may_pass(ConnectionRefusedError()), may_pass(PermissionError())
    (True, False)
    """
    for each in _chain(error):
        if isinstance(each, ConnectionError | TimeoutError | socket.gaierror) or _PASSING.search(str(each)):
            return True
        if isinstance(each, OSError) and each.errno in _PASSING_ERRNOS:
            return True
    return False


def reason(error: BaseException) -> str:
    """What went wrong, in a line, without the SQL of it and without passwords.

    >>> reason(ValueError("no such thing\\n[SQL: SELECT 1]"))
    'no such thing'
    """
    text = str(getattr(error, "orig", None) or error).strip()
    return scrubbed(text.splitlines()[0].rstrip(".")) if text else type(error).__name__


def remedy(error: BaseException, option: str, then: str) -> str:
    """What to do about a database that failed: wait where that can help, otherwise what has to be put right.

    Args:
        error: what was raised.
        option: that names another database.
        then: what running again would do.

    >>> remedy(ConnectionRefusedError(), "--storage", "record them")
    'Run again later to record them.'
    >>> remedy(PermissionError("not yours"), "--storage", "record them")
    'Put that right, or name another place with --storage, and run again to record them.'
    """
    if isinstance(error, LabError):
        return ""  # it says so itself
    if may_pass(error):
        return f"Run again later to {then}."
    chain = list(_chain(error))
    missing = [each.name for each in chain if isinstance(each, ModuleNotFoundError) and each.name]
    if "psycopg" in missing:
        cure = 'To install what PostgreSQL needs: pip install "zoneout-lab[postgresql]"'
    elif missing:
        cure = f"Install the database's driver ({missing[0]})"
    elif any("home directory" in str(each) for each in chain):
        return f"Set HOME to a folder of yours and run again to {then}."
    elif any("not a database" in str(each) or "malformed" in str(each) for each in chain):
        cure = "Move that file away"
    else:
        cure = "Put that right"
    return f"{cure}, or name another place with {option}, and run again to {then}."


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or each.__context__
