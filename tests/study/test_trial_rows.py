"""Trials that are put into Optuna's database as rows are those that Optuna itself would have recorded."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from small_study import ARMS, DIVERGES, manifest, run, small

from zoneout_lab.study import sqlite_rows, trials
from zoneout_lab.study.databases import sqlite_url
from zoneout_lab.study.run import Summary
from zoneout_lab.study.trial_rows import inserted

STUDY = small(arms=(*ARMS, DIVERGES), seeds=2)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    return run(STUDY, tmp_path_factory.mktemp("trial_rows"))


def told(database: Path) -> list[dict[str, Any]]:
    """All that Optuna gives back of the trials, without when they were recorded."""
    names = "number", "state", "values", "params", "distributions", "user_attrs", "system_attrs", "intermediate_values"
    return [
        {"study": study} | {name: getattr(trial, name) for name in names}
        for study in sorted(optuna.get_all_study_names(sqlite_url(database)))
        for trial in optuna.load_study(study_name=study, storage=sqlite_url(database)).trials
    ]


@pytest.fixture
def rows(monkeypatch) -> list[bool]:
    """Whether trials were inserted as rows, each time somebody asked for it."""
    asked: list[bool] = []
    monkeypatch.setattr(trials, "inserted", lambda *given: asked.append(inserted(*given)) or asked[-1])
    return asked


def never(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "inserted", lambda *_: False)


@pytest.mark.parametrize("study", ["done", "tuned"])
def test_they_are_those_that_optuna_records(study, request, tmp_path, monkeypatch, rows):
    folder = request.getfixturevalue(study).folder
    tuning = manifest(folder).get("tuning", {})
    compared = sum(entry["phase"] == "confirm" for entry in manifest(folder)["runs"].values())
    settings = [len(each["trials"]) for each in tuning.values()]
    rows.clear()
    assert trials.publish(folder, sqlite_url(tmp_path / "rows.db")) == compared + sum(settings)
    assert rows == [True] * (1 + len(tuning))
    never(monkeypatch)
    trials.publish(folder, sqlite_url(tmp_path / "optuna.db"))
    assert told(tmp_path / "rows.db") == told(tmp_path / "optuna.db")
    numbers = [each["number"] for each in told(tmp_path / "rows.db")]
    assert numbers == [number for many in (compared, *settings) for number in range(many)]


def test_a_study_that_runs_records_them_so(tmp_path, monkeypatch, rows):
    ran = run(STUDY, tmp_path / "rows")
    assert rows
    assert all(rows)
    never(monkeypatch)
    run(STUDY, tmp_path / "optuna")
    ours, theirs = (
        sorted(told(tmp_path / each / "optuna.db"), key=lambda trial: trial["user_attrs"]["run"])
        for each in ("rows", "optuna")
    )
    assert len(ours) == len(theirs) == ran.planned
    for one, other in zip(ours, theirs, strict=True):
        for each in (one, other):
            del each["number"]  # batches end in any order
            del each["user_attrs"]["sha256"]  # a file has times in it
        assert one == other


A, B = CategoricalDistribution(["a", "b"]), CategoricalDistribution(["a", "b", "c"])


def trial(**change: Any) -> FrozenTrial:
    fields: dict[str, Any] = {
        "value": 0.1,
        "params": {"arm": "b", "seed": 7, "b.cell": 0.3},
        "distributions": {"arm": A, "seed": IntDistribution(0, 2**31 - 1), "b.cell": FloatDistribution(0, 0.5)},
        "user_attrs": {"run": "ä\n\"'", "sha256": None, "nested": {"a": [1, 2.5, "%s"]}},
    }
    return create_trial(**fields | change)


@pytest.fixture
def database(tmp_path) -> Path:
    """Optuna's, with two studies of a trial each, and more than one of another."""
    path = tmp_path / "o.db"
    for name, many in (("first", 1), ("second", 3)):
        of_study = optuna.create_study(storage=sqlite_url(path), study_name=name)
        for _ in range(many):
            of_study.add_trial(trial())
    return path


