"""MLflow: a parent run for the study, a child for each run; a mirror of the files, brought up to date as often as one likes.

Only the one driver writes, one run after another: several processes on a fresh SQLite database leave it unusable.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Metric, RunInfo
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException

from zoneout_lab.errors import InputRefusedError, TryAgainError, UsageError
from zoneout_lab.netcdf import Described
from zoneout_lab.study.databases import TRACKING_VARIABLE, check_database_url, quiet, sqlite_path, without_password
from zoneout_lab.study.mirror_owner import Owner, owner
from zoneout_lab.study.mirror_records import once_in_mlflow
from zoneout_lab.study.patience import Answered, nobody_waits
from zoneout_lab.study.sqlite_rows import in_pieces
from zoneout_lab.study.store import read_manifest
from zoneout_lab.study.tracked_content import Content
from zoneout_lab.study.tracked_database import client_of, is_database
from zoneout_lab.study.tracked_database import half_made as half_made
from zoneout_lab.study.tracked_database import make_database as make_database
from zoneout_lab.study.tracked_parent import new_parent, put_report, tell_of_study
from zoneout_lab.study.tracked_place import follow, place_of
from zoneout_lab.study.tracked_rows import inserted
from zoneout_lab.study.tracked_run import (
    FINISHED,
    FOLDER,
    PARENT,
    RUN,
    SHA256,
    STUDY,
    VALUES,
    Record,
    is_there,
    linked,
    record_of,
)
from zoneout_lab.study.tracked_stored import stored_runs
from zoneout_lab.study.tracked_told import log, put
from zoneout_lab.study.tracked_values import mark

_PAGE = 1000
#: shown by MLflow's pages as training, and not as the evaluation of a language model
_EXPERIMENT = {"mlflow.experimentKind": "custom_model_development"}


def check_tracking(uri: str | None) -> None:
    """Raise UsageError where the URI given, or else $MLFLOW_TRACKING_URI, is not a URL that MLflow accepts. No server is
    contacted."""
    origin = "--tracking" if uri else f"${TRACKING_VARIABLE}"
    uri = uri or os.environ.get(TRACKING_VARIABLE)
    if not uri:
        return
    if is_database(uri):
        check_database_url(uri, origin)
        return
    try:
        parts = urlsplit(uri)
        MlflowClient(tracking_uri=uri)
        taken = bool(parts.netloc) or not parts.scheme.startswith("http")
    except (MlflowException, ValueError):
        taken = False
    if not taken:
        raise UsageError(
            f"{origin} {without_password(uri)!r} is not a place that MLflow can write to. It takes a URL: sqlite:///mlflow.db for a file, "
            "http://localhost:5000 for a server. Without one the runs are recorded in --out; --no-tracking leaves MLflow out."
        )


def publish(folder: Path, uri: str, *, answered: Answered = nobody_waits) -> int:
    """Bring MLflow up to date with a study's folder; returns how many runs were added. Again adds nothing.

    Args:
        folder: the study's results folder.
        uri: tracking URI, see :func:`~zoneout_lab.study.databases.tracking_uri`.
        answered: is told of each answer of the server.

    Raises InputRefusedError where the study's experiment was deleted in MLflow, and whatever MLflow and its database raise.
    """
    with client_of(uri) as client:
        return _publish(client, folder, uri, answered)


def told_of(
    uri: str, manifest: Mapping[str, Any], whose: Owner, answered: Answered = nobody_waits
) -> dict[str, list[dict[str, Any]]]:
    """What MLflow has of the finished runs of a study's folder, by our ids, and under an empty one of the study itself: ``sha256``, ``values``
    and ``status`` as it was told, ``metrics``, the last of each, and ``place``, where it looks for the run's file.

    Nothing where it does not have the study. Raises what MLflow and its database raise where it cannot be read.
    """
    database = sqlite_path(uri)
    with quiet("mlflow", "alembic"), client_of(uri) as client:
        found = client.get_experiment_by_name(manifest["study"]["name"])
        experiment = None if found is None else str(found.experiment_id)
        everyones = stored_runs(database, experiment, whose.study) if database is not None and experiment else None
        if everyones is None and experiment is not None:
            everyones = _of_study(client, experiment, whose.study, answered)
    runs = _belonging(everyones or [], whose, manifest)
    return {
        run_id: [
            {
                "sha256": run.data.tags.get(SHA256),
                "values": run.data.tags.get(VALUES),
                "status": run.data.tags.get("status"),
                "metrics": dict(run.data.metrics),
                "place": run.info.artifact_uri,
            }
            for run in each
            if run.info.status == FINISHED
        ]
        for run_id, each in runs.items()
    }


def forget(folder: Path, uri: str, *, answered: Answered = nobody_waits) -> None:
    """Delete a study's runs in MLflow, so that they are published anew."""
    with client_of(uri) as client:
        manifest = read_manifest(folder)
        found = client.get_experiment_by_name(manifest["study"]["name"])
        if found is None or found.lifecycle_stage == LifecycleStage.DELETED:
            return
        for runs in _there(client, found.experiment_id, owner(folder, uri, manifest), manifest, answered).values():
            for run in runs:
                client.delete_run(run.info.run_id)
                answered()


