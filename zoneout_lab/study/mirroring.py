"""Optuna and MLflow as mirrors of results folders: brought up to date, and made again from the files.

The files are the truth. An outage of a mirror costs no run: a warning says so, the folder notes that the mirror is behind, and the next run
publishes what is missing.

``<folder>/mirrors.json`` holds, for each mirror, where it is and the digest of the runs that it was last brought up to date with.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from zoneout_lab import interrupts
from zoneout_lab.errors import LabError, told
from zoneout_lab.study import mirror_notes, mirror_records
from zoneout_lab.study.databases import (
    may_pass,
    quiet,
    reason,
    remedy,
    sqlite_path,
    sqlite_url,
)
from zoneout_lab.study.mirror import FILES, LOGGERS, Mirror
from zoneout_lab.study.mirror_compared import Mirrored, in_mlflow, in_optuna
from zoneout_lab.study.mirror_owner import owner
from zoneout_lab.study.patience import PATIENCE
from zoneout_lab.study.sqlite_files import fault, make_whole, move_aside
from zoneout_lab.study.store import Warn, read_manifest, taking_turns

#: raised when other things are recorded of a run, or of a study: what an earlier version recorded is then brought up to date
_LAYOUT = 2
# what a database says whose contents are damaged where nobody had looked before
_DAMAGED = ("malformed", "no such table", "no such column", "already exists")


def compared(mirror: Mirror, folder: Path) -> Mirrored:
    """How a mirror differs from a study's folder. Nothing is written.

    Raises IntegrityError where a run's file is damaged, TimeoutError where a server does not answer, and what its driver raises.
    """
    module = _module(mirror)  # importing it takes a while, and is not the server's
    # MLflow would try again for a minute and a half
    if mirror.file is not None and mirror.file.exists() and (wrong := fault(mirror.file, module.half_made)) is not None:
        raise sqlite3.DatabaseError(wrong)
    if mirror.name == "Optuna":
        found = mirror.run(lambda _: in_optuna(folder, mirror.url))
    else:
        found = mirror.run(lambda answered: in_mlflow(folder, mirror.url, answered))
    return cast(Mirrored, found)


def update(mirror: Mirror, folder: Path, warn: Warn) -> Exception | None:
    """Bring a mirror up to date with a study's folder, and make it again from all folders where nothing can use it any more.

    Args:
        mirror: what to bring up to date.
        folder: a study's results folder in ``mirror.out``.
        warn: is told of databases moved aside, and of other studies that could not be published again.

    Returns what went wrong, None where nothing did. Either is noted in the folder.
    """
    try:
        _update(mirror, folder, warn)
    except Exception as error:  # noqa: BLE001 - the files are the truth: whatever a mirror raises costs no run
        mirror_notes.write(folder, mirror.name, mirror.noted, None)
        return error
    return None


def is_as_noted(mirror: Mirror, folder: Path) -> bool:
    """True where a mirror that is a file has what it had when it was last brought up to date, and the folder has no other runs since.

    Nothing is read but how many records there are. False of a server, which is asked for all it has.
    """
    path, note = mirror.file, mirror_notes.read(folder).get(mirror.name, {})
    if path is None or note.get("at") != mirror.noted:
        return False
    manifest = read_manifest(folder)
    return (
        note.get("runs") == _digest(manifest)
        and fault(path) is None
        and (found := _records(mirror, folder, manifest)) is not None
        and note.get("records") == found
    )


def rebuild(mirror: Mirror, folder: Path, warn: Warn) -> Exception | None:
    """Publish a study anew from its files, whatever it has of it; returns what went wrong.

    A file that nothing can use is moved aside, and every study of its folder is published anew.
    """
    path, module = mirror.file, _module(mirror)
    try:
        if path is None or (path.exists() and fault(path, module.half_made) is None):
            mirror.run(lambda answered: module.forget(folder, mirror.url, answered=answered))
    except Exception as error:  # noqa: BLE001
        if not _damaged(mirror, error):
            return error
    return update(mirror, folder, warn)


def behind(folder: Path, manifest: Mapping[str, Any] | None = None) -> list[str]:
    """Mirrors that are not up to date with a study's folder, each with where it is; as noted there, without asking any of them."""
    if mirror_notes.is_damaged(folder):
        return [f"not known, because {folder / mirror_notes.FILE} is damaged"]
    runs = _digest(manifest or read_manifest(folder))
    found, notes = [], mirror_notes.read(folder)
    for name in FILES:
        note = notes.get(name)
        if note is None:
            continue
        at = str(note.get("at"))
        if at == FILES[name]:
            at = sqlite_url(folder.absolute().parent / at)
        path = sqlite_path(at)
        if note.get("runs") != runs or (path is not None and not path.exists()):
            found.append(f"{name} ({at})")
    return found


