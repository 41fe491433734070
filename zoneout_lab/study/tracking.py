"""MLflow: a parent run for the study, a child for each run; a mirror of the files, brought up to date as often as one likes.

Only the one driver writes, one run after another: several processes on a fresh SQLite database leave it unusable.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import xarray as xr
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LifecycleStage, Metric, Param
from mlflow.exceptions import MlflowException

from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.study.databases import check_database_url, quiet, sqlite_path, sqlite_url, without_password
from zoneout_lab.study.store import read_manifest

_VARIABLE, _RETRIES = "MLFLOW_TRACKING_URI", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_BATCH = 1000
_STUDY, _RUN, _SHA256 = "zoneout_lab.study", "zoneout_lab.run", "zoneout_lab.sha256"


def tracking_uri(uri: str | None, out: Path) -> str:
    """The URI given, else $MLFLOW_TRACKING_URI, else SQLite in ``out``."""
    return uri or os.environ.get(_VARIABLE) or sqlite_url(out / "mlflow.db")


def check_tracking(uri: str | None) -> None:
    """Raise UsageError where the URI given, or else $MLFLOW_TRACKING_URI, is not a URL that MLflow accepts. No server is
    contacted."""
    origin = "--tracking" if uri else f"${_VARIABLE}"
    uri = uri or os.environ.get(_VARIABLE)
    if not uri:
        return
    if uri.partition(":")[0].partition("+")[0] in _DATABASES:
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


def publish(folder: Path, uri: str) -> int:
    """Bring MLflow up to date with a study's folder; returns how many runs were added. Again adds nothing.

    Args:
        folder: the study's results folder.
        uri: tracking URI, see :func:`tracking_uri`.

    Raises InputRefusedError where the study's experiment was deleted in MLflow, and whatever MLflow and its database raise.
    """
    with _impatient(), quiet("mlflow", "alembic"):
        return _publish(folder, uri)


@contextmanager
def _impatient() -> Iterator[None]:
    """MLflow's own default keeps a finished study waiting four minutes for a server that is not there."""
    if _RETRIES in os.environ:
        yield
        return
    os.environ[_RETRIES] = "2"
    try:
        yield
    finally:
        os.environ.pop(_RETRIES, None)


def _publish(folder: Path, uri: str) -> int:
    client = MlflowClient(tracking_uri=uri)
    manifest = read_manifest(folder)
    study = manifest["study"]
    experiment = _experiment(client, study["name"], uri)
    there = _there(client, experiment, folder.name)
    parent = there.get("") or _parent(client, experiment, folder, manifest)
    added = 0
    for run_id, entry in manifest["runs"].items():
        if there.get(run_id, ("", ""))[1] == entry["sha256"] or not (folder / entry["file"]).exists():
            if run_id in there and "" not in there:
                client.set_tag(there[run_id][0], "mlflow.parentRunId", parent[0])  # whose own was deleted
            continue
        if run_id in there:
            client.delete_run(there[run_id][0])
        _child(client, experiment, parent[0], folder, run_id, entry)
        added += 1
    report = folder / "report.html"
    if report.exists() and parent[1] != (sha256 := schema.digest(report)):
        for file in (report, folder / "study.nc", folder / "spec.json"):
            client.log_artifact(parent[0], str(file))
        client.set_tag(parent[0], _SHA256, sha256)
    client.set_terminated(parent[0], "FINISHED")
    return added


def _experiment(client: MlflowClient, name: str, uri: str) -> str:
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
    if database is not None:
        # otherwise artifacts go to a folder below wherever the command happened to be started
        location = (database.parent / "mlartifacts" / name).absolute().as_uri()
    return str(client.create_experiment(name, artifact_location=location))


def _there(client: MlflowClient, experiment: str, study_id: str) -> dict[str, tuple[str, str]]:
    """Finished runs of the study in MLflow: our run id (empty for the parent) → MLflow's run id and the file's digest."""
    found: dict[str, tuple[str, str]] = {}
    token = None
    while True:
        page = client.search_runs([experiment], f"tags.`{_STUDY}` = '{study_id}'", max_results=1000, page_token=token)
        for run in page:
            tags = run.data.tags
            complete = run.info.status == "FINISHED"
            found[tags.get(_RUN, "")] = (run.info.run_id, tags.get(_SHA256, "") if complete else "incomplete")
        token = page.token
        if not token:
            return found


