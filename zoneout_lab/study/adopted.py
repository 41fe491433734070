"""Files of runs that the manifest lacks: written by a driver that died before their lines were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from zoneout_lab import schema, sealed
from zoneout_lab.errors import IntegrityError, LabError, told
from zoneout_lab.frozen import AnyRun
from zoneout_lab.study.objective import Objective
from zoneout_lab.study.store import Store, Warn
from zoneout_lab.study.takeover import about


def adopt(store: Store, runs: Iterable[AnyRun], objective: Objective, warn: Warn, *, phase: str) -> list[AnyRun]:
    """Give those of a study's runs their lines in the manifest whose files are whole; returns them.

    A file that is not whole, or not of that run, is left for its run to be written over, and ``warn`` is told.

    Args:
        store: the study's folder, whose manifest has none of these runs.
        runs: what to look for.
        objective: what the manifest has of a run.
        warn: told of files that are not what they should be.
        phase: of the study that the runs belong to.
    """
    adopted = []
    for run in runs:
        file = store.file_of(run, phase)
        path = store.folder / file
        if not path.is_file():
            continue
        try:
            line = _line(store, run, path, objective)
        except (LabError, KeyError, TypeError, AttributeError, ValueError, OSError) as error:
            warn(f"{path} is in no manifest and cannot be used ({told(error)}). The run is trained again.")
            continue
        store.manifest["runs"][run.id] = {"file": file, "arm": run.arm, "seed": run.seed, "phase": phase} | line
        adopted.append(run)
    if adopted:
        store.save()
    return adopted


def unlisted(folder: Path, manifest: Mapping[str, Any]) -> list[Path]:
    """The files of runs in a study's folder that its manifest does not have: the next run looks at them."""
    listed = {entry["file"] for entry in manifest["runs"].values()}
    return [path for path in sorted(folder.glob("runs/*.nc")) if f"runs/{path.name}" not in listed]


def _line(store: Store, run: AnyRun, path: Path, objective: Objective) -> dict[str, Any]:
    """What a run's file says for the manifest. Raises IntegrityError where it is not whole, not of this run or on other data."""
    if not sealed.is_whole(path.read_bytes()):
        raise IntegrityError("nothing says that it is whole")
    sha256 = schema.digest(path)
    groups = schema.read_groups(path, sha256)
    line = {"sha256": sha256} | about(groups, run, objective)
    data, finished = (schema.decoded(groups["/provenance"].attrs, key) for key in ("data", "finished"))
    if not isinstance(data, dict) or data.get("digest") != store.manifest["data"]:
        raise IntegrityError("it is on other data")
    return line | ({"written": finished} if isinstance(finished, str) else {})
