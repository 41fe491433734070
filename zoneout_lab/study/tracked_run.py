"""One run as MLflow records it: what it is told of a run's file."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from zoneout_lab import schema
from zoneout_lab.netcdf import Described, Group
from zoneout_lab.study.tracked_values import Curves, Values, as_key, mark, own_curves, own_values

STUDY, RUN, SHA256, PARENT = "zoneout_lab.study", "zoneout_lab.run", "zoneout_lab.sha256", "mlflow.parentRunId"
#: the tag that says which results folder of its study a run is of
FOLDER = "zoneout_lab.folder"
#: the tag that says which numbers were recorded of a run, or in which state a study was
VALUES = "zoneout_lab.values"
#: the tag that MLflow shows as a run's version, and those of what made it
COMMIT = "mlflow.source.git.commit"
SOURCE = {"mlflow.source.name": "zoneout-lab", "mlflow.source.type": "LOCAL"}
FINISHED = "FINISHED"


@dataclass(frozen=True)
class Record:
    """What MLflow is told of a run: ``metrics`` are name, value and epoch, finite values only, because MLflow stores infinity as a number.

    ``start`` and ``end`` are in milliseconds: of the batch that it trained in.
    """

    file: Path
    name: str
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Curves
    start: int
    end: int


def record_of(
    folder: Path,
    run_id: str,
    entry: Mapping[str, Any],
    parent: Mapping[str, str],
    values: Values | None = None,
    curves: Curves | None = None,
    alike: Described | None = None,
) -> Record:
    """What is told of a run of a study's folder.

    Args:
        folder: the study's.
        run_id: the run's.
        entry: its line in the manifest.
        parent: tags that say whose it is.
        values: its numbers as the report has them; None: those that its file has of itself.
        curves: its metrics by epoch; None: those of its file.
        alike: what files read before say of their variables, as :func:`~zoneout_lab.schema.read_groups` takes it.

    Raises IntegrityError where its file is damaged.
    """
    file = folder / entry["file"]
    known = values is not None and curves is not None
    groups = schema.read_groups(file, entry["sha256"], alike, schema.ORIGIN if known else schema.ITSELF)
    recorded = groups["/provenance"].attrs
    spec = schema.decoded(recorded, "spec")
    tags = {
        **parent,
        **SOURCE,
        RUN: run_id,
        SHA256: entry["sha256"],
        VALUES: mark(values),
        "status": entry["status"],
        "phase": entry["phase"],
        **_origin(recorded),
    }
    start, end = times(groups, entry)
    metrics = [(name, value, 0) for name, value in (own_values(groups) if values is None else values).items()]
    curves = own_curves(groups) if curves is None else curves
    name = f"{entry['arm']} · seed {entry['seed']}"
    return Record(file, name, tags, _params(spec, entry), (*metrics, *curves), start, end)


def times(groups: Mapping[str, Group], entry: Mapping[str, Any]) -> tuple[int, int]:
    """When the batch that a run trained in began and ended, in milliseconds. Runs record when they ended, and their equal shares of what it took."""
    provenance = groups["/provenance"]
    # files of the first versions do not say when, and their manifests may
    text = schema.decoded(provenance.attrs, "finished") or entry.get("written")
    try:
        end = datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        end = time.time()
    share = float(provenance.variables["seconds"][1]) * float(schema.decoded(provenance.attrs, "replicas") or 1)
    return int(1000 * (end - (share if math.isfinite(share) else 0.0))), int(1000 * end)


def _origin(recorded: Mapping[Any, Any]) -> dict[str, str]:
    """Where a run comes from: the commit, versions, the machine, what computed it."""
    said = {
        key: schema.decoded(recorded, key) for key in ("git", "engine", "replicas", "versions", "machine", "cluster")
    }
    tags = flat({key: value for key, value in said.items() if value is not None})
    return tags | ({COMMIT: tags["git"]} if "git" in tags else {})


def _params(spec: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, str]:
    """What a run is a function of, whichever of these it has: a setting and a regularizer, or what a training function is given."""
    ours = flat({key: spec[key] for key in ("task", "seeds") if spec.get(key) is not None})
    ours |= flat({"arm": entry["arm"], "seed": entry["seed"]})
    ours |= flat(spec.get("setting") or {})
    if spec.get("regularizer"):
        ours |= flat({"regularizer": spec["regularizer"]})
    theirs = {as_key(name): value for name, value in flat(spec.get("params") or {}).items()}
    return ours | {(f"params.{name}" if name in ours else name): value for name, value in theirs.items()}


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
