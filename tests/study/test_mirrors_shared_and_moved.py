"""Databases that several folders of one study share, and databases and artifacts that were moved."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import optuna
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from small_study import manifest, run, small

from zoneout_lab import schema
from zoneout_lab.errors import TryAgainError
from zoneout_lab.results import open_results
from zoneout_lab.results.arms import arm_values
from zoneout_lab.study import trials
from zoneout_lab.study.databases import sqlite_url
from zoneout_lab.study.mirror import mlflow_mirror, optuna_mirror
from zoneout_lab.study.mirror_compared import in_mlflow, in_optuna
from zoneout_lab.study.mirroring import behind, is_as_noted
from zoneout_lab.study.repair import repair
from zoneout_lab.study.run import Summary
from zoneout_lab.study.tracked_place import follow
from zoneout_lab.study.tracking import make_database, publish
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
    client = MlflowClient(tracking_uri=sqlite_url(at / "m.db"))
    for each in folders:
        tree = open_results(each.folder)
        (own,) = {
            run.data.tags["mlflow.parentRunId"]
            for run in runs
            if run.data.tags["zoneout_lab.folder"] == manifest(each.folder)["id"]
        }
        shown = client.get_run(own).data
        assert shown.tags["zoneout_lab.sha256"] == schema.digest(each.report)
        for row in arm_values(tree, "valid_error"):
            assert shown.metrics[f"valid_error/{row.arm}/mean"] == row.mean
    names = optuna.get_all_study_names(sqlite_url(at / "o.db"))
    of_all = [
        trial for name in names for trial in optuna.load_study(study_name=name, storage=sqlite_url(at / "o.db")).trials
    ]
    assert sorted(trial.user_attrs["sha256"] for trial in of_all) == sorted(shas)
    assert sorted(names) == sorted(f"{each.folder.name}-{manifest(each.folder)['id'][:8]}" for each in folders)


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
    """The other's has trials of the same runs."""
    shutil.copytree(shared[0], tmp_path / "copy")
    at = tmp_path / "copy"
    folders = [at / each / shared[1][0].folder.name for each in ("one", "two")]
    storage = sqlite_url(at / "o.db")
    for each in folders:
        run(STUDY, each.parent, storage=storage)
    name = f"{folders[lost].name}-{manifest(folders[lost])['id'][:8]}"
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
    before = (out / "mlflow.db").read_bytes()
    assert [damage for row in verify(moved) for damage in row.damages] == []
    assert (out / "mlflow.db").read_bytes() == before
    assert all("old" in str(place(each)) for each in recorded(out / "mlflow.db"))
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
    """As one of an earlier version."""
    out = moved.parent
    content = manifest(moved)
    own = content.pop("id")
    (moved / "MANIFEST.json").write_text(json.dumps(content))
    assert run(STUDY, out, tracking="default").trained == 0
    assert manifest(moved)["id"] not in (own, None)
    assert len(recorded(out / "mlflow.db")) == len(content["runs"])
    assert optuna.get_all_study_names(sqlite_url(out / "optuna.db")) == [moved.name]
    assert behind(moved) == []


def test_a_folder_that_was_deleted_and_is_made_anew_has_the_records_that_it_had(moved):
    """The database in ``--out`` knows it by its name."""
    out, before = moved.parent, len(manifest(moved)["runs"])
    shutil.rmtree(moved)
    assert run(STUDY, out, tracking="default").trained == before
    assert len(recorded(out / "mlflow.db")) == before
    assert optuna.get_all_study_names(sqlite_url(out / "optuna.db")) == [moved.name]
    assert in_optuna(moved, sqlite_url(out / "optuna.db")).agrees
    assert in_mlflow(moved, sqlite_url(out / "mlflow.db")).agrees


@pytest.mark.parametrize("way", ["lost", "another", "none"])
def test_an_id_that_the_manifest_lost_is_the_one_that_databases_know(shared, tmp_path, way):
    """It was cut, one digit is another, or it is none."""
    shutil.copytree(shared[0], tmp_path / "copy")
    folder = tmp_path / "copy" / "one" / shared[1][0].folder.name
    content, path = manifest(folder), folder / "MANIFEST.json"
    own, damaged = content["id"], {"lost": None, "another": "0" * 32, "none": "x" + content["id"][1:]}[way]
    path.write_bytes(
        path.read_bytes()[:200] if damaged is None else path.read_bytes().replace(own.encode(), damaged.encode())
    )
    for name in ("study.nc", "report.html"):
        (folder / name).unlink()
    repair(folder, print, print)
    assert manifest(folder)["id"] == own


