"""MLflow mirrors the files: a parent for the study, a child for each run, brought up to date as often as one likes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import optuna
import pytest
from mlflow import MlflowClient
from small_study import ARMS, DIVERGES, file_of, listening, manifest, run, small

from zoneout_lab import schema
from zoneout_lab.errors import UsageError
from zoneout_lab.study import tracking
from zoneout_lab.study.databases import sqlite_url, tracking_uri
from zoneout_lab.study.mirror_compared import in_mlflow
from zoneout_lab.study.run import Summary
from zoneout_lab.study.tracking import publish

STUDY = small(arms=(*ARMS, DIVERGES), seeds=1)
OURS = "zoneout_lab.run"
# SQLAlchemy deprecates what MLflow uses of it
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """A study mirrored to a fresh SQLite database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return run(STUDY, tmp_path_factory.mktemp("mlflow"), tracking="default")


def mirrored(folder: Path):
    """The client, the experiment and all runs in it."""
    client = MlflowClient(tracking_uri=f"sqlite:///{folder.parent / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(STUDY.name)
    return client, experiment, list(client.search_runs([experiment.experiment_id]))


def parent_and_children(folder: Path):
    runs = mirrored(folder)[2]
    (parent,) = [run for run in runs if OURS not in run.data.tags]
    return parent, {run.data.tags[OURS]: run for run in runs if OURS in run.data.tags}


def test_a_parent_and_a_child_for_each_run(published):
    parent, children = parent_and_children(published.folder)
    runs = manifest(published.folder)["runs"]
    assert set(children) == set(runs)
    assert parent.info.run_name == published.folder.name
    assert STUDY.question in parent.data.tags["mlflow.note.content"]
    for run_id, child in children.items():
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.data.tags["zoneout_lab.sha256"] == runs[run_id]["sha256"]
        assert child.data.tags["status"] == runs[run_id]["status"]
        assert child.info.run_name == f"{runs[run_id]['arm']} · seed {runs[run_id]['seed']}"
    assert {run.info.status for run in (parent, *children.values())} == {"FINISHED"}


def test_parameters(published):
    _, children = parent_and_children(published.folder)
    for spec in STUDY.runs():
        params = children[spec.id].data.params
        assert params["arm"] == spec.arm
        assert params["training.lr"] == str(spec.setting.training.lr)
        assert params["model.hidden"] == "4"
        assert params["seeds.init"] == str(spec.seeds.init)
        assert params["regularizer.kind"] == spec.regularizer["kind"]


def test_curves_are_those_of_the_files_and_finite(published):
    client = mirrored(published.folder)[0]
    _, children = parent_and_children(published.folder)
    left_out = 0
    for run_id, entry in manifest(published.folder)["runs"].items():
        metrics = schema.read_tree(published.folder / entry["file"])["metrics"].to_dataset()
        for name, values in metrics.data_vars.items():
            if values.dims != ("epoch",):
                continue
            curve = f"curve/{name}"
            expected = dict(zip(metrics["epoch"].values.tolist(), values.values.tolist(), strict=True))
            finite = {step: value for step, value in expected.items() if np.isfinite(value)}
            history = client.get_metric_history(children[run_id].info.run_id, curve) if finite else []
            assert {each.step: each.value for each in history} == finite, (entry["arm"], name)
            if not finite:
                assert curve not in children[run_id].data.metrics
            left_out += len(expected) - len(finite)
    assert left_out > 0  # the diverging arm has some


def test_the_data_are_named_by_their_digest(published):
    parent, _ = parent_and_children(published.folder)
    digest = schema.provenance(schema.read_tree(file_of(published.folder, "lstm", 0)), "data")["digest"]
    (entry,) = parent.inputs.dataset_inputs
    assert (entry.dataset.name, entry.dataset.digest) == ("digits", digest[:36])
    assert digest in entry.dataset.source


def test_artifacts_are_the_files(published, tmp_path):
    client = mirrored(published.folder)[0]
    parent, children = parent_and_children(published.folder)
    assert {each.path for each in client.list_artifacts(parent.info.run_id)} == {"report.html", "study.nc", "spec.json"}
    for run_id, entry in manifest(published.folder)["runs"].items():
        (artifact,) = client.list_artifacts(children[run_id].info.run_id)
        path = Path(client.download_artifacts(children[run_id].info.run_id, artifact.path, str(tmp_path)))
        assert schema.digest(path) == entry["sha256"]
        kept = url2pathname(urlsplit(children[run_id].info.artifact_uri).path)
        assert (published.folder / entry["file"]).samefile(Path(kept) / artifact.path)  # and no second copy of it
    report = Path(client.download_artifacts(parent.info.run_id, "report.html", str(tmp_path)))
    assert report.read_bytes() == published.report.read_bytes()


def test_artifacts_lie_beside_the_database(published, monkeypatch):
    experiment = mirrored(published.folder)[1]
    assert experiment.artifact_location == (published.folder.parent / "mlartifacts" / STUDY.name).as_uri()


def state(folder: Path):
    """What MLflow holds, without times."""
    runs = mirrored(folder)[2]
    return sorted(
        (run.info.run_id, sorted(run.data.tags.items()), sorted(run.data.metrics.items()), run.info.status) for run in runs
    )  # fmt: skip


def test_publishing_again_adds_nothing(published):
    before = state(published.folder)
    assert run(STUDY, published.folder.parent, tracking="default").trained == 0
    assert publish(published.folder, tracking_uri(None, published.folder.parent)) == 0
    assert state(published.folder) == before


@pytest.fixture
def copy(published, tmp_path) -> Path:
    shutil.copytree(published.folder.parent, tmp_path / "copy")
    return tmp_path / "copy" / published.folder.name


def test_a_run_made_again_replaces_the_one_before(copy):
    _, before = parent_and_children(copy)
    lost = file_of(copy, "zoneout", 0)
    lost.unlink()
    run(STUDY, copy.parent, tracking="default")
    parent, after = parent_and_children(copy)
    assert after.keys() == before.keys()
    (changed,) = [run_id for run_id in after if after[run_id].info.run_id != before[run_id].info.run_id]
    assert changed == schema.read_tree(lost).attrs["run_id"]
    assert after[changed].data.tags["zoneout_lab.sha256"] == schema.digest(lost)
    assert parent.data.tags["zoneout_lab.sha256"] == schema.digest(copy / "report.html")


def test_a_run_left_running_by_a_crash_is_published_again(copy):
    client, experiment, _ = mirrored(copy)
    _, before = parent_and_children(copy)
    run_id, crashed = next(iter(before.items()))
    client.delete_run(crashed.info.run_id)
    tags = {key: crashed.data.tags[key] for key in (OURS, "zoneout_lab.study", "zoneout_lab.sha256")}
    half = client.create_run(experiment.experiment_id, tags=tags)  # created, and nothing logged
    assert publish(copy, tracking_uri(None, copy.parent)) == 1
    _, after = parent_and_children(copy)
    assert after.keys() == before.keys()
    assert after[run_id].info.run_id != half.info.run_id
    assert after[run_id].info.status == "FINISHED"
    assert after[run_id].data.metrics == crashed.data.metrics


def test_what_another_driver_recorded_meanwhile_is_there_once(copy, monkeypatch):
    """From a copy of the folder on another machine, so that no lock kept them apart."""
    url, add = sqlite_url(copy.parent / "new.db"), tracking._add

    def twice(client, experiment, uri, records, answered):
        both = list(records)
        add(client, experiment, uri, iter(both), answered)
        add(client, experiment, uri, iter(both), answered)

    monkeypatch.setattr(tracking, "_add", twice)
    assert publish(copy, url) == 3
    assert in_mlflow(copy, url).agrees


def test_where_it_goes(tmp_path, monkeypatch):
    assert tracking_uri(None, tmp_path) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://there")
    assert tracking_uri(None, tmp_path) == "http://there"
    assert tracking_uri("http://here", tmp_path) == "http://here"


@pytest.mark.parametrize(
    ("uri", "advice"),
    [
        ("http://me:secret@127.0.0.1:9", "Run again later to publish them"),
        ("sqlite:////proc/nowhere/mlflow.db", "Put that right, or name another place with --tracking"),
        ("sqlite:///{tmp}/text.db", "Move that file away"),
    ],
)
def test_an_outage_costs_a_warning(published, tmp_path, uri, advice):
    (tmp_path / "text.db").write_text("not a database, however far one reads. " * 30)
    uri = uri.format(tmp=tmp_path)
    watcher, heard = listening()
    started = time.monotonic()
    summary = run(STUDY, published.folder.parent, tracking=uri, watcher=watcher)
    assert time.monotonic() - started < 30
    assert summary.failed == []
    (text,) = heard
    assert f"MLflow at {uri.replace('secret', '***')} was not updated" in text
    assert "secret" not in text
    assert "results are complete" in text
    assert advice in text
    assert ("later" in text) == uri.startswith("http")
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ  # the caller's environment is as it was


NO_URLS = [
    "./mlruns",
    "mlruns",
    "file:///mlruns",
    "nonsense://x",
    "localhost:5000",
    "http:/x",
    "sqlite:/mlflow.db",
    "http://[",
]


@pytest.mark.parametrize("how", ["--tracking", "$MLFLOW_TRACKING_URI"])
@pytest.mark.parametrize("uri", NO_URLS)
def test_an_invalid_uri_is_refused_before_anything_is_written(tmp_path, monkeypatch, uri, how):
    monkeypatch.chdir(tmp_path)
    if how != "--tracking":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(UsageError, match=r"sqlite:///") as refused:
        run(STUDY, tmp_path, tracking=uri if how == "--tracking" else "default")
    assert f"{how} {uri!r}" in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_a_deleted_experiment_is_said_to_be_deleted(copy):
    client, experiment, runs = mirrored(copy)
    client.delete_experiment(experiment.experiment_id)
    watcher, heard = listening()
    run(STUDY, copy.parent, tracking="default", watcher=watcher)
    (text,) = heard
    assert f"experiment {STUDY.name!r} was deleted" in text
    assert f"MLFLOW_TRACKING_URI=sqlite:///{copy.parent}/mlflow.db mlflow" in text
    assert f"mlflow experiments restore --experiment-id {experiment.experiment_id}" in text
    assert "later" not in text
    client.restore_experiment(experiment.experiment_id)
    run(STUDY, copy.parent, tracking="default", watcher=watcher)
    assert len(heard) == 1
    assert len(mirrored(copy)[2]) == len(runs)


def test_runs_whose_parent_was_deleted_have_the_new_one(copy):
    client = mirrored(copy)[0]
    client.delete_run(parent_and_children(copy)[0].info.run_id)
    run(STUDY, copy.parent, tracking="default")
    parent, children = parent_and_children(copy)
    assert {child.data.tags["mlflow.parentRunId"] for child in children.values()} == {parent.info.run_id}


def test_a_folder_of_any_name_has_its_databases_in_it(tmp_path):
    """What means something in a URL means nothing in a folder's name."""
    out = tmp_path / "a?b%20c #ü&d=e"
    summary = run(STUDY, out, tracking="default")
    databases = [summary.folder.parent / f"{name}.db" for name in ("optuna", "mlflow")]
    assert all(path.is_file() for path in databases)
    assert list(tmp_path.iterdir()) == [out]  # no folder by another reading of that name
    client = MlflowClient(tracking_uri=tracking_uri(None, out))
    experiment = client.get_experiment_by_name(STUDY.name)
    (parent,) = [each for each in client.search_runs([experiment.experiment_id]) if OURS not in each.data.tags]
    report = client.download_artifacts(parent.info.run_id, "report.html", str(tmp_path))
    assert Path(report).read_bytes() == summary.report.read_bytes()
    assert len(list((out / "mlartifacts").rglob("report.html"))) == 1
    trials = optuna.load_study(study_name=summary.folder.name, storage=sqlite_url(databases[0])).trials
    assert len(trials) == len(STUDY.runs())
    assert run(STUDY, out, tracking="default").trained == 0


@pytest.mark.slow
def test_mlflows_server_shows_it(published, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{published.folder.parent / 'mlflow.db'}"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)
    try:
        body = _ask(
            f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search?max_results=10", server, tmp_path / "log"
        )
        assert f'"{STUDY.name}"' in body
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _ask(url: str, server: subprocess.Popen, log: Path) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert server.poll() is None, log.read_text()
        try:
            with opener.open(url, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text())