def _publish(client: MlflowClient, folder: Path, uri: str, answered: Answered) -> int:
    manifest = read_manifest(folder)
    study = manifest["study"]
    experiment = _experiment(client, study["name"], uri, folder.parent)
    if (database := sqlite_path(uri)) is not None:
        follow(database)
    answered()
    whose = owner(folder, uri, manifest)
    there = _only_one_each(client, _there(client, experiment, whose, manifest, answered), answered)
    _take_in(client, there.values(), whose, answered)
    before = _of_this_version(client, there.pop("", None))
    content = Content(folder, manifest, answered)
    as_it_is = before is not None and _mark(before) == content.state
    parent = before or new_parent(client, experiment, whose.study, _tags(whose), content)
    answered()
    new = {}
    for run_id, entry in manifest["runs"].items():
        found = there.get(run_id)
        known = (
            found is not None
            and _sha256(found) == entry["sha256"]
            and (_mark(found) != "" if as_it_is else _mark(found) == mark(content.values_of(run_id)))
        )
        if known or not (folder / entry["file"]).exists():
            if found is not None and found.data.tags.get(PARENT) != parent.info.run_id:
                client.set_tag(found.info.run_id, PARENT, parent.info.run_id)  # whose own was deleted
                answered()
            file = folder / entry["file"]
            # of a file that is gone from its folder, what MLflow has may be the last
            if (
                found is not None
                and database is not None
                and file.exists()
                and not is_there(file, found.info.artifact_uri)
            ):
                put(client, found, file)
            continue
        new[run_id] = entry

    def records() -> Iterator[Record]:
        tags = _tags(whose) | {PARENT: parent.info.run_id}
        alike: Described = {}
        for run_id, entry in new.items():
            values, curves = content.values_of(run_id), content.curves_of(run_id)
            yield record_of(folder, run_id, entry, tags, values, curves, alike)
            if run_id in there:
                client.delete_run(there[run_id].info.run_id)

    _add(client, experiment, uri, records(), answered)
    put_report(client, parent, folder, database, answered)
    if not as_it_is:
        tell_of_study(client, parent, content, answered)
    if new and not (database is not None and once_in_mlflow(database, whose, new)):
        # by another driver, on another machine, at the same time: both keep the same ones
        kept = _only_one_each(client, _there(client, experiment, whose, manifest, answered), answered)
        if lost := new.keys() - kept.keys():
            raise TryAgainError(f"somebody deleted {len(lost)} of {len(new)} runs while they were recorded")
    return len(new)


def _tags(whose: Owner) -> dict[str, str]:
    return {STUDY: whose.study} | ({} if whose.folder is None else {FOLDER: whose.folder})


def _add(client: MlflowClient, experiment: str, uri: str, records: Iterator[Record], answered: Answered) -> None:
    """Have new runs recorded: the first by MLflow's client, those after it as rows beside it where its database is an SQLite file."""
    database = sqlite_path(uri)
    like: str | None = None
    for piece in in_pieces(records):
        if like is None:
            like = _tell(client, experiment, piece.pop(0), answered)
        if database is None or like is None or not inserted(database, like, piece):
            for record in piece:
                like = _tell(client, experiment, record, answered)
        answered()


def _tell(client: MlflowClient, experiment: str, record: Record, answered: Answered) -> str:
    """Have a run recorded in MLflow, and return its id there."""
    made = client.create_run(experiment, record.start, dict(record.tags), record.name).info
    answered()
    try:
        _fill(client, made, record, answered)
    except MlflowException:
        # another driver of the same folder had recorded it too, found it there twice, and kept its own
        if client.get_run(made.run_id).info.lifecycle_stage != LifecycleStage.DELETED:
            raise
    return str(made.run_id)


def _fill(client: MlflowClient, made: RunInfo, record: Record, answered: Answered) -> None:
    metrics = [Metric(name, value, record.end, step) for name, value, step in record.metrics]
    log(client, made.run_id, answered, params=record.params, metrics=metrics)
    if not linked(record.file, str(made.artifact_uri)):
        answered(record.file.stat().st_size)
        client.log_artifact(made.run_id, str(record.file))
        answered()
    client.set_terminated(made.run_id, FINISHED, record.end)
    answered()


