"""Databases compared with the files: what they lack, have twice or have otherwise is found, and the comparison changes nothing."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from small_study import manifest, run, small

from zoneout_lab import Study
from zoneout_lab.results import open as opened
from zoneout_lab.study import patience
from zoneout_lab.study.databases import sqlite_url
from zoneout_lab.study.mirror_compared import Mirrored, in_mlflow, in_optuna
from zoneout_lab.study.run import Summary
from zoneout_lab.study.verify import verify

# SQLAlchemy deprecates what MLflow uses of it
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
STUDY: Study = small({"training.epochs": 1}, seeds=1, name="mirrored")


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    pytest.importorskip("mlflow")
    return run(STUDY, tmp_path_factory.mktemp("mirrored"), tracking="default")


@pytest.fixture
def folder(mirrored: Summary, tmp_path: Path) -> Path:
    shutil.copytree(mirrored.folder.parent, tmp_path / "copy")
    return tmp_path / "copy" / mirrored.folder.name


def compared(folder: Path) -> tuple[Mirrored, Mirrored]:
    out = folder.parent
    return in_optuna(folder, sqlite_url(out / "optuna.db")), in_mlflow(folder, sqlite_url(out / "mlflow.db"))


def change(database: Path, statement: str) -> None:
    with sqlite3.connect(database) as connection:
        assert connection.execute(statement).rowcount > 0
    connection.close()


def test_they_agree_after_a_run_and_nothing_is_written(folder):
    before = {path.name: hashlib.sha256(path.read_bytes()).digest() for path in folder.parent.glob("*.db")}
    assert compared(folder) == (Mirrored(2), Mirrored(2))
    assert compared(folder)[0].agrees
    assert {path.name: hashlib.sha256(path.read_bytes()).digest() for path in folder.parent.glob("*.db")} == before
    assert not any(row.damages or row.note for row in verify(folder))


def test_while_files_are_read_a_server_is_not_said_to_hang(folder, monkeypatch):
    """Without ``study.nc`` each run's file is, which for thousands takes longer than a server is waited for."""
    monkeypatch.setattr(patience, "PATIENCE", 1.0)
    (folder / "study.nc").unlink()
    read: list[Path] = []

    def slowly(*given: Any) -> Any:
        time.sleep(0.8)
        read.append(given[0])
        return read_run(*given)

    read_run = opened._read_run
    monkeypatch.setattr(opened, "_read_run", slowly)
    found = patience.with_patience(
        lambda answered: in_mlflow(folder, sqlite_url(folder.parent / "mlflow.db"), answered), patience.Allowance()
    )
    assert found.agrees
    assert len(read) >= 2


def test_what_they_have_otherwise(folder):
    change(folder.parent / "optuna.db", "UPDATE trial_values SET value = value + 1e-9 WHERE trial_id = 1")
    change(folder.parent / "mlflow.db", "UPDATE latest_metrics SET value = value + 1e-9 WHERE key = 'valid_error'")
    optuna, mlflow = compared(folder)
    ids = set(manifest(folder)["runs"])
    assert len(optuna.wrong) == 1
    assert set(mlflow.wrong) == ids
    assert (optuna.lacking, optuna.doubled, mlflow.lacking, mlflow.doubled) == ((), (), (), ())
    damaged = [damage.path.name for row in verify(folder) for damage in row.damages]
    assert damaged == ["optuna.db", "mlflow.db"]


def test_what_they_lack_is_behind_and_no_damage(folder):
    change(folder.parent / "mlflow.db", "UPDATE runs SET status = 'RUNNING' WHERE name LIKE '%lstm%'")
    change(folder.parent / "optuna.db", "UPDATE trials SET state = 'RUNNING' WHERE trial_id = 1")
    optuna, mlflow = compared(folder)
    assert (len(optuna.lacking), len(mlflow.lacking)) == (1, 1)
    rows = verify(folder)
    assert not any(row.damages for row in rows)
    assert [row.note for row in rows if row.note] == ["lacks 1 of 2 runs: the next run brings it up to date"] * 2


def test_a_run_that_is_there_twice(folder):
    url = sqlite_url(folder.parent / "optuna.db")
    study = optuna.load_study(study_name=folder.name, storage=url)
    twice = study.get_trials()[0]
    study.add_trial(twice)
    assert in_optuna(folder, url) == Mirrored(2, doubled=(twice.user_attrs["run"],))
    assert [damage.path.name for row in verify(folder) for damage in row.damages] == ["optuna.db"]


def test_another_studys_databases(folder, tmp_path):
    other = folder.rename(folder.with_name("mirrored-000000"))
    optuna, mlflow = compared(other)
    assert (len(optuna.lacking), len(mlflow.lacking)) == (2, 2)


@pytest.mark.parametrize("name", ["optuna.db", "mlflow.db"])
def test_what_cannot_be_read_is_damage(folder, name):
    (folder.parent / name).write_bytes(b"no database" * 1000)
    (damage,) = (damage for row in verify(folder) for damage in row.damages)
    assert damage.path == folder.parent / name
    assert "cannot be read" in damage.fault
    assert damage.cure.startswith("verify --repair makes it anew")