def told_of(uri: str, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What MLflow has of a study's finished runs, by our ids: ``sha256`` and ``status`` as it was told, and ``metrics``, the last of each.

    Nothing where it does not have the study. Raises what MLflow and its database raise where it cannot be read.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    with _impatient(), quiet("mlflow", "alembic"):
        client = MlflowClient(tracking_uri=uri)
        experiment = client.get_experiment_by_name(read_manifest(folder)["study"]["name"])
        token, asked = None, experiment is not None
        while asked and experiment is not None:
            page = client.search_runs(
                [experiment.experiment_id], f"tags.`{_STUDY}` = '{folder.name}'", max_results=1000, page_token=token
            )
            for run in page:
                tags = run.data.tags
                if tags.get(_RUN) and run.info.status == "FINISHED":
                    about = {
                        "sha256": tags.get(_SHA256),
                        "status": tags.get("status"),
                        "metrics": dict(run.data.metrics),
                    }
                    found.setdefault(tags[_RUN], []).append(about)
            token = page.token
            asked = bool(token)
    return found


def last_metrics(file: Path, sha256: str) -> dict[str, float]:
    """What MLflow is told last of each metric of a run's file: finite values only. Raises IntegrityError where the file is damaged."""
    return {metric.key: metric.value for metric in _metrics(schema.read_tree(file, sha256))}


def _parent(client: MlflowClient, experiment: str, folder: Path, manifest: dict[str, Any]) -> tuple[str, str]:
    study = manifest["study"]
    tags = {
        _STUDY: folder.name,
        "mlflow.note.content": f"**{study['title']}**\n\n{study['question']}\n\n`{manifest['command']}`",
    }
    run_id = client.create_run(experiment, run_name=folder.name, tags=tags).info.run_id
    values = {"arms": len(study["arms"]), "seeds": study["seeds"], "alpha": study["alpha"], "task": study["task"]}
    client.log_batch(run_id, params=[*_params(values), *_params(study["setting"])])
    return run_id, ""


def _child(
    client: MlflowClient, experiment: str, parent: str, folder: Path, run_id: str, entry: dict[str, Any]
) -> None:
    file = folder / entry["file"]
    tree = schema.read_tree(file, entry["sha256"])
    spec = schema.provenance(tree, "spec")
    tags = {
        "mlflow.parentRunId": parent,
        _STUDY: folder.name,
        _RUN: run_id,
        _SHA256: entry["sha256"],
        "status": entry["status"],
        "phase": entry["phase"],
        "git": str(schema.provenance(tree, "git")),
    }
    name = f"{entry['arm']} · seed {entry['seed']}"
    mlflow_id = client.create_run(experiment, run_name=name, tags=tags).info.run_id
    values = {"arm": entry["arm"], "seed": entry["seed"], "task": spec["task"], "seeds": spec["seeds"]}
    client.log_batch(
        mlflow_id, params=[*_params(values), *_params(spec["setting"]), *_params({"regularizer": spec["regularizer"]})]
    )
    metrics = list(_metrics(tree))
    for k in range(0, len(metrics), _BATCH):
        client.log_batch(mlflow_id, metrics=metrics[k : k + _BATCH])
    data = schema.provenance(tree, "data") or {}
    dataset = Dataset(
        name=spec["task"],
        digest=str(data.get("digest", ""))[:36],  # the most that MLflow holds
        source_type="zoneout_lab",
        source=json.dumps({"task": spec["task"], "options": spec["setting"]["options"], "sha256": data.get("digest")}),
    )
    client.log_inputs(mlflow_id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
    client.log_artifact(mlflow_id, str(file))
    client.set_terminated(mlflow_id, "FINISHED")


def _metrics(tree: xr.DataTree) -> Iterator[Metric]:
    """Finite values only: MLflow stores infinity as a number."""
    now = int(time.time() * 1000)
    group = tree["metrics"].to_dataset()
    for name, values in group.data_vars.items():
        if not np.issubdtype(values.dtype, np.number):
            continue
        steps = group["epoch"].values if "epoch" in values.dims else [0]
        for step, value in zip(steps, np.atleast_1d(values.values), strict=True):
            if np.isfinite(value):
                yield Metric(str(name), float(value), now, int(step))


def _params(values: dict[str, Any], prefix: str = "") -> list[Param]:
    out = []
    for name, value in values.items():
        if isinstance(value, dict):
            out += _params(value, f"{prefix}{name}.")
        else:
            out.append(Param(f"{prefix}{name}", str(value)))
    return out
