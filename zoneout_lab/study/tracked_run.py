"""One run as MLflow records it: what it is told of a run's file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

from zoneout_lab import schema
from zoneout_lab.netcdf import Group

STUDY, RUN, SHA256, PARENT = "zoneout_lab.study", "zoneout_lab.run", "zoneout_lab.sha256", "mlflow.parentRunId"
#: the tag that says which results folder of its study a run is of
FOLDER = "zoneout_lab.folder"
FINISHED = "FINISHED"


@dataclass(frozen=True)
class Record:
    """What MLflow is told of a run: ``metrics`` are name, value and epoch, finite values only, because MLflow stores infinity as a number."""

    file: Path
    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: tuple[tuple[str, float, int], ...]


def record_of(folder: Path, run_id: str, entry: Mapping[str, Any], parent: Mapping[str, str]) -> Record:
    """What is told of a run of a study's folder, with the tags ``parent``, which say whose it is. Raises IntegrityError where its file is
    damaged."""
    file = folder / entry["file"]
    groups = schema.read_groups(file, entry["sha256"])
    recorded = groups["/provenance"].attrs
    spec = schema.decoded(recorded, "spec")
    tags = {
        **parent,
        RUN: run_id,
        SHA256: entry["sha256"],
        "status": entry["status"],
        "phase": entry["phase"],
        "git": str(schema.decoded(recorded, "git")),
    }
    values = {"arm": entry["arm"], "seed": entry["seed"], "task": spec["task"], "seeds": spec["seeds"]}
    params = flat(values) | flat(spec["setting"]) | flat({"regularizer": spec["regularizer"]})
    return Record(file, f"{entry['arm']} · seed {entry['seed']}", tags, params, tuple(_metrics(groups["/metrics"])))


def last_metrics(file: Path, sha256: str) -> dict[str, float]:
    """What MLflow is told last of each metric of a run's file: finite values only. Raises IntegrityError where the file is damaged."""
    return {name: value for name, value, _ in _metrics(schema.read_groups(file, sha256)["/metrics"])}


def is_there(file: Path, place: str) -> bool:
    """True where a file is among the artifacts that lie in a folder, or they lie where that cannot be told."""
    folder = _folder(place)
    if folder is None:
        return True
    try:
        return (folder / file.name).stat().st_size == file.stat().st_size
    except OSError:
        return False


def linked(file: Path, place: str) -> bool:
    """Have a file among the artifacts that lie in a folder, without a second copy of it. False where it has to be copied or sent there."""
    folder = _folder(place)
    if folder is None:
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.link(file, folder / file.name)
    except OSError:  # another file system, or one without links
        return False
    return True


def unlink_one(file: Path, place: str) -> None:
    """Remove what bears a file's name among the artifacts that lie in a folder: something is wrong with it."""
    if (folder := _folder(place)) is not None:
        (folder / file.name).unlink(missing_ok=True)


def unlink(places: Iterable[str]) -> None:
    """Remove the folders of artifacts that :func:`linked` made for runs that are not recorded after all."""
    for folder in filter(None, map(_folder, places)):
        if folder.name == "artifacts":  # as MLflow calls it, below one that is named after the run
            shutil.rmtree(folder.parent, ignore_errors=True)


def _folder(place: str) -> Path | None:
    found = urlsplit(place)
    return Path(unquote(found.path)) if found.scheme == "file" and not found.netloc else None


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested values as MLflow's parameters.

    >>> flat({"seed": 1, "model": {"cell": {"kind": "lstm"}}})
    {'seed': '1', 'model.cell.kind': 'lstm'}
    """
    out: dict[str, str] = {}
    for name, value in values.items():
        out |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": str(value)}
    return out


def _metrics(group: Group) -> Iterator[tuple[str, float, int]]:
    epochs = group.variables["epoch"][1] if "epoch" in group.variables else [0]
    for name, (dims, values, _) in group.variables.items():
        if name in dims or not np.issubdtype(values.dtype, np.number):
            continue
        for step, value in zip(epochs if "epoch" in dims else [0], np.atleast_1d(values), strict=True):
            if np.isfinite(value):
                yield name, float(value), int(step)