def _experiment(client: MlflowClient, name: str, uri: str, out: Path) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage == LifecycleStage.DELETED:
        at = shlex.quote(without_password(uri))
        raise InputRefusedError(
            f"its experiment {name!r} was deleted. To have it back: MLFLOW_TRACKING_URI={at} mlflow experiments restore "
            f"--experiment-id {found.experiment_id}, and run again. Or name another place with --tracking"
        )
    if found is not None:
        return str(found.experiment_id)
    location, database = None, sqlite_path(uri)
    if database is not None or is_database(uri):
        # otherwise artifacts go to a folder below wherever the command happened to be started; a server has a place of its own
        location = place_of(database if database is not None else out / "mlflow.db", name).as_uri()
    try:
        return str(client.create_experiment(name, location, _EXPERIMENT))
    except MlflowException:
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return str(found.experiment_id)  # another driver's, made just now


def _there(
    client: MlflowClient, experiment: str, whose: Owner, manifest: Mapping[str, Any], answered: Answered
) -> dict[str, list[MlflowRun]]:
    return _belonging(_of_study(client, experiment, whose.study, answered), whose, manifest)


def _belonging(everyones: list[MlflowRun], whose: Owner, manifest: Mapping[str, Any]) -> dict[str, list[MlflowRun]]:
    """A folder's runs in MLflow, by our run id (empty for the parent): those that say so, and those of its very files, whatever they say, with
    their parent. The database may have been beside the folder, or among others, and was moved since."""
    files = {entry["sha256"] for entry in manifest["runs"].values()}
    ours = [
        run
        for run in everyones
        if run.data.tags.get(FOLDER) == whose.folder or (RUN in run.data.tags and run.data.tags.get(SHA256) in files)
    ]
    known = {run.info.run_id for run in ours}
    parents = {run.data.tags.get(PARENT) for run in ours if run.data.tags.get(FOLDER) != whose.folder} - known
    found: dict[str, list[MlflowRun]] = {}
    for run in (*ours, *(each for each in everyones if each.info.run_id in parents)):
        found.setdefault(run.data.tags.get(RUN, ""), []).append(run)
    return found


def _take_in(client: MlflowClient, runs: Iterable[MlflowRun], whose: Owner, answered: Answered) -> None:
    """Have runs say whose they are."""
    for run in runs:
        if run.data.tags.get(FOLDER) == whose.folder:
            continue
        if whose.folder is None:
            client.delete_tag(run.info.run_id, FOLDER)
        else:
            client.set_tag(run.info.run_id, FOLDER, whose.folder)
        answered()


def _of_study(client: MlflowClient, experiment: str, study: str, answered: Answered) -> list[MlflowRun]:
    """All runs that say they are of a study, whichever folder's."""
    found: list[MlflowRun] = []
    token = None
    quote = '"' if "'" in study else "'"
    asked = "" if quote in study else f"tags.`{STUDY}` = {quote}{study}{quote}"
    while True:
        page = client.search_runs([experiment], asked, max_results=_PAGE, page_token=token)
        answered()
        for run in page:
            if run.data.tags.get(STUDY) == study:
                found.append(run)
        token = page.token
        if not token:
            return found


def _only_one_each(client: MlflowClient, runs: dict[str, list[MlflowRun]], answered: Answered) -> dict[str, MlflowRun]:
    """One of each, the others deleted: left by a driver that died, or made by two at once. Whoever looks keeps the same one."""
    kept = {}
    for run_id, each in runs.items():
        first, *others = sorted(
            each, key=lambda run: (run.info.status != FINISHED, run.info.start_time, run.info.run_id)
        )
        kept[run_id] = first
        for run in others:
            client.delete_run(run.info.run_id)
            answered()
    return kept


def _sha256(run: MlflowRun) -> str:
    """The digest of the file that a run was published from; nothing where publishing it was cut off."""
    return str(run.data.tags.get(SHA256, "")) if run.info.status == FINISHED else ""


def _mark(run: MlflowRun) -> str:
    """What tells what a run was told; nothing where telling it was cut off, and of those of earlier versions."""
    return str(run.data.tags.get(VALUES, "")) if run.info.status == FINISHED else ""


def _of_this_version(client: MlflowClient, parent: MlflowRun | None) -> MlflowRun | None:
    """The study's own run; None where there is none, or one of an earlier version, which did not know when it began: that is deleted."""
    if parent is not None and parent.info.status == FINISHED and not _mark(parent):
        client.delete_run(parent.info.run_id)
        return None
    return parent