def test_an_id_that_is_none_and_that_nothing_else_says_is_drawn_anew(moved):
    path, own = moved / "MANIFEST.json", manifest(moved)["id"]
    path.write_bytes(path.read_bytes().replace(own.encode(), b"x" + own[1:].encode()))
    repair(moved, print, print)
    assert "id" not in manifest(moved)
    assert run(STUDY, moved.parent, tracking="default").behind == []
    assert len(manifest(moved)["id"]) == 32


def test_two_folders_on_one_new_database_at_once(shared, tmp_path):
    shutil.copytree(shared[0], tmp_path / "copy")
    folders = [tmp_path / "copy" / each / shared[1][0].folder.name for each in ("one", "two")]
    url = sqlite_url(tmp_path / "new.db")
    trials.make_database(url)
    ready = threading.Barrier(2)

    def publishing(folder: Path) -> int:
        ready.wait()
        return trials.publish(folder, url)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(publishing, folders)) == [len(manifest(each)["runs"]) for each in folders]
    for each in folders:
        assert in_optuna(each, url).agrees
    names = optuna.get_all_study_names(url)
    assert [len(optuna.load_study(study_name=name, storage=url).trials) for name in names] == [
        len(manifest(each)["runs"]) for each in folders
    ]


def test_the_same_place_by_another_path_is_no_other_place(moved):
    out = moved.parent
    follow(out / "mlflow.db")
    link = out.parent / "link"
    link.symlink_to(out)
    for path in (link, out, link):
        database = path / "mlflow.db"
        before = database.read_bytes()
        follow(database)
        assert database.read_bytes() == before
        assert run(STUDY, path, tracking="default").behind == []
        assert is_as_noted(mlflow_mirror(path), path / moved.name)
        assert is_as_noted(optuna_mirror(path), path / moved.name)


def test_a_copy_leaves_the_original_alone(moved, tmp_path):
    follow(moved.parent / "mlflow.db")
    shutil.copytree(moved.parent, tmp_path / "two")
    before = sorted(moved.parent.rglob("*"))
    run(small(seeds=2), tmp_path / "two", tracking="default")
    assert sorted(moved.parent.rglob("*")) == before
    for out in (moved.parent, tmp_path / "two"):
        assert {place(each).parents[2] for each in recorded(out / "mlflow.db")} == {out / "mlartifacts"}


def test_a_copy_without_artifacts_is_given_them_and_the_original_left_alone(moved, tmp_path):
    follow(moved.parent / "mlflow.db")
    copied = tmp_path / "two" / moved.name
    shutil.copytree(moved.parent, tmp_path / "two", ignore=shutil.ignore_patterns("mlartifacts"))
    before = {path: path.stat().st_mtime_ns for path in moved.parent.rglob("*") if path.is_file()}
    next((copied / "runs").glob("*.nc")).unlink()
    assert run(STUDY, tmp_path / "two", tracking="default").trained == 1
    assert {path: path.stat().st_mtime_ns for path in moved.parent.rglob("*") if path.is_file()} == before
    assert [damage for row in verify(copied) for damage in row.damages] == []
    assert len(list((tmp_path / "two" / "mlartifacts").rglob("*.nc"))) == 3  # of two runs and of the whole study
    assert list((tmp_path / "two" / "mlartifacts").rglob("report.html"))


