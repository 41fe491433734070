"""A study's folder: the files are the truth, the manifest says what was written and its SHA-256.

```
<out>/<study id>/  spec.json  MANIFEST.json  code/*.py  runs/*.nc  study.nc  report.html
```

``code/`` exists where a study has parts of its own: copies of their files, as a record of what was run. Nothing reads them to show
results.
"""

from __future__ import annotations

import errno
import json
import math
import time
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from zoneout_lab import manifest as manifests
from zoneout_lab import schema, whole
from zoneout_lab.engines import Outcome
from zoneout_lab.errors import InputRefusedError, IntegrityError, LabError, TryAgainError
from zoneout_lab.frozen import AnyRun
from zoneout_lab.parts import Code
from zoneout_lab.study.objective import Objective
from zoneout_lab.study.spec import Study

CONFIRM, TUNE = "confirm", "tune"
Warn = Callable[[str], None]
_HOUR = 3600.0
#: how many times longer than writing the manifest takes it is not written again
_RARER = 200
_LONGEST = 120.0  # seconds
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)


@dataclass
class Store:
    """One study's folder, open for writing by the one driver."""

    folder: Path
    manifest: dict[str, Any]
    _lags: bool = field(default=False, init=False)  # the manifest on the disk lacks lines
    _saved: float = field(default=-math.inf, init=False)  # when, and in how many seconds
    _took: float = field(default=0.0, init=False)

    @classmethod
    def open(
        cls, out: Path, study: Study, *, data: str, declared: Study, overrides: Sequence[str], command: str
    ) -> Store:
        """The study's folder under ``out``, created where it does not exist; ``data`` is the digest of the data it runs on.

        Raises InputRefusedError where the folder holds another study or other data or cannot be written, IntegrityError where its manifest
        cannot be read.
        """
        folder = out / study.id
        spec = study.to_json()
        if (folder / "MANIFEST.json").exists():
            manifest = read_manifest(folder)
            if manifest.get("study") != spec:
                raise InputRefusedError(
                    f"{folder} holds the results of another study ({manifest.get('study', {}).get('name')}). "
                    "Choose another folder with --out, or move that one away."
                )
            if manifest.get("data") != data:
                raise InputRefusedError(
                    f"{folder} holds results on other data (digest {str(manifest.get('data'))[:12]}…, now {data[:12]}…). "
                    "Runs on different data are never mixed: choose another folder with --out, or name the first data again."
                )
            store = cls(folder, manifest)
            check_code(folder, manifest)
            if "id" not in manifest:
                manifest["id"] = uuid.uuid4().hex
                store.save()
            store.keep(study.code)
            if not (folder / "spec.json").exists():
                store.save_spec()
            return store
        # hidden: the lock, and leftovers of a driver that died as it started
        if any(not path.name.startswith(".") for path in folder.glob("*")):
            raise InputRefusedError(
                f"{folder} exists and holds no study. Choose another folder with --out, or move it away."
            )
        store = cls(
            folder,
            {
                "schema": schema.VERSION,
                "id": uuid.uuid4().hex,  # of this folder: databases may be shared by several of one study
                "study": spec,
                "data": data,
                "declared": declared.to_json(),
                "overrides": list(overrides),
                "paper": study.paper_setting,
                "command": command,
                "runs": {},
            },
        )
        store.save()  # first: from here on the folder is known to be this study's
        store.save_spec()
        store.keep(study.code)
        return store

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Leave no folder without a manifest when the ``with`` block ends: it would be nobody's, and refused from then on.

        Raises TryAgainError where somebody has deleted the folder meanwhile.
        """
        deleted = TryAgainError(
            f"{self.folder} was deleted or moved while the study ran. The same command trains what is missing."
        )
        try:
            yield
        except BaseException as error:
            gone = isinstance(error, FileNotFoundError) and Path(str(error.filename)).is_relative_to(self.folder)
            if (self._was_deleted() and isinstance(error, LabError)) or gone:
                raise deleted from error
            raise
        if self._was_deleted():
            raise deleted

    def _was_deleted(self) -> bool:
        """True where the manifest is gone. If the folder is there, it is given one of the runs that are there."""
        if (self.folder / manifests.FILE).exists():
            return False
        if self.folder.exists():
            runs = self.manifest["runs"].items()
            self.manifest["runs"] = {run: entry for run, entry in runs if (self.folder / entry["file"]).exists()}
            self.save()
        return True

    def save(self) -> None:
        """Write the manifest."""
        started = time.monotonic()
        try:
            whole.write_bytes(self.folder / manifests.FILE, manifests.written(self.manifest))
        finally:  # where the disk is full, it is not to be tried at every update
            ended = time.monotonic()
            self._took = ended - started
            # the first line is written at once: by it others know what the study's runs are scored by
            self._saved = ended if self.manifest["runs"] else -math.inf
        self._lags = False

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Write what the manifest lacks when the ``with`` block ends, however it ends."""
        try:
            yield
        except BaseException:
            # what ended it is to be told of; a run that has its file and no line has it at the next start
            with suppress(LabError):
                self._settle()
            raise
        self._settle()

    def _settle(self) -> None:
        if self._lags:
            self.save()

    def forget(self, runs: Iterable[AnyRun]) -> None:
        """Take runs whose files are gone out of the manifest, so that files they are given later are not held against these lines."""
        gone = [run.id for run in runs if run.id in self.manifest["runs"]]
        for run_id in gone:
            del self.manifest["runs"][run_id]
        if gone:
            self.save()

    def save_spec(self) -> None:
        whole.write_bytes(self.folder / "spec.json", spec_bytes(self.manifest))

    def keep(self, code: Code) -> None:
        """Copy the study's own files that are missing. A copy that differs only in its comments stays as it is."""
        kept = self.manifest.get("code", {})
        missing = {at: file for at, file in code.copies().items() if not (self.folder / f"code/{at}").exists()}
        for at, file in missing.items():
            whole.write_bytes(self.folder / f"code/{at}", file.source)
            kept[file.key] = {"file": f"code/{at}", "sha256": file.sha256}
        if missing:
            self.manifest["code"] = kept
            self.save()

    def has(self, run: AnyRun) -> bool:
        """True where the run's file exists. Raises IntegrityError where it is not the file that was written."""
        entry = self.manifest["runs"].get(run.id)
        if entry is None or not (self.folder / entry["file"]).exists():
            return False
        if schema.digest(self.folder / entry["file"]) != entry["sha256"]:
            raise IntegrityError(
                f"{self.folder / entry['file']} is not the file that was written: its SHA-256 differs from the manifest. "
                "`verify --repair` moves it aside, and the next run trains it again."
            )
        return True

    def entry(self, run: AnyRun) -> dict[str, Any]:
        """The manifest's line for a run: file, sha256, arm, seed, phase, status, score; ``from``, where it was taken over, another folder."""
        return dict(self.manifest["runs"][run.id])

    def score(self, run: AnyRun) -> float | None:
        """What Optuna is told of a finished run, such as its best validation score; None where it diverged or has no file."""
        entry = self.manifest["runs"].get(run.id, {})
        return float(entry["score"]) if entry.get("status") == "finished" else None

    def file_of(self, run: AnyRun, phase: str) -> str:
        """Where a run's file lies in the folder."""
        return f"runs/{'tune-' if phase == TUNE else ''}{run.arm}-s{run.seed:03d}-{run.id[:8]}.nc"

    def keep_failure(self, run: AnyRun, trace: str) -> Path:
        """Keep the traceback of a run that failed, until it succeeds; returns where."""
        path = self._failure(run)
        whole.write_bytes(path, trace.encode(errors="replace"))
        return path

    def _failure(self, run: AnyRun) -> Path:
        return self.folder / f"failures/{run.arm}-s{run.seed:03d}-{run.id[:8]}.txt"

    def add(
        self, outcome: Outcome, objective: Objective, provenance: Mapping[str, Any], *, phase: str = CONFIRM
    ) -> None:
        """Write a run's file, then its line in the manifest: at once where that is quick, else with those of the next runs.

        Writing all lines takes longer the more there are, and is to take half a percent of the time. To be called in :meth:`settled`.
        """
        run = outcome.run
        groups = groups_of(outcome, provenance)
        file = self.file_of(run, phase)
        sha256 = schema.write_tree(groups, self.folder / file)
        self.manifest["runs"][run.id] = {
            "file": file,
            "sha256": sha256,
            "arm": run.arm,
            "seed": run.seed,
            "phase": phase,
            "status": outcome.status,
            "score": objective.of(outcome),
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self._lags = True
        with suppress(OSError):  # there is none, as a rule
            self._failure(run).unlink()
            self._failure(run).parent.rmdir()
        self.save_if_due()

    def save_if_due(self) -> None:
        """Write the manifest where it lacks lines and was not written for two hundred times as long as that takes, or two minutes."""
        if self._lags and time.monotonic() - self._saved > min(_RARER * self._took, _LONGEST):
            self.save()


def groups_of(outcome: Outcome, provenance: Mapping[str, Any]) -> Any:
    """A run's outcome as the groups of its file."""
    run = outcome.run
    unmeasured = [
        {"group": group, "epoch": epoch, "error": error}
        for group, epochs in outcome.unmeasured.items()
        for epoch, error in epochs.items()
    ]
    return schema.run_groups(
        run_id=run.id,
        arm=run.arm,
        seed=run.seed,
        status=outcome.status,
        by_epoch=outcome.by_epoch,
        epochs=outcome.epochs,
        at_best=outcome.at_best,
        best_epoch=outcome.best_epoch,
        measured=outcome.measured,
        seconds=outcome.seconds,
        provenance={"spec": run.model_dump(mode="json"), **provenance}
        | ({"unmeasured": unmeasured} if unmeasured else {}),
    )


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a results folder. InputRefusedError where there is none, IntegrityError where it is damaged."""
    return manifests.read(folder)


def check_code(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Raise IntegrityError where a copy of a user's code is not the file that was written. It may be gone: it is then copied again."""
    for entry in manifest.get("code", {}).values():
        path = folder / entry["file"]
        if path.exists() and schema.digest(path) != entry["sha256"]:
            raise IntegrityError(
                f"{path} is not the file that was written: its SHA-256 differs from the manifest. `verify --repair` moves it aside, and the next run copies it again."
            )


def sweep(folder: Path) -> list[Path]:
    """Remove what a process that died left half-written in a study's folder, and return what it was. For the one that holds the folder.

    A page or an export may be written by a command beside it that needs no lock, and takes seconds: those are left for an hour.
    """
    found = [path for path in sorted(folder.rglob(".*.part")) if path.is_file() and _is_left(path)]
    for path in found:
        path.unlink(missing_ok=True)
    return found


def _is_left(path: Path) -> bool:
    by_anyone = path.name.startswith((".report.html.", ".study.nc."))
    return not by_anyone or time.time() - path.stat().st_mtime > _HOUR


def only_driver(out: Path, study: Study, warn: Warn = warnings.warn) -> AbstractContextManager[None]:
    """Hold the study's folder for this process, as :func:`holding` does; it is made where it does not exist."""
    return holding(out / study.id, warn)


@contextmanager
def holding(folder: Path, warn: Warn = warnings.warn) -> Iterator[None]:
    """Hold a study's folder for this process.

    Raises TryAgainError where another process holds it, InputRefusedError where it cannot be written to.
    """
    lock = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.open("a").close()
    except OSError as error:
        raise InputRefusedError(
            f"Cannot write to {folder}: {error.strerror}. Choose another folder with --out."
        ) from error
    with ExitStack() as held:
        try:
            held.enter_context(_locked(lock, 0, warn))
        except Timeout as error:
            raise TryAgainError(f"Another process is running this study in {folder}; wait for it to finish.") from error
        yield


@contextmanager
def taking_turns(out: Path, warn: Warn, seconds: float = -1) -> Iterator[None]:
    """Wait until no other driver sets up or updates the databases in ``out``: two at once leave a fresh SQLite one unusable.

    Raises TimeoutError where that takes longer than so many seconds; by default it is waited for as long as it takes.
    """
    with _locked(out / ".databases.lock", seconds, warn):
        yield


@contextmanager
def _locked(path: Path, timeout: float, warn: Warn) -> Iterator[None]:
    """Hold a lock, which ends with this process however it ends. Where it cannot be had, for another reason than that another process
    holds it, warn and go on without.

    Raises filelock's Timeout where another process holds the lock after ``timeout`` seconds; a negative one waits as long as it takes.
    """
    # a marker file instead, as filelock would have it, would outlive a driver that was killed
    lock = FileLock(path, fallback_to_soft=False)
    with ExitStack() as held:
        try:
            try:
                held.enter_context(lock.acquire(timeout=0))
            except Timeout:
                _raise_unless_held(path)
                held.enter_context(lock.acquire(timeout=timeout))
        except Timeout:
            raise
        except OSError as error:
            why = ": the file system has no locks" if error.errno in _NO_LOCKS else ""
            warn(
                f"{path} cannot be locked ({error.strerror or error}){why}. Going on without; make sure that no other process writes to "
                f"{path.parent}."
            )
        yield


def _raise_unless_held(path: Path) -> None:
    """Raise the OSError for which a lock is refused, unless it is that another process holds it: filelock takes EACCES for that too."""
    with path.open("a") as file, suppress(ImportError, BlockingIOError):
        import fcntl  # Windows has none

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def spec_bytes(manifest: Mapping[str, Any]) -> bytes:
    """What ``spec.json`` holds: the study that the manifest is of."""
    return (json.dumps(manifest["study"], indent=1, sort_keys=True) + "\n").encode()
