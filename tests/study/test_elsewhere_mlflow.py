"""Runs of any MLflow experiment as results: finished ones alone; a server that does not answer is given up."""

from __future__ import annotations

import dataclasses
import json
import math
import socket
import time
from pathlib import Path

import numpy as np
import pytest

import zoneout_lab as zl
from zoneout_lab import schema
from zoneout_lab.cli.judge import Asked, show_judged
from zoneout_lab.errors import InputRefusedError, TryAgainError, UsageError
from zoneout_lab.study import patience
from zoneout_lab.study.tracked_database import client_of

# Alembic and SQLAlchemy warn of MLflow's own use of them
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

FIELDS = {"arm": "params.method", "seed": "params.seed"}
METRICS = {"val/acc": zl.Metric("validation accuracy", better="higher")}


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    with client_of(uri) as client:
        experiment = client.create_experiment("mine", (folder / "artifacts").as_uri())

        def run(status: str | None, **params: object) -> str:
            run_id = client.create_run(experiment).info.run_id
            for name, value in params.items():
                client.log_param(run_id, name, value)
            if params:
                client.log_metric(run_id, "val/acc", 0.1)  # the last one counts
                client.log_metric(
                    run_id, "val/acc", 0.8 + 0.001 * int(str(params["seed"])) + 0.01 * (params["method"] == "new")
                )
            if status:
                client.set_terminated(run_id, status)
            return str(run_id)

        for method in ("plain", "new"):
            for seed in range(6):
                run("FINISHED", method=method, seed=seed)
        run("FAILED", method="plain", seed=6)
        run("KILLED", method="plain", seed=7)
        run(None, method="new", seed=6)
        run("FINISHED")
        client.delete_run(run("FINISHED", method="new", seed=0))
        experiment = client.create_experiment("diverging", (folder / "artifacts").as_uri())
        for k, value in enumerate((math.inf, -math.inf, 0.5, math.nan)):
            client.log_metric(run("FINISHED", method="plain", seed=k), "val/acc", value)
    return uri


def test_finished_runs_are_compared_and_the_others_counted(uri: str):
    database = Path(uri.removeprefix("sqlite:///"))
    results = zl.results_from_mlflow(database, "mine", **FIELDS, metrics=METRICS, baseline="plain")
    c = zl.judge(results)[0].comparison
    assert (c.verdict, c.seeds, c.lost) == ("supported", tuple(range(6)), ())
    assert c.arm_values[0] == 0.81
    source = schema.provenance(results, "source")
    assert source["notes"][:2] == [
        "Runs that did not finish, or were deleted, are left out: 1 failed, 1 killed, 1 running, 1 deleted.",
        "1 finished run without params.method is left out.",
    ]
    assert source["name"] == "the MLflow experiment mine"


def test_infinities_of_which_a_database_keeps_the_largest_number_are_no_scores(uri: str):
    results = zl.results_from_mlflow(uri, "diverging", **FIELDS, metrics=METRICS)
    np.testing.assert_array_equal(results["metrics"]["val_acc"][0], [np.nan, np.nan, 0.5, np.nan])
    # the one that is no number is none of them
    assert "2 values of val/acc are infinite and count as missing." in schema.provenance(results, "source")["notes"]


def test_runs_that_are_not_paired_need_no_seed(uri: str):
    results = zl.results_from_mlflow(uri, "mine", arm="params.method", metrics=METRICS, paired=False, baseline="plain")
    c = zl.judge(results)[0].comparison
    assert (c.paired, len(c.arm_values), len(c.against_values), c.verdict) == (False, 6, 6, "supported")
    with pytest.raises(InputRefusedError, match="block is 5; give the name of a column, or a list of names"):
        zl.results_from_mlflow(uri, "mine", block=5, metrics=METRICS)


def test_what_is_not_there_is_named(uri: str, tmp_path: Path):
    with pytest.raises(UsageError, match=r"no experiment 'mime'\. Did you mean 'mine'"):
        zl.results_from_mlflow(uri, "mime", **FIELDS, metrics=METRICS)
    with pytest.raises(UsageError, match=r"no metric 'acc'.*Known: val/acc"):
        zl.results_from_mlflow(uri, "mine", **FIELDS, metrics=["acc"])
    with pytest.raises(UsageError, match=r"begins with params\. or tags\."):
        zl.results_from_mlflow(uri, "mine", arm="method", metrics=["acc"])
    with pytest.raises(InputRefusedError, match=r"No finished run of mine has params.arm and params.seed"):
        zl.results_from_mlflow(uri, "mine", metrics=METRICS)
    absent = tmp_path / "absent.db"
    with pytest.raises(InputRefusedError, match="is not an MLflow database"):
        zl.results_from_mlflow(f"sqlite:///{absent}", "mine", metrics=METRICS)
    with pytest.raises(InputRefusedError, match="is not an MLflow database"):
        zl.results_from_mlflow(absent, "mine", metrics=METRICS)
    with pytest.raises(InputRefusedError, match="experiment is 3; give its name or its id"):
        zl.results_from_mlflow(uri, 3, metrics=METRICS)  # type: ignore[arg-type]
    with pytest.raises(InputRefusedError, match="uri is None; give the URI"):
        zl.results_from_mlflow(None, "mine", metrics=METRICS)  # type: ignore[arg-type]
    with pytest.raises(InputRefusedError, match="There is no folder"):
        zl.results_from_mlflow(str(tmp_path / "mlruns"), "mine", metrics=METRICS)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch):
    assert patience.PATIENCE < 20 / 2
    monkeypatch.setattr(patience, "PATIENCE", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        with pytest.raises(TryAgainError, match="does not answer"):
            zl.results_from_mlflow(f"http://127.0.0.1:{silent.getsockname()[1]}", "mine", metrics=METRICS)
        assert time.monotonic() - start < 10


def test_on_the_command_line(uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    asked = Asked(experiment="mine", arm="params.method", baseline="plain", metric=["val/acc"], better=["higher"])
    show_judged(uri, asked, report=tmp_path / "report.html", out=None, as_json=True)
    read = json.loads(capsys.readouterr().out)
    assert read["source"]["name"] == "the MLflow experiment mine"
    assert read["judgements"][0]["comparison"]["verdict"] == "supported"
    assert "not run here" in (tmp_path / "report.html").read_text().lower()
    for table, wrong, said in (
        (uri, {"state": "status"}, "an experiment has none"),
        (uri, {"arm": "method"}, "'method' is not a field of a run"),
        (uri, {"experiment": "yours"}, "no experiment 'yours'"),
        (uri, {"experiment": None}, "say which with --experiment"),
        ("http://me:secret@127.0.0.1:9", {"experiment": None}, "say which with --experiment"),
    ):
        with pytest.raises(UsageError, match=said):
            show_judged(table, dataclasses.replace(asked, **wrong), report=None, out=tmp_path / "x.nc", as_json=False)
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