@pytest.mark.parametrize("way", ["out and in", "in", "by a link"])
def test_databases_moved_from_and_to_the_folders_side(moved, tmp_path, way):
    """Whose records are beside the folder have no id, and those elsewhere have one: they are known by the files that they are of."""
    out, many = moved.parent, len(manifest(moved)["runs"])
    away = {name: tmp_path / f"away-{name}" for name in ("optuna.db", "mlflow.db")}
    named = {"storage": sqlite_url(away["optuna.db"]), "tracking": sqlite_url(away["mlflow.db"])}

    def assert_once(databases: dict[str, Path], **places: str) -> None:
        assert run(STUDY, out, **({"tracking": "default"} | places)).behind == []
        names = optuna.get_all_study_names(sqlite_url(databases["optuna.db"]))
        assert [
            len(optuna.load_study(study_name=name, storage=sqlite_url(databases["optuna.db"])).trials) for name in names
        ] == [many]
        assert len(recorded(databases["mlflow.db"])) == many
        client = MlflowClient(tracking_uri=sqlite_url(databases["mlflow.db"]))
        (experiment,) = [each for each in client.search_experiments() if each.name == STUDY.name]
        assert len(client.search_runs([experiment.experiment_id])) == many + 1

    here = {name: out / name for name in away}
    if way == "by a link":
        for name, path in away.items():
            path.symlink_to(out / name)
        assert_once(away, **named)
        return
    if way == "in":
        for path in here.values():
            path.unlink()
        assert run(STUDY, out, **named).behind == []
    else:
        for name, path in here.items():
            path.rename(away[name])
        assert_once(away, **named)
    for name, path in away.items():
        path.rename(here[name])
    assert_once(here)


def test_databases_that_are_links_to_shared_ones(shared, tmp_path):
    """Not beside any folder: each has its own records."""
    shutil.copytree(shared[0], tmp_path / "copy")
    folders = [tmp_path / "copy" / each / shared[1][0].folder.name for each in ("one", "two")]
    (tmp_path / "there").mkdir()
    for each in folders:
        for name in ("optuna.db", "mlflow.db"):
            (each.parent / name).symlink_to(tmp_path / "there" / name)
    trials.make_database(sqlite_url(tmp_path / "there" / "optuna.db"))
    make_database(sqlite_url(tmp_path / "there" / "mlflow.db"))
    for each in (*folders, folders[0]):
        assert run(STUDY, each.parent, tracking="default").behind == []
    for each in folders:
        assert in_optuna(each, sqlite_url(each.parent / "optuna.db")).agrees
        assert in_mlflow(each, sqlite_url(each.parent / "mlflow.db")).agrees
    assert len(recorded(tmp_path / "there" / "mlflow.db")) == 2 * len(manifest(folders[0])["runs"])


@pytest.mark.parametrize("name", ["o'brien", 'a "b"', "both ' and \""])
def test_a_folder_with_quotes_in_its_name(moved, name):
    folder = moved.rename(moved.with_name(name))
    url = sqlite_url(folder.parent / "mlflow.db")
    assert not in_mlflow(folder, url).agrees
    assert publish(folder, url) == len(manifest(folder)["runs"])
    assert in_mlflow(folder, url).agrees
    assert publish(folder, url) == 0


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


@pytest.mark.parametrize("step", ["log_batch", "set_terminated"])
def test_a_record_that_another_driver_deletes_meanwhile_is_no_failure(moved, monkeypatch, step):
    """It had the run twice, and kept its own."""
    url = sqlite_url(moved.parent / "new.db")
    real = getattr(MlflowClient, step)
    deleted: list[str] = []

    def after(client, run_id, *given, **named):
        if not deleted and "zoneout_lab.run" in client.get_run(run_id).data.tags:
            client.delete_run(run_id)
            deleted.append(run_id)
        return real(client, run_id, *given, **named)

    monkeypatch.setattr(MlflowClient, step, after)
    with pytest.raises(TryAgainError, match="somebody deleted 1 of 2 runs"):  # and here nobody had another
        publish(moved, url)
    assert deleted
    assert publish(moved, url) == 1
    assert in_mlflow(moved, url).agrees


def test_what_mlflow_has_of_a_file_that_is_gone_is_left(moved):
    """It may be the last copy."""
    database = moved.parent / "mlflow.db"
    follow(database)
    file = next((moved / "runs").glob("*.nc"))
    (kept,) = (moved.parent / "mlartifacts").rglob(file.name)
    content = kept.read_bytes()
    file.unlink()
    assert publish(moved, sqlite_url(database)) == 0
    assert kept.read_bytes() == content
