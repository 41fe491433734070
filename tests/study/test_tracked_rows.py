"""Runs that are put into MLflow's database as rows are those that its own client would have recorded."""

from __future__ import annotations

import math
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from small_study import ARMS, DIVERGES, manifest, run, small

from zoneout_lab.errors import IntegrityError
from zoneout_lab.study import tracking
from zoneout_lab.study.databases import sqlite_url
from zoneout_lab.study.mirror_owner import owner
from zoneout_lab.study.run import Summary
from zoneout_lab.study.tracked_rows import inserted
from zoneout_lab.study.tracked_run import Record, record_of
from zoneout_lab.study.tracked_stored import stored_runs

STUDY = small(arms=(*ARMS, DIVERGES), seeds=2)
# SQLAlchemy deprecates what MLflow uses of it
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    return run(STUDY, tmp_path_factory.mktemp("rows"), tracking=None)


def told(database: Path) -> dict[str, Any]:
    """All that the client shows of each run, without what is drawn or measured: ids, places and times."""
    client, at = MlflowClient(tracking_uri=sqlite_url(database)), str(database.parent)
    (experiment,) = [each for each in client.search_experiments() if each.name == STUDY.name]
    shown = {}
    for each in client.search_runs([experiment.experiment_id]):
        own, facts = each.info.run_id, each.to_dictionary()
        facts["info"] |= {"artifact_uri": facts["info"]["artifact_uri"].replace(own, "").replace(at, "")}
        if "zoneout_lab.run" not in each.data.tags:
            facts["data"]["metrics"].clear()  # which are told at another time
        for name in ("run_id", "run_uuid"):
            facts["info"].pop(name, None)
        facts["data"]["tags"].pop("mlflow.parentRunId", None)
        curves = {name: [(m.step, m.value) for m in client.get_metric_history(own, name)] for name in each.data.metrics}
        files = [(file.path, file.file_size) for file in client.list_artifacts(own)]
        shown[each.data.tags.get("zoneout_lab.run", "")] = facts, curves, files
    return shown


def published(done: Summary, database: Path) -> Path:
    """MLflow's database with the study in it."""
    assert tracking.publish(done.folder, sqlite_url(database)) == len(manifest(done.folder)["runs"])
    return database


