"""A mirror of results folders: Optuna's database or MLflow's place, which is a file in the folder of them or at a URL that was named."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from zoneout_lab.errors import UsageError
from zoneout_lab.passwords import remember
from zoneout_lab.study.databases import (
    check_database_url,
    quiet,
    sqlite_path,
    sqlite_url,
    tracking_uri,
    without_password,
)
from zoneout_lab.study.patience import Allowance, Answered, nobody_waits, with_patience
from zoneout_lab.study.sqlite_files import flushed_once

Name = Literal["Optuna", "MLflow"]
#: the files in --out that they are, and the options that name other places
FILES: dict[Name, str] = {"Optuna": "optuna.db", "MLflow": "mlflow.db"}
OPTIONS: dict[Name, str] = {"Optuna": "--storage", "MLflow": "--tracking"}
#: what installs MLflow
INSTALL = 'pip install "zoneout-lab[tracking]"'
#: what is said by those who write to them, and is in what they raise
LOGGERS = ("optuna", "mlflow", "alembic", "urllib3", "sqlalchemy")


@dataclass(frozen=True)
class Mirror:
    """A mirror of the studies in ``out``: Optuna or MLflow, at a URL."""

    name: Name
    url: str
    out: Path
    allowance: Allowance = field(default_factory=Allowance, compare=False, repr=False)

    def __post_init__(self) -> None:
        remember(self.url)

    @property
    def shown(self) -> str:
        """The URL without a password."""
        return without_password(self.url)

    @property
    def option(self) -> str:
        """The option that names another place for it."""
        return OPTIONS[self.name]

    @property
    def file(self) -> Path | None:
        """The SQLite file it is; None for a server."""
        return sqlite_path(self.url)

    @property
    def ours(self) -> bool:
        """True for the file that was made in ``out`` because no other place was named."""
        return self.file is not None and self.file.absolute() == (self.out / FILES[self.name]).absolute()

    @property
    def noted(self) -> str:
        """Where it is, as a results folder notes it: the name of a file beside the folder, which may be moved with it, else a URL."""
        if self.ours or self.file is None or "?" in self.url:
            return FILES[self.name] if self.ours else self.shown
        return sqlite_url(self.file)  # wherever the next command is started

    def run(self, work: Callable[[Answered], Any]) -> Any:
        """Do some work on it; on a server only for as long as answers come."""
        # what they have to say is in what they raise
        with (
            quiet(*LOGGERS, level=logging.CRITICAL),
            flushed_once(self.file) if self.ours and self.file else nullcontext(),
        ):
            # SQLite's files answer, or say at once that they cannot; what waits for a lock there gives up by itself
            return work(nobody_waits) if self.file is not None else with_patience(work, self.allowance)


def optuna_mirror(out: Path, storage: str | None = None) -> Mirror:
    """Optuna's database: the URL named by ``--storage``, or the file in ``out``."""
    return Mirror("Optuna", storage or sqlite_url(out / FILES["Optuna"]), out)


def mlflow_mirror(out: Path, tracking: str | None = None) -> Mirror:
    """MLflow's place: the URI named by ``--tracking``, or by $MLFLOW_TRACKING_URI, or the file in ``out``."""
    return Mirror("MLflow", tracking_uri(tracking, out), out)


def named(folder: Path, storage: str | None = None, tracking: str | None = None) -> list[Mirror]:
    """A study's mirrors: those at the URLs that are named, else the files beside its folder; without MLflow's where MLflow is not installed.

    Raises UsageError where a URL is not one of a database or of MLflow, or is MLflow's and MLflow is not installed.
    """
    check_named(storage, tracking)
    out = folder.absolute().parent
    places = {"Optuna": storage, "MLflow": tracking}
    return [
        Mirror(name, places[name] or sqlite_url(out / file), out)
        for name, file in FILES.items()
        if places[name] or ((out / file).is_file() and (name == "Optuna" or find_spec("mlflow") is not None))
    ]


def check_named(storage: str | None, tracking: str | None) -> None:
    """Raise UsageError for a place that no study can be mirrored in. No server is contacted."""
    if storage is not None:
        check_database_url(storage, OPTIONS["Optuna"])
    if tracking is None:
        return
    if find_spec("mlflow") is None:
        raise UsageError(
            f"--tracking {without_password(tracking)!r} needs MLflow, which is not installed. To install it: {INSTALL}. Or leave "
            "--tracking out: runs are then not recorded in MLflow."
        )
    with suppress(RuntimeError):  # MLflow itself cannot be imported, which must not stop a run
        from zoneout_lab.study.tracking import check_tracking

        check_tracking(tracking)