def studies_in(out: Path) -> list[Path]:
    """The results folders in a folder."""
    return sorted(path.parent for path in out.glob("*/MANIFEST.json"))


class Mirrors:
    """The mirrors of one study while it runs: Optuna's is brought up to date at the start and follows run by run, and both are in the end.

    Args:
        folder: the study's results folder.
        mirrors: Optuna's, and MLflow's where runs are recorded there.
        warn: is told once of each mirror that fails.
    """

    def __init__(self, folder: Path, optuna: Mirror, mlflow: Mirror | None, warn: Warn) -> None:
        self.folder, self.optuna, self.mlflow, self.warn = folder, optuna, mlflow, warn
        self._ledger: Any = None
        self._waits: Callable[[], Any] | None = None  # opens Optuna's when the first run ends: most often none does
        self._failed: set[str] = set()

    def begin(self, searched: Mapping[str, Any], better: Any) -> None:
        """Bring Optuna up to date, for the trials to come: each arm's search space, and which scores are better."""

        def ledger() -> Any:
            from zoneout_lab.study.trials import Ledger

            return self.optuna.run(lambda _: Ledger(self.folder, self.optuna.url, searched, better))

        error = None if is_as_noted(self.optuna, self.folder) else update(self.optuna, self.folder, self.warn)
        if error is None:
            self._waits = ledger
        else:
            self._give_up(error)

    def end(self, run: Any, score: float | None, facts: Mapping[str, Any]) -> None:
        """A run has ended: its score, None where it has none, and what is known of its file."""
        try:
            if self._waits is not None:
                opens, self._waits = self._waits, None
                self._ledger = opens()
            if self._ledger is not None:
                self._ledger.add(run, score, facts)
        except Exception as error:  # noqa: BLE001 - as in update
            self._give_up(error)
        self.follow()

    def follow(self) -> None:
        """Have Optuna told of the runs that have ended, if it is time."""
        if self._ledger is not None and self._ledger.due:
            self._write()

    def _write(self) -> None:
        try:
            self.optuna.run(self._ledger.write)
        except Exception as error:  # noqa: BLE001 - as in update
            self._give_up(error)

    def finish(self, say: Callable[[str], None]) -> list[str]:
        """Bring both up to date with the files; returns those that are not, each with where it is."""
        manifest = read_manifest(self.folder)
        runs = {run: entry["sha256"] for run, entry in manifest["runs"].items()}
        if self._ledger is not None:
            self._write()
        # no run has ended since it was brought up to date, or it followed all of them
        followed = self._waits is not None or (self._ledger is not None and self._ledger.has(runs))
        self._close()
        left = []
        for mirror in filter(None, (self.optuna, self.mlflow)):
            if mirror is self.optuna and followed:
                _note(mirror, self.folder, manifest)
                continue
            if mirror is self.mlflow:
                if is_as_noted(mirror, self.folder):
                    continue
                if mirror_notes.read(self.folder).get(mirror.name, {}).get("runs") != _digest(manifest):
                    say("Recording the runs in MLflow.")
            error = update(mirror, self.folder, self.warn)
            if error is not None:
                left.append(f"{mirror.name} ({mirror.shown})")
                if mirror.name not in self._failed:
                    self._tell(mirror, error)
        return left

    def _give_up(self, error: Exception) -> None:
        """Leave Optuna alone until the end of the study, saying so once."""
        self._failed.add(self.optuna.name)
        self._close()
        wrong = "does not answer" if may_pass(error) else "cannot be used"
        advice = remedy(error, self.optuna.option, "record them")
        self.warn(f"Optuna's database {wrong} ({reason(error)}); runs go on without it. {advice}".rstrip())

    def _tell(self, mirror: Mirror, error: Exception) -> None:
        advice = remedy(error, mirror.option, "publish them")
        self.warn(
            f"{mirror.name} at {mirror.shown} was not updated: {reason(error)}. The results are complete. {advice}".rstrip()
        )

    def _close(self) -> None:
        ledger, self._ledger, self._waits = self._ledger, None, None
        if ledger is not None:
            with suppress(Exception):
                self.optuna.run(lambda _: ledger.close())


