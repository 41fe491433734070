"""A study of somebody's own training function in MLflow and Optuna, as any other."""

from __future__ import annotations

import shutil
from pathlib import Path

import mlflow
import optuna
import own_training
import pytest
from mlflow import MlflowClient
from small_study import manifest, run

from zoneout_lab import Arm, open_results
from zoneout_lab.results.arms import arm_values
from zoneout_lab.study.databases import sqlite_url
from zoneout_lab.study.mirror_compared import in_mlflow, in_optuna
from zoneout_lab.study.trial_records import objective

# SQLAlchemy deprecates what MLflow uses of it
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return run(own_training.study(), tmp_path_factory.mktemp("own"), tracking="default").folder


def test_both_have_what_the_files_have(folder):
    assert in_optuna(folder, sqlite_url(folder.parent / "optuna.db")).agrees
    assert in_mlflow(folder, sqlite_url(folder.parent / "mlflow.db")).agrees


def test_mlflow_shows_params_values_and_curves(folder):
    mlflow.set_tracking_uri(sqlite_url(folder.parent / "mlflow.db"))
    try:
        runs = mlflow.search_runs(experiment_names=["own_training"], filter_string="tags.phase = 'confirm'")
    finally:
        mlflow.set_tracking_uri(None)  # which puts it into the environment, too
    assert set(runs["params.params.seed"]) == {"3"}
    assert set(runs.loc[runs["params.arm"] == "full", "params.dropout"]) == {"0.5"}
    last = [accuracy * 3 / 4 for accuracy in runs["metrics.test_accuracy"]]
    assert runs["metrics.curve/test_accuracy"].tolist() == pytest.approx(last)
    assert "metrics.test_accuracy_by_epoch" not in runs
    means = runs.groupby("params.arm")["metrics.test_accuracy"].mean()
    client = MlflowClient(tracking_uri=sqlite_url(folder.parent / "mlflow.db"))
    (parent,) = {
        client.get_run(own).info.run_id: client.get_run(own) for own in runs["tags.mlflow.parentRunId"]
    }.values()
    for row in arm_values(open_results(folder), "test_accuracy"):
        assert means[row.arm] == pytest.approx(row.mean)
        assert parent.data.metrics[f"test_accuracy/{row.arm}/mean"] == row.mean
        assert f"valid_accuracy/{row.arm}/mean" in parent.data.metrics
    assert parent.data.tags["verdict.helps"] == "supported"
    assert parent.inputs.dataset_inputs == []  # what the function reads is not known


def test_optuna_has_the_params_that_were_searched(folder):
    url = sqlite_url(folder.parent / "optuna.db")
    assert optuna.get_all_study_names(url) == [folder.name, f"{folder.name}/tuned"]
    study = optuna.load_study(study_name=f"{folder.name}/tuned", storage=url)
    assert study.metric_names == ["valid_accuracy"]
    assert study.direction.name == "MAXIMIZE"
    found = [(trial.params, trial.value) for trial in study.trials]
    record = manifest(folder)["tuning"]["tuned"]
    assert sorted(found, key=str) == sorted(((each["params"], each["value"]) for each in record["trials"]), key=str)
    assert study.best_params == record["best"]
    assert set(optuna.importance.get_param_importances(study)) <= {"dropout", "width"}


def test_the_metric_of_a_study_that_tunes_nothing_is_read_off_its_runs(tmp_path):
    """Its record has the metrics in another order than the study, whose first it is."""
    study = own_training.study(arms=(Arm(name="full"),), hypotheses=(), tuning=None, seeds=1)
    folder = run(study, tmp_path, force=True).folder
    assert objective(folder, manifest(folder)) == ("valid_accuracy", "higher")
    shutil.rmtree(folder / "runs")
    assert objective(folder, manifest(folder)) is None


def test_a_curve_with_the_name_of_a_metric_is_called_and_measured_as_it_is(folder):
    metrics = open_results(folder)["metrics"]
    metric, curve = metrics["test_accuracy"].attrs, metrics["test_accuracy_by_epoch"].attrs
    assert curve["long_name"] == f"{metric['long_name']} by epoch"
    assert curve["units"] == metric["units"] != ""
