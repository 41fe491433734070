"""Runs that another study's folder has already: found by their identity, and taken over instead of trained.

A run's id is the hash of everything its numbers are a function of. The number of seeds, the hypotheses and the title are not among
that, so that a study with more seeds, or with a hypothesis put otherwise, shares its runs with the folder of the earlier one.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoneout_lab import schema, whole
from zoneout_lab.errors import InputRefusedError, IntegrityError, LabError, told
from zoneout_lab.frozen import AnyRun
from zoneout_lab.netcdf import Group
from zoneout_lab.report.text import count
from zoneout_lab.study.objective import Objective
from zoneout_lab.study.store import Store, read_manifest

Warn = Callable[[str], None]


@dataclass
class Siblings:
    """The other results folders beside a study's own, on the same data.

    Args:
        out: the folder of results folders.
        own: the name of the study's own folder, which need not exist.
        data: digest of the data that it runs on.
        warn: told what of the others is damaged. No damage raises: what cannot be taken over is trained.
    """

    out: Path
    own: str
    data: str
    warn: Warn
    _found: dict[str, dict[str, Any]] | None = field(default=None, init=False)
    _told: set[str] = field(default_factory=set, init=False)

    @property
    def manifests(self) -> Mapping[str, dict[str, Any]]:
        """Name of a folder → its manifest, read once, by name."""
        if self._found is None:
            self._found = dict(self._read())
        return self._found

    def holding(self, run_id: str) -> Iterator[tuple[Path, dict[str, Any]]]:
        """The folders that have a run's file as it was written, each with its line in the manifest."""
        for name, manifest in self.manifests.items():
            entry = manifest["runs"].get(run_id)
            if entry is None:
                continue
            folder = self.out / name
            try:
                file = folder / entry["file"]  # which reading the manifest has checked
                if not file.is_file():
                    continue
                whole = schema.digest(file) == entry["sha256"]
            except (OSError, KeyError, TypeError) as error:
                self.damaged(folder, f"the entry of run {run_id} is {entry!r} ({error!r})")
                continue
            if whole:
                yield folder, dict(entry)
            else:
                self.damaged(folder, f"the SHA-256 of {entry['file']} differs from the manifest")

    def _read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for path in sorted(self.out.glob("*/MANIFEST.json")):
            folder = path.parent
            if folder.name == self.own:
                continue
            try:
                manifest = read_manifest(folder)
            except LabError as error:
                self.damaged(folder, str(error))
                continue
            if manifest.get("data") == self.data and manifest.get("schema") == schema.VERSION:
                yield folder.name, manifest

    def damaged(self, folder: Path, why: str) -> None:
        """Say once for each folder that it is damaged."""
        if folder.name not in self._told:
            self._told.add(folder.name)
            self.warn(
                f"{folder} is damaged: {why.rstrip('.')}. Such runs are not taken over from it; they are trained."
            )


def take_over(
    store: Store, runs: Iterable[AnyRun], siblings: Siblings, objective: Objective, *, phase: str
) -> dict[str, str]:
    """Take over the runs that a sibling has: run id → name of the folder that it is from.

    A file is linked where the file system can, else copied, and has its own name only once it is checked. The manifest's line says
    ``from`` where.

    Args:
        store: the study's folder, which lacks these runs.
        siblings: where to look.
        objective: what the manifest has of a run.
        phase: of the study that the runs belong to.
    """
    taken: dict[str, str] = {}
    try:
        for run in runs:
            for folder, entry in siblings.holding(run.id):
                try:
                    found = _take(store, run, folder / entry["file"], str(entry["sha256"]), objective, phase)
                except IntegrityError as error:
                    siblings.damaged(folder, str(error))
                    continue
                when = {"written": entry["written"]} if "written" in entry else {}  # older manifests do not say
                store.manifest["runs"][run.id] = found | when | {"from": folder.name}
                taken[run.id] = folder.name
                break
    finally:
        if taken:  # once for all of them: each save writes the whole manifest
            store.save()
    return taken


def found(runs: Iterable[str], siblings: Siblings) -> dict[str, str]:
    """Id of a run → name of the folder that it would be taken over from, of those runs that a sibling has. Writes nothing."""
    first = ((run_id, next(siblings.holding(run_id), None)) for run_id in runs)
    return {run_id: there[0].name for run_id, there in first if there is not None}


def _take(store: Store, run: AnyRun, file: Path, sha256: str, objective: Objective, phase: str) -> dict[str, Any]:
    """Have a sibling's file in the study's folder, and return what its manifest says of it.

    Raises IntegrityError where the file is not of this run, or changed while it was read.
    """
    name = store.file_of(run, phase)
    target = store.folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        try:
            os.link(file.resolve(), part)  # a link to a symbolic link would lead out of this folder
        except OSError:  # another file system, or one without links; or a leftover is in the way
            whole.write_bytes(part, file.read_bytes())
        found = about(schema.read_groups(part, sha256), run, objective)
        part.replace(target)
    except (OSError, InputRefusedError) as error:
        raise IntegrityError(f"{file.name} can be neither linked nor copied ({error}).") from error
    finally:
        with suppress(OSError):  # a rename onto another link to the same file leaves it
            part.unlink()
    return {"file": name, "sha256": sha256, "arm": run.arm, "seed": run.seed, "phase": phase} | found


def about(groups: Mapping[str, Group], run: AnyRun, objective: Objective) -> dict[str, Any]:
    """A run's status and value, read off its file. Raises IntegrityError where it is another run's, or says neither."""
    root = groups["/"].attrs
    spec = schema.decoded(groups["/provenance"].attrs, "spec") if "/provenance" in groups else None
    said = {key: root.get(key) for key in ("kind", "run_id", "arm", "seed")}
    ours = {"kind": "run", "run_id": run.id, "arm": run.arm, "seed": run.seed}
    if spec != run.model_dump(mode="json") or said != ours:
        raise IntegrityError(f"what it calls run {run.id} is another one.")
    try:
        metrics = groups["/metrics"].variables
        status, value = metrics["status"][1].item(), objective.read(metrics)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(f"it does not say how run {run.id} ended ({told(error)}).") from error
    if status not in ("finished", "diverged") or (status == "finished" and (value is None or not math.isfinite(value))):
        raise IntegrityError(f"it does not say how run {run.id} ended: {status!r} with the score {value}.")
    return {"status": status, "score": value}


def from_where(taken: Mapping[str, str], planned: int) -> str:
    """How many runs were found in which folders.

    >>> from_where({"a": "quickstart-1aeae2", "b": "quickstart-1aeae2"}, 4), from_where({}, 4)
    ('2 of 4 runs are there already, from quickstart-1aeae2', '')
    """
    folders = ", ".join(dict.fromkeys(taken.values()))
    are = "is" if len(taken) == 1 else "are"
    return f"{len(taken)} of {count(planned, 'run')} {are} there already, from {folders}" if taken else ""