def _update(mirror: Mirror, folder: Path, warn: Warn) -> None:
    manifest = read_manifest(folder)
    module = _module(mirror)
    # a server that hangs may be waited for by others, too
    seconds = -1 if mirror.file is not None else PATIENCE
    with taking_turns(mirror.out, warn, seconds), interrupts.careful(), quiet(*LOGGERS, level=logging.CRITICAL):
        again = _prepare(mirror, folder, warn)
        try:
            mirror.run(lambda answered: module.publish(folder, mirror.url, answered=answered))
        except Exception as error:
            path = mirror.file
            if path is None or not path.exists() or not _damaged(mirror, error):
                raise
            again = _anew(mirror, path, reason(error), warn)
            mirror.run(lambda answered: module.publish(folder, mirror.url, answered=answered))
        for other in again:
            if other != folder.absolute():
                _publish_other(mirror, other, warn)
    _note(mirror, folder, manifest)


def _note(mirror: Mirror, folder: Path, manifest: Mapping[str, Any]) -> None:
    """Note that a mirror has the runs of a manifest."""
    records, own = _records(mirror, folder, manifest), owner(folder, mirror.url, manifest).folder
    mirror_notes.write(folder, mirror.name, mirror.noted, _digest(manifest), records, own)


def _records(mirror: Mirror, folder: Path, manifest: Mapping[str, Any]) -> mirror_records.Records | None:
    if mirror.file is None:
        return None
    whose = owner(folder, mirror.url, manifest)
    if mirror.name == "Optuna":
        return mirror_records.in_optuna(mirror.file, whose)
    return mirror_records.in_mlflow(mirror.file, folder, whose)


def _prepare(mirror: Mirror, folder: Path, warn: Warn) -> list[Path]:
    """Make an SQLite file where there is none or an unusable one; returns the folders of which it has lost what it held."""
    path = mirror.file
    if path is None:
        return []
    if (wrong := fault(path, _module(mirror).half_made)) is not None:
        # a file that a user named, and that never was a database, is left to its owner
        if mirror.ours or "not a database" not in wrong:
            return _anew(mirror, path, wrong, warn)
        return []
    if make_whole(path, _module(mirror).make_database):
        return [
            each for each in _others(mirror) if mirror_notes.read(each).get(mirror.name, {}).get("at") == mirror.noted
        ]
    return []


def _anew(mirror: Mirror, path: Path, wrong: str, warn: Warn) -> list[Path]:
    aside = move_aside(path)
    warn(
        f"{mirror.name}'s database {path} could not be used ({wrong}). It was moved to {aside}, and {path} is made again from the results of "
        f"all studies in {mirror.out}."
    )
    make_whole(path, _module(mirror).make_database)
    return _others(mirror)


def _others(mirror: Mirror) -> list[Path]:
    return [each.absolute() for each in studies_in(mirror.out)]


def _publish_other(mirror: Mirror, folder: Path, warn: Warn) -> None:
    try:
        manifest = read_manifest(folder)
        mirror.run(lambda answered: _module(mirror).publish(folder, mirror.url, answered=answered))
        _note(mirror, folder, manifest)
    except LabError as error:
        warn(f"{folder.name} is not in {mirror.name}'s new database: {told(error)}")


def _damaged(mirror: Mirror, error: BaseException) -> bool:
    """True where an error says that an SQLite file is damaged."""
    text = reason(error)
    return any(word in text for word in _DAMAGED) or (mirror.ours and "not a database" in text)


def _module(mirror: Mirror) -> ModuleType:
    """What knows the mirror: functions publish, forget, make_database and half_made."""
    if mirror.name == "Optuna":
        from zoneout_lab.study import trials

        return trials
    from zoneout_lab.study import tracking

    return tracking


def _digest(manifest: Mapping[str, Any]) -> str:
    """A digest of which runs there are, from which files, how far the study came, and how all that is recorded."""
    runs = {run: entry["sha256"] for run, entry in manifest["runs"].items()}
    text = json.dumps([_LAYOUT, runs, manifest.get("reached")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
