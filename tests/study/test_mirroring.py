"""Mirrors are made whole, rebuilt from the files when nothing can use them, and said to be behind."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient
from small_study import listening, manifest, run, searching, small

from zoneout_lab import sealed
from zoneout_lab.study import mirror_notes, mirroring, patience
from zoneout_lab.study.mirror import mlflow_mirror, optuna_mirror
from zoneout_lab.study.mirror_compared import in_mlflow, in_optuna
from zoneout_lab.study.mirroring import behind, is_as_noted, update
from zoneout_lab.study.repair import repair
from zoneout_lab.study.run import Summary
from zoneout_lab.study.sqlite_files import BEING_MADE
from zoneout_lab.study.tracked_place import follow

STUDY = small(seeds=1)
# SQLAlchemy deprecates what MLflow uses of it
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """Two studies in one folder, in both mirrors; the second is returned."""
    out = tmp_path_factory.mktemp("mirrored")
    run(searching(), out, tracking="default")
    return run(STUDY, out, tracking="default")


@pytest.fixture
def copy(mirrored, tmp_path) -> Path:
    shutil.copytree(mirrored.folder.parent, tmp_path / "copy")
    follow(tmp_path / "copy" / "mlflow.db")
    return tmp_path / "copy" / mirrored.folder.name


def assert_complete(out: Path) -> None:
    """Both mirrors have every run of every study in the folder once."""
    folders = [path.parent for path in out.glob("*/MANIFEST.json")]
    assert len(folders) == 2
    for folder in folders:
        for found in (in_optuna(folder, f"sqlite:///{out}/optuna.db"), in_mlflow(folder, f"sqlite:///{out}/mlflow.db")):
            assert found.agrees, (folder.name, found)
            assert found.runs == len(manifest(folder)["runs"])
        assert behind(folder) == []


def test_a_run_leaves_both_up_to_date(mirrored):
    assert mirrored.behind == []
    assert_complete(mirrored.folder.parent)
    assert not [path for path in mirrored.folder.parent.iterdir() if path.name.endswith(".making")]


def test_optuna_follows_run_by_run_and_has_nothing_to_catch_up_with_in_the_end(tmp_path, monkeypatch):
    updated: list[str] = []
    monkeypatch.setattr(mirroring, "update", lambda *given: updated.append(given[0].name) or update(*given))
    watcher, heard = listening()
    summary = run(STUDY, tmp_path, watcher=watcher)
    assert (summary.trained, summary.behind, heard) == (2, [], [])
    assert updated == ["Optuna"]  # in the beginning: there was no database
    assert in_optuna(summary.folder, optuna_mirror(tmp_path).url).agrees
    assert behind(summary.folder) == []


def test_trials_of_a_search_have_its_parameters(mirrored, tmp_path):
    """Written run by run and again from the files, they are the same."""
    (folder,) = mirrored.folder.parent.glob("searching-*")
    there = f"sqlite:///{folder.parent}/optuna.db"
    shutil.copytree(folder, tmp_path / folder.name)
    mirror = optuna_mirror(tmp_path)
    assert update(mirror, tmp_path / folder.name, print) is None

    def trials(study):
        return sorted(
            (sorted(t.params.items()), t.value, t.state.name, [repr(each) for each in sorted(t.user_attrs.items())])
            for t in study.trials
        )

    for arm, searched in (("", 0), ("/zoneout", 2), ("/dropout", 1)):
        live, again = (optuna.load_study(study_name=folder.name + arm, storage=url) for url in (there, mirror.url))
        assert trials(again) == trials(live)
        assert {len(trial.params) for trial in again.trials} == {searched}
        assert again.user_attrs == live.user_attrs
        assert again.metric_names == live.metric_names == ["valid_error"]
        assert again.direction == live.direction


@pytest.mark.parametrize(("name", "damage"), [("optuna", "text"), ("mlflow", "truncated")])
def test_a_damaged_database_is_moved_aside_and_made_again(copy, name, damage):
    path = copy.parent / f"{name}.db"
    (other,) = copy.parent.glob("searching-*")
    mirror = (optuna_mirror if name == "optuna" else mlflow_mirror)(copy.parent)
    mirror_notes.write(other, mirror.name, mirror.noted, None)
    assert len(behind(other)) == 1  # until all are published again
    content = b"no database. " * 99 if damage == "text" else path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(content)
    watcher, heard = listening()
    assert run(STUDY, copy.parent, tracking="default", watcher=watcher).behind == []
    (text,) = heard
    assert f"{path} could not be used" in text
    assert f"moved to {path}.unusable-1" in text
    assert (copy.parent / f"{name}.db.unusable-1").read_bytes() == content
    assert_complete(copy.parent)


@pytest.mark.slow
def test_damage_that_shows_only_in_use_is_found_then(copy):
    with closing(sqlite3.connect(copy.parent / "mlflow.db")) as connection, connection:
        connection.execute("DROP TABLE params")
        connection.execute("CREATE TABLE params (x INTEGER)")
    watcher, heard = listening()
    shutil.rmtree(copy.parent / "mlartifacts")
    next((copy / "runs").glob("*.nc")).unlink()  # so that something is written
    assert run(STUDY, copy.parent, tracking="default", watcher=watcher).behind == []
    assert "mlflow.db.unusable-1" in heard[0]
    assert_complete(copy.parent)


def half_made(path: Path) -> None:
    """What MLflow leaves behind when it is killed while it makes its tables."""
    script = (
        "import os, sys, threading, sqlite3, time\n"
        "path = sys.argv[1]\n"
        "def watch():\n"
        "    while True:\n"
        "        try:\n"
        "            with sqlite3.connect(f'file:{path}?mode=ro', uri=True) as c:\n"
        "                names = {n for (n,) in c.execute('SELECT name FROM sqlite_master')}\n"
        "            if 'registered_models' in names: os._exit(9)\n"
        "        except sqlite3.Error: pass\n"
        "threading.Thread(target=watch, daemon=True).start()\n"
        "from mlflow import MlflowClient\n"
        "MlflowClient(tracking_uri=f'sqlite:///{path}').search_experiments()\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, check=False)
    assert done.returncode == 9, done.stderr.decode()


@pytest.mark.slow
def test_a_database_half_made_by_mlflow_itself_is_made_again(copy):
    """Protected by `tracked_database.half_made`: seen to fail without it, and MLflow does at every run from then on."""
    path = copy.parent / "mlflow.db"
    path.unlink()
    half_made(path)
    watcher, heard = listening()
    assert len(run(STUDY, copy.parent, tracking="default", watcher=watcher).behind) == 1  # it may be in the making
    assert "being made by another process" in heard.pop()
    long_ago = time.time() - BEING_MADE - 1
    os.utime(path, (long_ago, long_ago))
    assert run(STUDY, copy.parent, tracking="default", watcher=watcher).behind == []
    assert "half-made" in heard[0]
    assert_complete(copy.parent)


@pytest.mark.parametrize("name", ["optuna", pytest.param("mlflow", marks=pytest.mark.slow)])
def test_a_database_that_is_lost_is_made_again(copy, name):
    (copy.parent / f"{name}.db").unlink()
    assert [each.split()[0].lower() for each in behind(copy)] == [name]
    watcher, heard = listening()
    assert run(STUDY, copy.parent, tracking="default", watcher=watcher).behind == []
    assert heard == []
    assert_complete(copy.parent)


@pytest.mark.parametrize(
    ("name", "change", "advice"),
    [
        ("mlflow", "UPDATE alembic_version SET version_num = 'ffffffffffff'", "a newer MLflow made its tables"),
        ("mlflow", "UPDATE alembic_version SET version_num = '451aebb31d03'", "mlflow db upgrade"),
        ("optuna", "UPDATE alembic_version SET version_num = 'v9.9.9.a'", "another place with --storage"),
    ],
)
def test_tables_of_another_version_are_left_alone(copy, name, change, advice):
    path = copy.parent / f"{name}.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(change)
    before = path.read_bytes()
    watcher, heard = listening()
    (left,) = run(STUDY, copy.parent, tracking="default", watcher=watcher).behind
    assert name in left.lower()
    (text,) = heard
    assert advice in text
    assert path.read_bytes() == before


def test_what_is_noted_has_no_password_and_says_what_is_behind(copy):
    mirror = optuna_mirror(copy.parent, "postgresql://me:s3cret-word@127.0.0.1:9/db")
    assert update(mirror, copy, print) is not None
    assert behind(copy) == ["Optuna (postgresql://me:***@127.0.0.1:9/db)"]
    assert "s3cret" not in (copy / "mirrors.json").read_text()
    assert update(optuna_mirror(copy.parent), copy, print) is None
    assert behind(copy) == []


def test_doubled_and_wrong_records_are_put_right(copy):
    out = copy.parent
    storage = optuna_mirror(out).url
    study = optuna.load_study(study_name=copy.name, storage=storage)
    study.add_trial(study.trials[0])
    assert len(in_optuna(copy, storage).doubled) == 1
    with closing(sqlite3.connect(out / "mlflow.db")) as connection, connection:
        connection.execute("UPDATE latest_metrics SET value = value + 1")
        connection.execute("UPDATE metrics SET value = value + 1")
    assert len(in_mlflow(copy, mlflow_mirror(out).url).wrong) == 3  # and the study's own run
    said: list[str] = []
    repair(copy, said.append, said.append)
    assert [f"{name}.db up to date" in each for name, each in zip(("optuna", "mlflow"), said, strict=True)] == [
        True,
        True,
    ]
    assert in_optuna(copy, storage).agrees
    assert in_mlflow(copy, mlflow_mirror(out).url).agrees


@pytest.fixture
def silent():
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_servers_that_hang_cost_a_bounded_time_and_no_run(copy, silent, monkeypatch):
    """Protected by `patience.with_patience`: without it MLflow was waited for for longer than five minutes."""
    monkeypatch.setattr(patience, "PATIENCE", 1.0)
    watcher, heard = listening()
    next((copy / "runs").glob("*.nc")).unlink()
    began = time.monotonic()
    tracking = f"http://me:s3cret-word@127.0.0.1:{silent}"
    summary = run(STUDY, copy.parent, tracking=tracking, watcher=watcher)
    assert time.monotonic() - began < 60  # on a busy machine
    assert (summary.trained, summary.failed) == (1, [])
    assert summary.behind == [f"MLflow (http://me:***@127.0.0.1:{silent})"] == behind(copy)
    assert "no answer in 1 s" in heard[0]
    assert "later" in heard[0]
    assert "s3cret" not in "".join(heard)
    monkeypatch.undo()
    assert run(STUDY, copy.parent, tracking="default").behind == []
    assert_complete(copy.parent)


def test_a_damaged_note_says_nothing_and_is_written_again(copy):
    """A bit that makes it say that MLflow is elsewhere, or has other runs, makes it say nothing."""
    path = copy / "mirrors.json"
    whole = path.read_bytes()
    assert set(mirror_notes.read(copy)) == {"Optuna", "MLflow"}
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        assert mirror_notes.read(copy) == {}, changed
        assert mirror_notes.is_damaged(copy)
        assert behind(copy) == [f"not known, because {path} is damaged"]
    assert run(STUDY, copy.parent, tracking="default").behind == []
    assert path.read_bytes() == whole
    path.write_bytes(whole[:-9])
    said: list[str] = []
    repair(copy, said.append, said.append)
    assert [f"Removed {path}" in each for each in said] == [True]
    assert not path.exists()
    assert behind(copy) == []


def test_notes_are_of_the_runs_they_were_made_with(copy):
    next((copy / "runs").glob("*.nc")).unlink()
    run(STUDY, copy.parent)  # without MLflow
    assert [each.split()[0] for each in behind(copy)] == ["MLflow"]


def _lose_the_trials(out: Path) -> None:
    (folder,) = out.glob("small-*")
    optuna.delete_study(study_name=folder.name, storage=optuna_mirror(out).url)


def _double_a_trial(out: Path) -> None:
    (folder,) = out.glob("small-*")
    study = optuna.load_study(study_name=folder.name, storage=optuna_mirror(out).url)
    study.add_trial(study.trials[0])


def _put_a_trial_in_the_place_of_another(out: Path) -> None:
    """There are as many as before, and one is missing."""
    (folder,) = out.glob("small-*")
    study = optuna.load_study(study_name=folder.name, storage=optuna_mirror(out).url)
    first, second, *_ = study.trials
    with closing(sqlite3.connect(out / "optuna.db")) as database, database:
        database.execute(
            "UPDATE trial_user_attributes SET value_json = ? WHERE key = 'run' AND trial_id = ?",
            (f'"{first.user_attrs["run"]}"', second._trial_id),
        )


def _delete_a_run(out: Path) -> None:
    client = MlflowClient(tracking_uri=mlflow_mirror(out).url)
    found = client.search_runs([client.get_experiment_by_name("small").experiment_id], "tags.phase = 'confirm'")
    client.delete_run(found[0].info.run_id)


def _leave_a_trial_running(out: Path) -> None:
    (folder,) = out.glob("small-*")
    study = optuna.load_study(study_name=folder.name, storage=optuna_mirror(out).url)
    with closing(sqlite3.connect(out / "optuna.db")) as database, database:
        database.execute("UPDATE trials SET state = 'RUNNING' WHERE trial_id = ?", (study.trials[0]._trial_id,))


def _leave_a_run_running(out: Path) -> None:
    client = MlflowClient(tracking_uri=mlflow_mirror(out).url)
    found = client.search_runs([client.get_experiment_by_name("small").experiment_id], "tags.phase = 'confirm'")
    with closing(sqlite3.connect(out / "mlflow.db")) as database, database:
        database.execute("UPDATE runs SET status = 'RUNNING' WHERE run_uuid = ?", (found[0].info.run_id,))


def _write_the_report_again(out: Path) -> None:
    (folder,) = out.glob("small-*")
    report = folder / "report.html"
    report.write_bytes(sealed.sealed(b"Another page.", html=True))


@pytest.mark.parametrize(
    "change",
    [
        _lose_the_trials,
        _double_a_trial,
        _put_a_trial_in_the_place_of_another,
        _leave_a_trial_running,
        _delete_a_run,
        _leave_a_run_running,
        _write_the_report_again,
    ],
)
def test_a_database_that_has_other_records_than_it_had_is_brought_up_to_date(copy, change):
    """Where nothing is to train, all that is asked of a file is how many records it has, and of which runs."""
    change(copy.parent)
    mirrors = (optuna_mirror(copy.parent), mlflow_mirror(copy.parent))
    assert sorted(is_as_noted(mirror, copy) for mirror in mirrors) == [False, True]
    assert run(STUDY, copy.parent, tracking="default").trained == 0
    assert_complete(copy.parent)
    assert all(is_as_noted(mirror, copy) for mirror in mirrors)


def test_where_nothing_is_to_do_neither_optuna_nor_mlflow_is_read(copy, monkeypatch):
    monkeypatch.setattr(mirroring, "_module", lambda mirror: pytest.fail(f"{mirror.name} is read"))
    watcher, heard = listening()
    summary = run(STUDY, copy.parent, tracking="default", watcher=watcher)
    assert (summary.trained, summary.behind, heard) == (0, [], [])
