"""Whether Optuna and MLflow have of a study what its files have: the files are the truth, and a database can be made anew from them."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zoneout_lab import schema
from zoneout_lab.study.databases import sqlite_path, sqlite_url
from zoneout_lab.study.mirror_owner import owner
from zoneout_lab.study.patience import Answered, nobody_waits, own_work
from zoneout_lab.study.store import read_manifest
from zoneout_lab.study.tracked_content import Content
from zoneout_lab.study.tracked_place import follow
from zoneout_lab.study.tracked_run import is_there
from zoneout_lab.study.tracked_values import last_of, mark, own_curves, own_values, results_of
from zoneout_lab.study.trial_records import pairs, says
from zoneout_lab.study.trial_records import wanted as wanted_trials
from zoneout_lab.study.trials import told_of


@dataclass(frozen=True)
class Mirrored:
    """How a database differs from the files: ids of runs that it lacks, has more than once, or has otherwise than their files.

    A run that was trained again has a record for each file; that of the file which is there counts.
    """

    runs: int
    lacking: tuple[Any, ...] = ()
    doubled: tuple[Any, ...] = ()
    wrong: tuple[Any, ...] = ()

    @property
    def agrees(self) -> bool:
        """True where the database has every run once, as its file has it."""
        return not (self.lacking or self.doubled or self.wrong)


def in_optuna(folder: Path, storage: str) -> Mirrored:
    """How Optuna's database differs from a study's folder. Nothing is written: an SQLite file is copied and the copy is read.

    A setting whose runs are not all there is no trial yet, and nothing is lacking.

    Raises IntegrityError where a file is damaged, and what Optuna and the database's driver raise.
    """
    manifest = read_manifest(folder)
    trials = {(each.arm, pairs(each.trial)): says(each.trial) for each in wanted_trials(folder, manifest)}
    with _copied(storage) as url:
        told = told_of(url, owner(folder, storage, manifest))
    of_trials = _compared(
        {key: (key, facts) for key, facts in trials.items()},
        {key: [(key, facts) for facts in told.get(key, ())] for key in trials},
    )
    ids = {kind: tuple(sorted(run for _, of in getattr(of_trials, kind) for run, _ in of)) for kind in _KINDS}
    return Mirrored(len(manifest["runs"]), **ids)


def in_mlflow(folder: Path, tracking: str, answered: Answered = nobody_waits) -> Mirrored:
    """How MLflow differs from a study's folder: the digest, the status, the values and the last of each curve of every run, and whether its
    file is among the artifacts beside an SQLite file; the verdicts and means of the study's own run. Nothing is written.

    What an earlier version recorded is lacking. ``answered`` is called whenever there is progress.

    Raises IntegrityError where a file is damaged, and what MLflow and its database raise.
    """
    from zoneout_lab.study.tracking import told_of as told_of_mlflow

    manifest = read_manifest(folder)
    entries, database = manifest["runs"], sqlite_path(tracking)
    with _copied(tracking) as uri:
        if database is not None and (copy := sqlite_path(uri)) is not None and copy.is_file():
            follow(copy, beside=database)  # as the next run will do
        found = told_of_mlflow(uri, manifest, owner(folder, tracking, manifest), answered)
    content = Content(folder, manifest, answered)
    # reading files takes time, and what is not there needs none
    there = {run_id: entry for run_id, entry in entries.items() if found.get(run_id)}
    with own_work(answered):
        metrics = _metrics(folder, there, content)
    wanted = {
        run_id: (
            (entry["sha256"], mark(content.values_of(run_id)) if there else ""),
            (entry["status"], metrics.get(run_id), True),
        )
        for run_id, entry in entries.items()
    }
    told = {
        run_id: [
            (
                (each["sha256"], each["values"]),
                # where a server is told, files may lie on its machine
                (
                    each["status"],
                    each["metrics"],
                    database is None or is_there(folder / entry["file"], each["place"]),
                ),
            )
            for each in found.get(run_id, ())
        ]
        for run_id, entry in entries.items()
    }
    mirrored = _compared(wanted, told)
    of_study = [each["metrics"] for each in found.get("", ()) if each["values"] == content.state]
    if of_study and any(_finite(each) != content.study.metrics for each in of_study):
        return replace(mirrored, wrong=(*mirrored.wrong, folder.name))
    return mirrored


def _metrics(folder: Path, entries: Mapping[str, Mapping[str, Any]], content: Content) -> dict[str, dict[str, float]]:
    """What MLflow is told last under each name of a run, by id. Curves are those of ``study.nc`` where the run is in it, else of its own file."""
    if not entries:
        return {}
    if content.tree is None:
        results_of(folder)  # a damaged file is named
    found = {}
    for run_id, entry in entries.items():
        values, curves = content.values_of(run_id), content.curves_of(run_id)
        if values is None or curves is None:
            groups = schema.read_groups(folder / entry["file"], entry["sha256"], only=schema.ITSELF)
            values = own_values(groups) if values is None else values
            curves = own_curves(groups)
        found[run_id] = values | last_of(curves)
    return found


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    """Without what is no longer so, which MLflow keeps as not a number."""
    return {name: value for name, value in values.items() if math.isfinite(value)}


_KINDS = ("lacking", "doubled", "wrong")
#: what tells the record of a file from one of another, and what it says
_Record = tuple[tuple[Any, ...], tuple[Any, ...]]


def _compared(wanted: Mapping[Any, _Record], told: Mapping[Any, list[_Record]]) -> Mirrored:
    lacking, doubled, wrong = [], [], []
    for run_id, (of, facts) in wanted.items():
        found = [each for each in told[run_id] if each[0] == of]
        if not found:
            lacking.append(run_id)
        elif len(found) > 1:
            doubled.append(run_id)
        elif found[0][1] != facts:
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
