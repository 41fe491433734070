"""Databases that several folders of one study share, and databases and artifacts that were moved."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import optuna
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from small_study import manifest, run, small

from zoneout_lab.study.databases import sqlite_url
from zoneout_lab.study.mirror import mlflow_mirror, optuna_mirror
from zoneout_lab.study.mirror_compared import in_mlflow, in_optuna
from zoneout_lab.study.mirroring import behind, is_as_noted
from zoneout_lab.study.repair import repair
from zoneout_lab.study.run import Summary
from zoneout_lab.study.tracked_place import follow
from zoneout_lab.study.verify import verify

STUDY = small(seeds=1)
# SQLAlchemy deprecates what MLflow uses of it
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def recorded(database: Path) -> list[Run]:
    """All of MLflow's runs of ours."""
    client = MlflowClient(tracking_uri=sqlite_url(database))
    experiments = [each.experiment_id for each in client.search_experiments()]
    return [each for each in client.search_runs(experiments) if "zoneout_lab.run" in each.data.tags]


def place(run: Run) -> Path:
    return Path(url2pathname(urlsplit(run.info.artifact_uri).path))


def named(folder: Path, run: Run) -> str:
    """The name of the run's file in the study's folder."""
    return Path(manifest(folder)["runs"][run.data.tags["zoneout_lab.run"]]["file"]).name


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Summary]]:
    """One study in two folders, which share both databases: one after the other, and the first again after the second."""
    at = tmp_path_factory.mktemp("shared")
    places = {"storage": sqlite_url(at / "o.db"), "tracking": sqlite_url(at / "m.db")}
    first = run(STUDY, at / "one", **places)
    second = run(STUDY, at / "two", **places)
    assert run(STUDY, at / "one", **places).trained == 0
    return at, [first, second]


def test_each_folder_has_its_own_records(shared):
    at, folders = shared
    for each in folders:
        assert each.behind == []
        assert in_optuna(each.folder, sqlite_url(at / "o.db")).agrees
        assert in_mlflow(each.folder, sqlite_url(at / "m.db")).agrees
        assert is_as_noted(optuna_mirror(each.folder.parent, sqlite_url(at / "o.db")), each.folder)
        assert is_as_noted(mlflow_mirror(each.folder.parent, sqlite_url(at / "m.db")), each.folder)
    shas = [entry["sha256"] for each in folders for entry in manifest(each.folder)["runs"].values()]
    runs = recorded(at / "m.db")
    assert sorted(run.data.tags["zoneout_lab.sha256"] for run in runs) == sorted(shas)
    assert len({run.data.tags["mlflow.parentRunId"] for run in runs}) == 2
    names = optuna.get_all_study_names(sqlite_url(at / "o.db"))
    trials = [
        trial for name in names for trial in optuna.load_study(study_name=name, storage=sqlite_url(at / "o.db")).trials
    ]
    assert sorted(trial.user_attrs["sha256"] for trial in trials) == sorted(shas)
    assert sorted(names)[0] == folders[0].folder.name
    assert len(names) == 2


def test_one_folder_is_published_anew_without_the_others(shared, tmp_path):
    shutil.copytree(shared[0], tmp_path / "copy")
    at = tmp_path / "copy"
    folders = [at / each / shared[1][0].folder.name for each in ("one", "two")]
    places = sqlite_url(at / "o.db"), sqlite_url(at / "m.db")
    with closing(sqlite3.connect(at / "m.db")) as connection, connection:
        one = next(iter(manifest(folders[1])["runs"].values()))["sha256"]
        connection.execute("DELETE FROM tags WHERE key = 'zoneout_lab.sha256' AND value = ?", (one,))
    assert [in_mlflow(each, places[1]).agrees for each in folders] == [True, False]
    repair(folders[1], print, print, *places)
    for each in folders:
        assert in_optuna(each, places[0]).agrees
        assert in_mlflow(each, places[1]).agrees


@pytest.mark.parametrize("lost", [0, 1])
def test_a_folder_whose_study_is_lost_has_not_that_of_another(shared, tmp_path, lost):
    """The other's is called the same, and has trials of the same runs."""
    shutil.copytree(shared[0], tmp_path / "copy")
    at = tmp_path / "copy"
    folders = [at / each / shared[1][0].folder.name for each in ("one", "two")]
    storage = sqlite_url(at / "o.db")
    for each in folders:
        run(STUDY, each.parent, storage=storage)
    name = sorted(optuna.get_all_study_names(storage))[lost]  # the first has the study's own name
    optuna.delete_study(study_name=name, storage=storage)
    noted = [is_as_noted(optuna_mirror(each.parent, storage), each) for each in folders]
    assert noted == [lost == 1, lost == 0]
    assert run(STUDY, folders[lost].parent, storage=storage).trained == 0
    assert all(in_optuna(each, storage).agrees for each in folders)


