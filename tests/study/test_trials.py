"""Optuna mirrors the files: one finished trial for each run, whatever happened on the way."""

from __future__ import annotations

import io
import json
import sqlite3
import warnings
from pathlib import Path
from wsgiref.util import setup_testing_defaults

import optuna
import pytest
from optuna.trial import TrialState
from small_study import listening, manifest, run, small

from zoneout_lab.errors import UsageError
from zoneout_lab.study.databases import reason, without_password
from zoneout_lab.study.mirror import optuna_mirror
from zoneout_lab.study.mirroring import Mirrors
from zoneout_lab.study.trials import suggest

STUDY = small(gradient_epochs=(1,))


def opened(folder: Path) -> optuna.Study:
    return optuna.load_study(study_name=folder.name, storage=f"sqlite:///{folder.parent / 'optuna.db'}")


def finished(folder: Path) -> list[optuna.trial.FrozenTrial]:
    return opened(folder).get_trials(states=[TrialState.COMPLETE])


def assert_mirrors(folder: Path) -> None:
    """One complete trial for each run with a score, saying what the manifest says; none is open."""
    runs = {run_id: e for run_id, e in manifest(folder)["runs"].items() if e["score"] is not None}
    trials = finished(folder)
    assert sorted(trial.user_attrs["run"] for trial in trials) == sorted(runs)
    for trial in trials:
        entry = runs[trial.user_attrs["run"]]
        assert (trial.params["arm"], trial.params["seed"], trial.value) == (entry["arm"], entry["seed"], entry["score"])
        assert {key: trial.user_attrs[key] for key in ("file", "sha256", "status", "phase")} == {
            key: entry[key] for key in ("file", "sha256", "status", "phase")
        }
    assert all(trial.state.is_finished() for trial in opened(folder).trials)


@pytest.mark.parametrize("study", ["ran", "with_diverged", "tuned"])
def test_one_trial_for_each_run(study, request):
    assert_mirrors(request.getfixturevalue(study).folder)


def test_running_again_adds_none(ran, with_diverged, diverged_study):
    for study, summary in ((STUDY, ran), (diverged_study, with_diverged)):
        before = len(opened(summary.folder).trials)
        assert before == summary.planned
        run(study, summary.folder.parent)
        assert len(opened(summary.folder).trials) == before


def test_a_diverged_run_is_a_failed_trial_with_its_file(with_diverged):
    failed = opened(with_diverged.folder).get_trials(states=[TrialState.FAIL])
    assert [(t.params["arm"], t.user_attrs["status"]) for t in failed] == [("diverges", "diverged")] * 2
    assert all(len(t.user_attrs["sha256"]) == 64 for t in failed)


def test_the_sampler_and_version_are_recorded(ran, tuned):
    assert opened(ran.folder).user_attrs == {"sampler": "fixed arms, enqueued", "optuna": optuna.__version__}
    assert opened(tuned.folder).user_attrs["sampler"] == f"TPESampler of Optuna {optuna.__version__}"


@pytest.mark.parametrize("left", ["running", "waiting"])
def test_what_a_dead_driver_left_is_closed_and_done(tmp_path, left):
    study = small(seeds=1)
    (tmp_path / study.id).mkdir()
    dead = optuna.create_study(study_name=study.id, storage=f"sqlite:///{tmp_path / 'optuna.db'}")
    for each in study.runs():
        dead.enqueue_trial({"arm": each.arm, "seed": each.seed}, user_attrs={"run": each.id})
        if left == "running":
            dead.ask()
    watcher, heard = listening()
    summary = run(study, tmp_path, watcher=watcher)
    assert not heard
    assert_mirrors(summary.folder)
    assert [trial.state for trial in opened(summary.folder).trials] == [TrialState.FAIL] * 2 + [TrialState.COMPLETE] * 2


# where → what is said of it, and what to do
FAULTS = {
    "sqlite:////proc/nowhere/optuna.db": ("cannot be used", "Put that right, or name another place with --storage"),
    "oracle://127.0.0.1:9/optuna": ("cannot be used", "Install the database's driver (oracledb)"),
    "sqlite:///{tmp}/text.db": ("cannot be used", "Move that file away"),
    "sqlite:///{tmp}/locked.db?timeout=0": ("does not answer", "Run again later to record them"),
}