@pytest.fixture(scope="module")
def as_published(done, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It, where all runs but the first were inserted as rows."""
    rows: list[bool] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracking, "inserted", lambda *given: rows.append(inserted(*given)) or rows[-1])
        database = published(done, tmp_path_factory.mktemp("published") / "mlflow.db")
    assert rows == [True]
    return database


@pytest.fixture
def database(as_published, tmp_path) -> Path:
    """A copy of its own, which takes no seconds to make."""
    return Path(shutil.copy(as_published, tmp_path))


def by_client(*_: Any) -> bool:
    return False


def test_they_are_those_that_the_client_records(done, as_published, tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "inserted", by_client)
    client = told(published(done, tmp_path / "mlflow.db"))
    assert told(as_published) == client
    assert len(client) == 1 + len(manifest(done.folder)["runs"])


def test_a_database_with_other_tables_is_left_to_the_client(done, tmp_path):
    database = tmp_path / "mlflow.db"
    tracking.make_database(sqlite_url(database))
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("ALTER TABLE latest_metrics ADD COLUMN later TEXT")
    everything = told(published(done, database))
    with closing(sqlite3.connect(database)) as connection, connection:
        assert not inserted(database, one_of(connection), records(done))
    assert told(database) == everything


def test_what_other_versions_have_beside_a_run_is_as_in_the_run_that_the_client_recorded(done, database):
    with closing(sqlite3.connect(database)) as connection:
        with connection:
            connection.execute("ALTER TABLE runs ADD COLUMN workspace TEXT")
            connection.execute("UPDATE runs SET workspace = 'ours'")
        before = {own for (own,) in connection.execute("SELECT run_uuid FROM runs")}
        assert inserted(database, one_of(connection), records(done)[:2])
        added = [row for row in connection.execute("SELECT run_uuid, workspace FROM runs") if row[0] not in before]
    assert [workspace for _, workspace in added] == ["ours", "ours"]


@pytest.mark.parametrize(
    "change",
    [
        {"file": Path("gone.nc")},
        {"params": {"arm": "x" * 6001}},
        {"params": {"name?": "1"}},
        {"params": {"a//b": "1"}},
        {"params": {"../x": "1"}},
        {"metrics": (("valid;loss", 1.0, 1),)},
        {"metrics": (("valid_loss", "much", 1), ("valid_loss", 1j, 2))},
        {"tags": {"git": "\ud800"}},
    ],
    ids=str,
)
def test_all_of_a_piece_or_none(done, as_published, database, change):
    with closing(sqlite3.connect(database)) as connection:
        first, second, *_ = records(done)
        before = [connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone() for table in TABLES]
        artifacts = sorted(as_published.parent.rglob("mlartifacts/**/*"))
        assert not inserted(database, one_of(connection), [first, replace(second, **change)])
        assert artifacts == sorted(as_published.parent.rglob("mlartifacts/**/*"))
        assert before == [connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone() for table in TABLES]


@pytest.mark.parametrize(("column", "value"), [("lifecycle_stage", "deleted"), ("status", "RUNNING")])
def test_what_was_made_of_the_first_run_meanwhile_is_not_made_of_the_others(done, database, column, value):
    with closing(sqlite3.connect(database)) as connection:
        like = one_of(connection)
        with connection:
            connection.execute(f"UPDATE runs SET {column} = ? WHERE run_uuid = ?", (value, like))
        assert not inserted(database, like, records(done)[:1])


def test_a_damaged_file_costs_none_of_those_before_it(done, tmp_path):
    folder = Path(shutil.copytree(done.folder, tmp_path / done.folder.name))
    *whole, last = manifest(folder)["runs"].values()
    path = folder / last["file"]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match="SHA-256"):
        tracking.publish(folder, sqlite_url(tmp_path / "mlflow.db"))
    assert len(told(tmp_path / "mlflow.db")) == 1 + len(whole)


def test_a_database_that_another_writes_to_is_left_to_the_client(done, database, monkeypatch):
    monkeypatch.setattr("zoneout_lab.study.sqlite_rows._WAIT", 0.1)
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        like = one_of(connection)
        connection.execute("BEGIN IMMEDIATE")
        assert not inserted(database, like, records(done)[:1])
        connection.execute("ROLLBACK")
    assert inserted(database, like, records(done)[:1])


TABLES = ("runs", "tags", "params", "metrics", "latest_metrics")


def records(done: Summary) -> list[Record]:
    return [
        record_of(done.folder, run_id, entry, {"mlflow.parentRunId": "parent"})
        for run_id, entry in manifest(done.folder)["runs"].items()
    ]


def one_of(connection: sqlite3.Connection) -> str:
    """The id of a run that the client recorded: the first there is of those with an arm."""
    query = "SELECT run_uuid FROM params JOIN runs USING (run_uuid) WHERE key = 'arm' ORDER BY start_time LIMIT 1"
    return str(connection.execute(query).fetchone()[0])


def test_runs_read_from_the_tables_are_those_that_the_client_finds(done, database):
    """In its order, with this package's tags, its metrics, infinity and what is no number among them; and without its parameters."""
    uri = sqlite_url(database)
    study = owner(done.folder, uri, manifest(done.folder)).study
    client = MlflowClient(tracking_uri=uri)
    (experiment,) = [each.experiment_id for each in client.search_experiments() if each.name == STUDY.name]
    gone, odd, *_ = client.search_runs([experiment])
    client.delete_run(gone.info.run_id)
    for name, value in {"none": math.nan, "endless": math.inf, "valid_score": 0.5}.items():
        client.log_metric(odd.info.run_id, name, value)
    client.create_run(experiment, tags={"zoneout_lab.study": "another"})
    client.create_run(client.create_experiment("another"), tags={"zoneout_lab.study": study})
    found = stored_runs(database, experiment, study)
    theirs = [run for run in client.search_runs([experiment]) if run.data.tags.get("zoneout_lab.study") == study]
    assert found is not None
    assert [dict(run.info) for run in found] == [dict(run.info) for run in theirs]
    assert repr([sorted(run.data.metrics.items()) for run in found]) == repr(
        [sorted(run.data.metrics.items()) for run in theirs]
    )
    ours = ("zoneout_lab.", "status", "mlflow.parentRunId")
    assert [run.data.tags for run in found] == [
        {key: value for key, value in run.data.tags.items() if key.startswith(ours)} for run in theirs
    ]
    assert len(found) == len(manifest(done.folder)["runs"])


def test_other_tables_are_not_read(database, tmp_path):
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("ALTER TABLE tags ADD COLUMN later TEXT")
    assert stored_runs(database, "1", STUDY.name) is None
    assert stored_runs(tmp_path / "none.db", "1", STUDY.name) is None
