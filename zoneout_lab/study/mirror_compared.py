"""Whether Optuna and MLflow have of a study what its files have: the files are the truth, and a database can be made anew from them."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from zoneout_lab.results.open import from_export
from zoneout_lab.study.databases import sqlite_path, sqlite_url
from zoneout_lab.study.mirror_owner import owner
from zoneout_lab.study.patience import Answered, nobody_waits
from zoneout_lab.study.store import read_manifest
from zoneout_lab.study.tracked_place import follow
from zoneout_lab.study.tracked_run import is_there, last_metrics
from zoneout_lab.study.trials import told_of


@dataclass(frozen=True)
class Mirrored:
    """How a database differs from the files: ids of runs that it lacks, has more than once, or has otherwise than their files.

    A run that was trained again has a record for each file; that of the file which is there counts.
    """

    runs: int
    lacking: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """True where the database has every run once, as its file has it."""
        return not (self.lacking or self.doubled or self.wrong)


def in_optuna(folder: Path, storage: str) -> Mirrored:
    """How Optuna's database differs from a study's folder. Nothing is written: an SQLite file is copied and the copy is read.

    Raises IntegrityError where the manifest is damaged, and what Optuna and the database's driver raise.
    """
    manifest = read_manifest(folder)
    entries = manifest["runs"]
    with _copied(storage) as url:
        found = told_of(url, owner(folder, storage, manifest))
    told = {run_id: [(each.sha256, each.status, each.score) for each in found.get(run_id, ())] for run_id in entries}
    wanted = {run_id: (entry["sha256"], entry["status"], entry["score"]) for run_id, entry in entries.items()}
    return _compared(wanted, told)


def in_mlflow(folder: Path, tracking: str, answered: Answered = nobody_waits) -> Mirrored:
    """How MLflow differs from a study's folder: the digest, the status and the last of each metric of every run, and whether its file is among
    the artifacts beside an SQLite file. Nothing is written.

    ``answered`` is called whenever there is progress.

    Raises IntegrityError where a file is damaged, and what MLflow and its database raise.
    """
    from zoneout_lab.study.tracking import told_of as told_of_mlflow

    manifest = read_manifest(folder)
    entries, database = manifest["runs"], sqlite_path(tracking)
    with _copied(tracking) as uri:
        if database is not None and (copy := sqlite_path(uri)) is not None and copy.is_file():
            follow(copy, beside=database)  # as the next run will do
        found = told_of_mlflow(uri, manifest, owner(folder, tracking, manifest), answered)
    # reading a file takes time, and what is not there needs none
    metrics = _last_metrics(folder, {run_id: entry for run_id, entry in entries.items() if found.get(run_id)}, answered)
    wanted = {
        run_id: (entry["sha256"], entry["status"], metrics.get(run_id), True) for run_id, entry in entries.items()
    }
    told = {
        run_id: [
            # where a server is told, files may lie on its machine
            (
                each["sha256"],
                each["status"],
                each["metrics"],
                database is None or is_there(folder / entry["file"], each["place"]),
            )
            for each in found.get(run_id, ())
        ]
        for run_id, entry in entries.items()
    }
    return _compared(wanted, told)


def _last_metrics(
    folder: Path, entries: Mapping[str, Mapping[str, Any]], answered: Answered
) -> dict[str, dict[str, float]]:
    """The last of each metric of runs, by id: from ``study.nc`` where the run is in it, else from its own file."""
    if not entries:
        return {}
    tree = from_export(folder, hashed=False)
    found = {} if tree is None else _of_tree(tree)
    for run_id, entry in entries.items():
        if run_id not in found:
            found[run_id] = last_metrics(folder / entry["file"], entry["sha256"])
            answered()
    return found


def _of_tree(tree: xr.DataTree) -> dict[str, dict[str, float]]:
    ids = tree["provenance/run_id"].transpose("arm", "seed").values
    stacked = {
        str(name): _last(values.transpose("arm", "seed", ...).values)
        for name, values in tree["metrics"].to_dataset().data_vars.items()
        if values.dtype.kind == "f"
    }
    return {
        str(ids[cell]): {name: float(values[cell]) for name, values in stacked.items() if np.isfinite(values[cell])}
        for cell in np.ndindex(ids.shape)
    }


def _last(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The last finite value along what follows [arm, seed]; NaN where there is none."""
    by_step = np.full((*values.shape[:2], 1 + math.prod(values.shape[2:])), np.nan)
    by_step[:, :, 1:] = values.reshape(*values.shape[:2], -1)
    last = by_step.shape[2] - 1 - np.isfinite(by_step)[:, :, ::-1].argmax(axis=2)
    return np.take_along_axis(by_step, last[:, :, None], axis=2)[:, :, 0]


def _compared(wanted: Mapping[str, tuple[Any, ...]], told: Mapping[str, list[tuple[Any, ...]]]) -> Mirrored:
    lacking, doubled, wrong = [], [], []
    for run_id, facts in wanted.items():
        of_file = [each for each in told[run_id] if each[0] == facts[0]]
        if not of_file:
            lacking.append(run_id)
        elif len(of_file) > 1:
            doubled.append(run_id)
        elif of_file[0] != facts:
            wrong.append(run_id)
    return Mirrored(len(wanted), tuple(lacking), tuple(doubled), tuple(wrong))


@contextmanager
def _copied(url: str) -> Iterator[str]:
    """The URL of a copy where it is of an SQLite file: opening one may change it, or make it where there is none."""
    path = sqlite_path(url)
    if path is None:
        yield url
        return
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / path.name
        for end in ("", "-wal", "-journal"):
            beside = path.with_name(path.name + end)
            if beside.is_file():
                shutil.copyfile(beside, copy.with_name(copy.name + end))
        yield sqlite_url(copy)
