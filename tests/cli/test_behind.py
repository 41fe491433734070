"""Optuna and MLflow that are not up to date: the last line says so, ``status`` says so, and nothing that is printed has a password."""

from __future__ import annotations

import json
import re
import shutil

import pytest

SECRET = "s3cret-word"


@pytest.fixture
def again(finished, tmp_path, small_file):
    """A copy of results, and the words that run the study again."""
    folder, _ = finished
    shutil.copytree(folder.parent, tmp_path / "out")
    options = ["--seeds", "3", "--set", "training.epochs=1", "--workers", "1", "--out", str(tmp_path / "out")]
    return tmp_path / "out" / folder.name, ("run", str(small_file), *options)


def test_what_is_behind_is_said_last_and_has_a_code_of_its_own(command, again):
    folder, words = again
    done = command(*words, "--no-tracking", "--storage", f"postgresql+none://me:{SECRET}@host/db")
    assert done.code == 2  # no such driver: nothing was run
    done = command(*words, "--no-tracking", "--storage", "sqlite:////proc/nowhere/optuna.db")
    assert done.code == 6
    assert done.errors.splitlines()[-1].startswith(
        "Not up to date: Optuna (sqlite:////proc/nowhere/optuna.db). The results are"
    )
    (row,) = json.loads(command("status", str(folder), "--json").output)
    assert row["behind"] == ["Optuna (sqlite:////proc/nowhere/optuna.db)"]
    assert f"Not up to date with {folder.name}: Optuna" in command("status", str(folder)).output
    done = command(*words, "--no-tracking")
    assert (done.code, "Not up to date" in done.errors) == (0, False)
    assert "Not up to date" not in command("status", str(folder)).output


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--tracking", f"http://me:{SECRET}@127.0.0.1:9"], 6),
        (["--tracking", f"http://127.0.0.1:9?access_token={SECRET}"], 6),
        (["--no-tracking", "--storage", f"oracle://me:{SECRET}@127.0.0.1:9/db"], 6),
        (["--storage", f"nonsense://me:{SECRET}@[::1]:9/db"], 2),
        (["--storage", f"postgresql://me:{SECRET}@host:port:9/db"], 2),
        ([f"postgresql://me:{SECRET}@host/db"], 2),
        ([f"--storag=postgresql://me:{SECRET}@host/db"], 2),
    ],
)
def test_no_password_is_printed_or_stored(command, again, options, code, monkeypatch):
    folder, words = again
    monkeypatch.setenv("ZONEOUT_LAB_TRACEBACK", "1")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", SECRET)
    done = command(*words, *options)
    assert done.code == code, done.errors
    shown = done.output + done.errors + command("status", str(folder), "--json").output
    assert "s3cret" not in re.sub(r"\s", "", shown)
    for path in folder.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path
