"""The study's own run in MLflow, above those of its arms and seeds: made, and told what came out whenever that has changed."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric
from mlflow.entities import Run as MlflowRun
from mlflow.exceptions import MlflowException

from zoneout_lab import schema
from zoneout_lab.study.patience import Answered
from zoneout_lab.study.tracked_content import Content
from zoneout_lab.study.tracked_run import FINISHED, SHA256, SOURCE, VALUES, is_there
from zoneout_lab.study.tracked_study import NOTE, VERDICT, data_of, params_of, study_record
from zoneout_lab.study.tracked_told import log, put

_LARGEST = 1 << 27  # bytes of a file that is sent to a server only because it may be of use there


def new_parent(
    client: MlflowClient, experiment: str, name: str, tags: Mapping[str, str], content: Content
) -> MlflowRun:
    """Have a study recorded of which nothing is there; ``tags`` say whose it is."""
    tags = {**tags, **SOURCE, NOTE: study_record(content.manifest, None).tags[NOTE]}
    return client.create_run(experiment, start_time=content.times[0], tags=tags, run_name=name)


def tell_of_study(client: MlflowClient, parent: MlflowRun, content: Content, answered: Answered) -> None:
    """Have the study's own run say what came out so far. Said in one go after its runs, and no more until any of it changes."""
    own, now, said = parent.info.run_id, int(time.time() * 1000), content.study
    # what is no longer so cannot be deleted
    metrics = dict.fromkeys(parent.data.metrics, math.nan) | dict(said.metrics)
    log(
        client,
        own,
        answered,
        params=params_of(content.manifest["study"]),  # the same values again are no fault
        tags=said.tags,
        metrics=[Metric(name, value, now, 0) for name, value in metrics.items()],
    )
    for tag in parent.data.tags:
        if tag.startswith(VERDICT) and tag not in said.tags:
            client.delete_tag(own, tag)
            answered()
    # what a training function reads is not known
    if content.manifest["data"] and (parent.inputs is None or not parent.inputs.dataset_inputs):
        _name_data(client, own, content.manifest)
        answered()
    client.set_tag(own, VALUES, content.state)
    answered()
    client.set_terminated(own, FINISHED, content.times[1])
    answered()


def _name_data(client: MlflowClient, run_id: str, manifest: Mapping[str, Any]) -> None:
    # all runs have the same; naming them with each takes a tenth of the time that it takes to publish one
    name, source = data_of(manifest)
    digest = str(manifest["data"])[:36]  # the most that MLflow holds
    data = Dataset(name=name, digest=digest, source_type="zoneout_lab", source=source)
    inputs = [DatasetInput(data, [InputTag("mlflow.data.context", "training")])]
    try:
        client.log_inputs(run_id, inputs)
    except MlflowException:
        # another driver recorded the same data for the first time just now; the second time they are there
        client.log_inputs(run_id, inputs)


def put_report(
    client: MlflowClient, parent: MlflowRun, folder: Path, database: Path | None, answered: Answered
) -> None:
    """Have the report among the artifacts of the study's own run, with what it is made of."""
    report = folder / "report.html"
    known = (
        str(parent.data.tags.get(SHA256, "")) if database is None or is_there(report, parent.info.artifact_uri) else ""
    )
    if not report.exists() or known == (sha256 := schema.digest(report)):
        return
    for file in (report, folder / "study.nc", folder / "spec.json"):
        # who has the report can do without what would take hours to send
        if file.exists() and (database is not None or file.stat().st_size <= _LARGEST):
            answered(file.stat().st_size)
            put(client, parent, file)
    client.set_tag(parent.info.run_id, SHA256, sha256)
    answered()
