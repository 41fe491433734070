"""MLflow's database: its tables are made, left half-made, or of another version; a client of it leaves no connection behind."""

from __future__ import annotations

import re
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.study.databases import without_password
from zoneout_lab.study.sqlite_files import tables

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


def make_database(url: str) -> None:
    """Make MLflow's tables in an empty database."""
    with client_of(url) as client:
        client.search_experiments(max_results=1)


def half_made(connection: sqlite3.Connection) -> bool:
    """True where a process was killed while it made MLflow's tables, from which MLflow itself cannot go on."""
    names = tables(connection)
    if any(name.startswith("_alembic_tmp_") for name in names):
        return True
    if not names or ("runs" in names and connection.execute("SELECT 1 FROM runs LIMIT 1").fetchone()):
        return False  # whoever has runs in it had it made completely
    versions = connection.execute("SELECT version_num FROM alembic_version") if "alembic_version" in names else ()
    known = _schema_versions()
    found = {version for (version,) in versions}
    # the version before which there is none has tables of its own that this one lacks
    return known is not None and (not found or (found < known[0] and found != {known[1]}))


def _schema_versions() -> tuple[set[str], str] | None:
    """All versions of MLflow's schema that the installed MLflow knows, and its own; None where it does not say."""
    try:
        from alembic.script import ScriptDirectory
        from mlflow.store.db.utils import _get_alembic_config

        script = ScriptDirectory.from_config(_get_alembic_config(""))  # type: ignore[no-untyped-call]
        return {each.revision for each in script.walk_revisions()}, str(script.get_current_head())
    except Exception:  # noqa: BLE001 - not what MLflow promises to have
        return None


@contextmanager
def client_of(uri: str) -> Iterator[MlflowClient]:
    """A client that leaves no connection behind, and says what to do about tables of another MLflow."""
    try:
        yield MlflowClient(tracking_uri=uri)
    except MlflowException as error:
        if (told := re.search(r"out-of-date database schema \(found version (\w+)", str(error))) is None:
            raise
        raise InputRefusedError(_other_schema(told[1], uri)) from error
    finally:
        _let_go(uri)


def _other_schema(version: str, uri: str) -> str:
    versions = _schema_versions()
    if versions is not None and version not in versions[0]:
        return (
            f"a newer MLflow made its tables (schema {version}). It was left as it is. Install that version of MLflow, or name another place "
            "with --tracking"
        )
    return (
        f"an older MLflow made its tables (schema {version}). To bring them up to date, after a copy: mlflow db upgrade "
        f"{shlex.quote(without_password(uri))}. Or name another place with --tracking"
    )


def _let_go(uri: str) -> None:
    """Close MLflow's connections to a database: it keeps them for as long as the process lives, also to a file that was replaced."""
    if is_database(uri):
        with suppress(Exception):
            from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

            if (engine := SqlAlchemyStore._engine_map.get(uri)) is not None:
                engine.dispose()


def is_database(uri: str) -> bool:
    """True where MLflow writes to a database by itself, and no server stands between."""
    return uri.partition(":")[0].partition("+")[0] in _DATABASES