def test_numbers_go_on_in_each_study(database):
    assert inserted(database, "second", [trial(value=-1.5), trial(value=None, state=TrialState.FAIL)])
    assert inserted(database, "first", [trial(value=1e-300)])
    of_second = optuna.load_study(study_name="second", storage=sqlite_url(database))
    assert [(each.number, each.value, each.state.name) for each in of_second.trials[2:]] == [
        (2, 0.1, "COMPLETE"),
        (3, -1.5, "COMPLETE"),
        (4, None, "FAIL"),
    ]
    assert of_second.best_value == -1.5
    of_first = optuna.load_study(study_name="first", storage=sqlite_url(database))
    assert [(each.number, each.value) for each in of_first.trials] == [(0, 0.1), (1, 1e-300)]
    first, last = of_second.trials[0], of_second.trials[3]
    assert (last.params, last.distributions, last.user_attrs) == (first.params, first.distributions, first.user_attrs)
    # Optuna goes on from there
    of_second.add_trial(trial())
    assert of_second.trials[-1].number == 5


def test_times_are_those_that_the_trial_has(database, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")  # Optuna keeps them in that of Greenwich
    time.tzset()
    new = trial()
    assert inserted(database, "first", [new])
    (found,) = optuna.load_study(study_name="first", storage=sqlite_url(database)).trials[1:]
    assert abs(found.datetime_start - new.datetime_start) < timedelta(milliseconds=1)
    assert abs(found.datetime_complete - new.datetime_complete) < timedelta(milliseconds=1)
    monkeypatch.undo()
    time.tzset()


def another_version(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optuna, "__version__", "5.1.0")


def altered(database: Path, _: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("ALTER TABLE trial_values ADD COLUMN later TEXT")


def gone(database: Path, _: pytest.MonkeyPatch) -> None:
    database.unlink()


@pytest.mark.parametrize("what", [another_version, altered, gone], ids=lambda what: what.__name__)
def test_databases_that_are_left_to_optuna(database, monkeypatch, what: Callable[[Path, pytest.MonkeyPatch], None]):
    what(database, monkeypatch)
    assert is_left_alone(database)


def test_a_database_that_another_writes_to_is_left_to_optuna(database, monkeypatch):
    monkeypatch.setattr(sqlite_rows, "_WAIT", 0.1)
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert is_left_alone(database)
        other.execute("ROLLBACK")
    assert inserted(database, "second", [trial()])


def test_what_is_read_in_a_transaction_is_so_until_rows_are_there(database):
    """From its beginning, not from the first row on: another process would give its trials the same numbers."""
    with (
        sqlite_rows.transaction(database),
        closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as other,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("BEGIN IMMEDIATE")


def is_left_alone(database: Path) -> bool:
    before = database.read_bytes() if database.exists() else None
    return not inserted(database, "second", [trial()]) and before == (
        database.read_bytes() if database.exists() else None
    )


@pytest.mark.parametrize(
    "odd",
    [
        {"distributions": trial().distributions | {"arm": B}},  # which Optuna refuses
        {"value": float("inf")},
    ],
    ids=["other choices", "infinity"],
)
@pytest.mark.parametrize("beside", [0, 1])
def test_trials_that_are_left_to_optuna(database, odd, beside):
    before = database.read_bytes()
    assert not inserted(database, "second", [trial()] * beside + [trial(**odd)])
    assert database.read_bytes() == before
    assert not inserted(database, "nobody's", [trial()])


def test_a_damaged_file_costs_none_of_those_before_it(tuned, tmp_path):
    folder = Path(shutil.copytree(tuned.folder, tmp_path / tuned.folder.name))
    entries = sorted(manifest(folder)["runs"].values(), key=lambda entry: entry["written"])
    tried = [entry for entry in entries if entry["phase"] == "tune"]
    path = folder / tried[-1]["file"]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Exception, match="SHA-256"):
        trials.publish(folder, sqlite_url(tmp_path / "o.db"))
    assert len(told(tmp_path / "o.db")) >= len(tried) / 2 - 1  # a trial for two seeds


def test_the_first_trials_of_a_study_are_not_to_differ_either(database):
    optuna.create_study(storage=sqlite_url(database), study_name="empty")
    assert not inserted(database, "empty", [trial(), trial(distributions=trial().distributions | {"arm": B})])
    assert inserted(database, "empty", [trial(), trial()])
