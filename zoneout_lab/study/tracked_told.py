"""MLflow's client told of many values, and of files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.entities import Run as MlflowRun

from zoneout_lab.study.patience import Answered
from zoneout_lab.study.tracked_run import linked, unlink_one

_METRICS, _OTHERS = 800, 100  # MLflow takes a thousand values at once, and a hundred parameters or tags among them


def log(
    client: MlflowClient,
    run_id: str,
    answered: Answered,
    *,
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
    metrics: Sequence[Metric] = (),
) -> None:
    """Log any number of each, in batches as large as MLflow takes."""
    all_params = [Param(*each) for each in (params or {}).items()]
    all_tags = [RunTag(*each) for each in (tags or {}).items()]
    while all_params or all_tags or metrics:
        client.log_batch(run_id, metrics=metrics[:_METRICS], params=all_params[:_OTHERS], tags=all_tags[:_OTHERS])
        answered()
        metrics, all_params, all_tags = metrics[_METRICS:], all_params[_OTHERS:], all_tags[_OTHERS:]


def put(client: MlflowClient, run: MlflowRun, file: Path) -> None:
    """Have a file among a run's artifacts, in place of one of its name."""
    place = str(run.info.artifact_uri)
    unlink_one(file, place)
    if not linked(file, place):
        client.log_artifact(run.info.run_id, str(file))