@pytest.fixture(scope="module")
def away(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results with its databases and artifacts, moved; its old place is gone."""
    old = tmp_path_factory.mktemp("moved") / "old"
    run(STUDY, old, tracking="default")
    return old.rename(old.with_name("away"))


@pytest.fixture
def moved(away, tmp_path) -> Path:
    """The study's folder in it, in a place of its own."""
    shutil.copytree(away, tmp_path / "new ü%20")
    return tmp_path / "new ü%20" / STUDY.resolved().id


def test_what_was_moved_is_found_where_it_is(away, moved):
    out = moved.parent
    assert not in_mlflow(moved, sqlite_url(out / "mlflow.db")).agrees  # which looks for files in the old place
    assert run(STUDY, out, tracking="default").trained == 0
    found = recorded(out / "mlflow.db")
    assert {place(each).parents[1] for each in found} == {out / "mlartifacts" / STUDY.name}
    client = MlflowClient(tracking_uri=sqlite_url(out / "mlflow.db"))
    for each in found:
        assert [file.path for file in client.list_artifacts(each.info.run_id)] == [named(moved, each)]
    assert not (away.parent / "old").exists()
    assert in_mlflow(moved, sqlite_url(out / "mlflow.db")).agrees
    # and new ones go there
    assert run(small(seeds=2), out, tracking="default").trained
    assert not (away.parent / "old").exists()


def test_a_folder_without_an_id_is_given_one(moved):
    """As one of an earlier version, whose records in the databases say nothing of a folder."""
    out = moved.parent
    content = manifest(moved)
    own = content.pop("id")
    (moved / "MANIFEST.json").write_text(json.dumps(content))
    with closing(sqlite3.connect(out / "mlflow.db")) as connection, connection:
        connection.execute("DELETE FROM tags WHERE key = 'zoneout_lab.folder'")
    with closing(sqlite3.connect(out / "optuna.db")) as connection, connection:
        connection.execute("DELETE FROM study_user_attributes WHERE key = 'folder'")
    assert run(STUDY, out, tracking="default").trained == 0
    assert manifest(moved)["id"] not in (own, None)
    assert len(recorded(out / "mlflow.db")) == len(content["runs"])
    assert optuna.get_all_study_names(sqlite_url(out / "optuna.db")) == [moved.name]
    assert behind(moved) == []


def test_a_copy_leaves_the_original_alone(moved, tmp_path):
    follow(moved.parent / "mlflow.db")
    shutil.copytree(moved.parent, tmp_path / "two")
    before = sorted(moved.parent.rglob("*"))
    run(small(seeds=2), tmp_path / "two", tracking="default")
    assert sorted(moved.parent.rglob("*")) == before
    for out in (moved.parent, tmp_path / "two"):
        assert {place(each).parents[2] for each in recorded(out / "mlflow.db")} == {out / "mlartifacts"}


def test_a_database_that_was_moved_by_itself_names_the_place_where_its_artifacts_are(moved):
    out = moved.parent
    (out / "mlartifacts").rename(out.parent / "elsewhere")
    before = {place(each) for each in recorded(out / "mlflow.db")}
    follow(out / "mlflow.db")
    assert {place(each) for each in recorded(out / "mlflow.db")} == before


@pytest.mark.parametrize(
    "location", ["s3://bucket/mlartifacts/small", "file:///somewhere/mlartifacts/other", "file:///somewhere/small"]
)
def test_a_place_that_somebody_chose_is_left_alone(moved, location):
    database = moved.parent / "mlflow.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE experiments SET artifact_location = ? WHERE name = ?", (location, STUDY.name))
    before = database.read_bytes()
    follow(database)
    assert database.read_bytes() == before


def test_artifacts_that_are_gone_or_cut_are_found_and_put_back(moved):
    study, out = moved, moved.parent
    follow(out / "mlflow.db")
    assert in_mlflow(study, sqlite_url(out / "mlflow.db")).agrees
    first, second = (study / entry["file"] for entry in manifest(study)["runs"].values())
    (gone,) = (out / "mlartifacts").rglob(first.name)
    gone.unlink()
    (cut,) = (out / "mlartifacts").rglob(second.name)
    cut.unlink()
    cut.write_bytes(second.read_bytes()[:-1])
    assert len(in_mlflow(study, sqlite_url(out / "mlflow.db")).wrong) == 2
    assert ["mlflow.db" in str(damage.path) for row in verify(study) for damage in row.damages] == [True]
    repair(study, print, print)
    assert in_mlflow(study, sqlite_url(out / "mlflow.db")).agrees
    active = {place(each) / named(study, each) for each in recorded(out / "mlflow.db")}
    assert sorted(each.read_bytes() for each in active) == sorted(each.read_bytes() for each in (first, second))