@pytest.fixture
def places(tmp_path):
    """A file that is not a database, and a database that another process writes to."""
    (tmp_path / "text.db").write_text("not a database, however far one reads. " * 30)
    other = sqlite3.connect(tmp_path / "locked.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    yield tmp_path
    other.close()


@pytest.mark.parametrize("storage", FAULTS)
def test_a_database_that_fails_costs_no_run(places, storage):
    fault, advice = FAULTS[storage]
    watcher, heard = listening()
    study = small(seeds=1)
    summary = run(study, places / "out", storage=storage.format(tmp=places), watcher=watcher)
    assert len(heard) == 1
    assert f"Optuna's database {fault} (" in heard[0]
    assert advice in heard[0]
    assert ("later" in heard[0]) == (fault == "does not answer")
    assert "\n" not in heard[0]
    assert (summary.trained, summary.failed, summary.report.exists()) == (2, [], True)

    assert run(study, places / "out").trained == 0  # as the warning says: run again to record them
    assert_mirrors(summary.folder)


@pytest.mark.parametrize("storage", ["study.db", "./study.db", "nonsense", "nonsense://x", "sqlite:/study.db", ""])
def test_an_invalid_url_is_refused_before_anything_is_written(tmp_path, storage):
    with pytest.raises(UsageError, match=r"--storage sqlite:///.*postgresql://") as refused:
        run(small(seeds=1), tmp_path, storage=storage)
    assert repr(storage) in str(refused.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "url",
    ["postgresql:/me:{}@host/db", "me:{}@host/db", "nonsense://me:{}@host/db", "http:/me:{}@host",
     "mysql+nonsense://me:{}@host:3306/db?charset=utf8", "nonsense://host/db?user=me&password={}"],
)  # fmt: skip
@pytest.mark.parametrize("where", ["storage", "tracking"])
def test_a_refused_url_is_shown_without_its_password(tmp_path, url, where):
    with pytest.raises(UsageError) as refused:
        run(small(seeds=1), tmp_path, **{where: url.format("s3cret")})
    assert repr(url.format("***")) in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg2://me:s3cret@host:5432/db?sslmode=require", "postgresql+psycopg2://me:***@host:5432/db?sslmode=require"),
        ("postgresql://me:s3/cr%40et@host/db", "postgresql://me:***@host/db"),
        ("postgresql://host/db?user=me&password=s3cret&sslpassword=s3cret", "postgresql://host/db?user=me&password=***&sslpassword=***"),
        ("mssql+pyodbc:///?odbc_connect=UID%3Dme%3BPWD%3Ds3cret%3B", "mssql+pyodbc:///?odbc_connect=UID%3Dme%3BPWD%3D***%3B"),
        ("https://me:s3c@ret@host:5000/a", "https://me:***@host:5000/a"),
        ("http://:s3cret@host", "http://:***@host"),
        *((url, url) for url in ("http://host:5000/a@b", "https://me@host", "sqlite:////a:b/c@d.db", "sqlite:////100%25/x.db", "", "study.db")),
    ],
)  # fmt: skip
def test_what_is_printed_of_a_url_has_no_password(url, shown):
    assert without_password(url) == shown


def test_what_is_said_of_a_failure_has_no_password():
    error = ConnectionError(
        "GET http://me:s3cret@host/api?token=s3cret of 'postgresql://a:s3cret@b' failed: 10:30 me@host"
    )
    assert reason(error) == "GET http://me:***@host/api?token=*** of 'postgresql://a:***@b' failed: 10:30 me@host"


def test_the_dashboard_reads_it(tuned):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the dashboard's own
        from optuna_dashboard import wsgi

        app = wsgi(f"sqlite:///{tuned.folder.parent / 'optuna.db'}")
        environ = {"PATH_INFO": "/api/studies", "REQUEST_METHOD": "GET", "wsgi.input": io.BytesIO()}
        setup_testing_defaults(environ)
        status = []
        body = b"".join(app(environ, lambda code, headers, *_: status.append(code)))
    assert status == ["200 OK"]
    assert tuned.folder.name in [each["study_name"] for each in json.loads(body)["study_summaries"]]


SPACE = {"cell": (0.1, 0.5), "hidden": (0.0, 0.3)}
KNOWN = [({"cell": 0.1 + 0.03 * k, "hidden": 0.02 * k}, (0.3 - 0.02 * k) ** 2) for k in range(12)]


def test_suggesting_is_a_pure_function():
    first = suggest(SPACE, KNOWN, 4, seed=3)
    assert suggest(dict(SPACE), [(dict(p), v) for p, v in KNOWN], 4, seed=3) == first
    assert suggest(SPACE, KNOWN, 4, seed=4) != first
    assert suggest(SPACE, KNOWN[:11], 4, seed=3) != first
    assert suggest(SPACE, KNOWN, 2, seed=3) == first[:2]


@pytest.mark.parametrize("known", [[], KNOWN, [(KNOWN[0][0], float("inf"))] * 9, [*KNOWN, (KNOWN[0][0], float("inf"))]])
def test_suggestions_lie_in_the_space_and_differ(known):
    points = suggest(SPACE, known, 6, seed=0)
    assert all(low <= point[name] <= high for point in points for name, (low, high) in SPACE.items())
    assert len({tuple(point.values()) for point in points}) == 6


def test_what_is_known_steers_where_to_look():
    """All that is known says: cell high is good. The next settings lie there more often than chance has it."""
    known = [({"cell": 0.1 + 0.4 * k / 30, "hidden": 0.1}, 1 - k / 30) for k in range(31)]
    points = [point for seed in range(5) for point in suggest(SPACE, known, 4, seed=seed)]
    assert sum(point["cell"] > 0.3 for point in points) > 14


def test_it_is_given_up_once(tmp_path):
    heard: list[str] = []
    mirrors = Mirrors(tmp_path, optuna_mirror(tmp_path, "sqlite:////proc/nowhere/o.db"), None, heard.append)
    mirrors.begin({"lstm": {}, "zoneout": {}}, "lower")
    for each in small().runs():
        mirrors.end(each, 0.5, {"sha256": "0", "phase": "confirm"})
    assert len(heard) == 1


def test_a_run_made_again_has_a_trial_that_says_so(tmp_path):
    folder = run(STUDY, tmp_path).folder
    entry = next(entry for entry in manifest(folder)["runs"].values() if entry["arm"] == "zoneout")
    (folder / entry["file"]).unlink()
    run(STUDY, tmp_path)
    newest = {trial.user_attrs["run"]: trial.user_attrs["sha256"] for trial in finished(folder)}
    assert newest == {run_id: entry["sha256"] for run_id, entry in manifest(folder)["runs"].items()}
