"""Optuna mirrors the files: one finished trial for each run, whatever happened on the way."""

from __future__ import annotations

import io
import json
import math
import shutil
import sqlite3
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from wsgiref.util import setup_testing_defaults

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution, distribution_to_json
from optuna.trial import TrialState, create_trial
from small_study import DIVERGES, listening, manifest, run, searching, small

from zoneout_lab import Arm, Tuning, Zoneout, schema
from zoneout_lab import manifest as manifests
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.settings import Run
from zoneout_lab.study import mirror_notes, store
from zoneout_lab.study.databases import sqlite_url
from zoneout_lab.study.mirror import optuna_mirror
from zoneout_lab.study.mirror_compared import in_optuna
from zoneout_lab.study.mirroring import Mirrors, behind
from zoneout_lab.study.trial_records import Settings, ended_run
from zoneout_lab.study.trials import Ledger, distributions, publish, suggest

STUDY = small(gradient_epochs=(1,))


def opened(folder: Path, arm: str = "") -> optuna.Study:
    name = f"{folder.name}/{arm}" if arm else folder.name
    return optuna.load_study(study_name=name, storage=f"sqlite:///{folder.parent / 'optuna.db'}")


def finished(folder: Path) -> list[optuna.trial.FrozenTrial]:
    return opened(folder).get_trials(states=[TrialState.COMPLETE])


def assert_mirrors(folder: Path) -> None:
    """One complete trial for each run that is compared and has a score, saying what the manifest says; none is open, or has a parameter."""
    runs = {
        run_id: e
        for run_id, e in manifest(folder)["runs"].items()
        if e["score"] is not None and e["phase"] == "confirm"
    }
    trials = finished(folder)
    assert sorted(trial.user_attrs["run"] for trial in trials) == sorted(runs)
    for trial in trials:
        entry, said = runs[trial.user_attrs["run"]], trial.user_attrs
        assert trial.value == entry["score"]
        assert {key: value for key, value in said.items() if key != "run"} == {
            key: entry[key] for key in ("arm", "seed", "file", "sha256", "status", "phase")
        }
        assert trial.params == {}  # an arm and a seed are nothing to be chosen
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
    assert [(t.user_attrs["arm"], t.user_attrs["status"]) for t in failed] == [("diverges", "diverged")] * 2
    assert all(len(t.user_attrs["sha256"]) == 64 for t in failed)


def test_the_sampler_and_version_are_recorded(ran, tuned):
    assert opened(ran.folder).user_attrs == {"sampler": "fixed arms, enqueued", "optuna": optuna.__version__}
    assert opened(tuned.folder, "zoneout").user_attrs == {
        "sampler": f"TPESampler of Optuna {optuna.__version__}",
        "optuna": optuna.__version__,
        "arm": "zoneout",
    }


def test_a_trials_value_has_the_metrics_name(ran, tuned):
    for study in (opened(ran.folder), opened(tuned.folder), opened(tuned.folder, "dropout")):
        assert study.metric_names == ["valid_error"]


def test_also_where_lines_of_the_manifest_are_written_together(tmp_path, monkeypatch):
    """As they are where writing it takes long, and runs do not."""
    monkeypatch.setattr(store, "_RARER", math.inf)
    study = opened(run(small(seeds=1), tmp_path).folder)
    assert study.metric_names == ["valid_error"]
    assert len(study.trials) == 2


def test_each_searched_arm_has_a_study_of_its_settings(tuned):
    """One trial for each setting, with the arm's own parameters and no others, and the mean over the tuning seeds."""
    names = optuna.get_all_study_names(f"sqlite:///{tuned.folder.parent / 'optuna.db'}")
    assert sorted(names) == [tuned.folder.name, f"{tuned.folder.name}/dropout", f"{tuned.folder.name}/zoneout"]
    entries = manifest(tuned.folder)["runs"]
    for arm, record in manifest(tuned.folder)["tuning"].items():
        trials = opened(tuned.folder, arm).get_trials(states=[TrialState.COMPLETE])
        found = {tuple(sorted(trial.params.items())): trial.value for trial in trials}
        assert found == {tuple(sorted(each["params"].items())): each["value"] for each in record["trials"]}
        assert len(trials) == len(record["trials"])
        for trial in trials:
            runs = [entries[run_id] for run_id in trial.user_attrs["runs"]]
            assert [run["seed"] for run in runs] == [0, 1]
            assert [trial.user_attrs[f"tuning seed {run['seed']}"] for run in runs] == [run["score"] for run in runs]
            for key, name in (("sha256", "sha256"), ("file", "file"), ("status", "status")):
                assert trial.user_attrs[name] == [run[key] for run in runs]


def test_importances_are_of_what_was_searched(tuned):
    for arm, searched in (("zoneout", {"cell", "hidden"}), ("dropout", {"p"})):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Optuna, that so few trials say little
            found = optuna.importance.get_param_importances(opened(tuned.folder, arm))
        assert set(found) == searched


def test_a_setting_that_diverges_is_a_failed_trial(tmp_path):
    arms = (Arm(name="lstm"), DIVERGES.model_copy(update={"regularizer": Zoneout(), "search": {"cell": (0.1, 0.5)}}))
    with pytest.raises(InputRefusedError, match="widen its search space"):
        run(small(arms=arms, tuning=Tuning(trials=2, seeds=2), seeds=1), tmp_path)
    (folder,) = (path.parent for path in tmp_path.glob("*/MANIFEST.json"))
    publish(folder, sqlite_url(tmp_path / "optuna.db"))
    trials = opened(folder, "diverges").trials
    assert [(trial.state, len(trial.params), trial.user_attrs["status"]) for trial in trials] == [
        (TrialState.FAIL, 1, ["diverged", "diverged"])
    ] * 2
    assert in_optuna(folder, sqlite_url(tmp_path / "optuna.db")).agrees


def test_a_setting_waits_for_all_of_its_seeds(tuned, tmp_path):
    """What a search that was interrupted has of a setting is no trial, and becomes one when the rest has ended."""
    folder, url = Path(shutil.copytree(tuned.folder, tmp_path / tuned.folder.name)), sqlite_url(tmp_path / "optuna.db")
    whole = manifests.read(folder)
    tried = sorted((run_id for run_id, entry in whole["runs"].items() if entry["phase"] == "tune"))
    lost = {run_id: whole["runs"][run_id] for run_id in tried[:1]}
    partly = whole | {"runs": {run_id: entry for run_id, entry in whole["runs"].items() if run_id not in lost}}
    (folder / manifests.FILE).write_bytes(manifests.written(partly))
    publish(folder, url)
    assert in_optuna(folder, url).agrees
    study = searching().resolved()
    ledger = Ledger(folder, url, {arm.name: arm.search for arm in study.arms}, "lower")
    ((run_id, entry),) = lost.items()
    spec = schema.provenance(schema.read_tree(folder / entry["file"]), "spec")
    facts = {key: entry[key] for key in ("phase", "file", "sha256", "status")}
    ledger.add(Run.model_validate(spec), entry["score"], facts)
    assert not ledger.has({run_id: "another"})
    ledger.write()
    ledger.close()
    (folder / manifests.FILE).write_bytes(manifests.written(whole))
    assert in_optuna(folder, url).agrees
    assert publish(folder, url) == 0


def test_a_setting_of_which_a_run_was_made_again_is_there_once(tuned, tmp_path):
    shutil.copytree(tuned.folder.parent, tmp_path / "copy")
    folder = tmp_path / "copy" / tuned.folder.name
    entry = next(e for e in manifest(folder)["runs"].values() if e["phase"] == "tune" and e["arm"] == "zoneout")
    (folder / entry["file"]).unlink()
    # so that the file is another
    time.sleep(1)
    assert run(searching(), folder.parent).trained == 1
    trials = opened(folder, "zoneout").trials
    assert len(trials) == searching().tuning.trials
    assert in_optuna(folder, sqlite_url(folder.parent / "optuna.db")).agrees


def test_what_an_earlier_version_recorded_is_brought_over_once(tuned, tmp_path):
    """All in one study, in which an arm and a seed were parameters."""
    shutil.copytree(tuned.folder.parent, tmp_path / "copy")
    folder, url = tmp_path / "copy" / tuned.folder.name, sqlite_url(tmp_path / "copy" / "optuna.db")
    for name in optuna.get_all_study_names(url):
        optuna.delete_study(study_name=name, storage=url)
    old = optuna.create_study(study_name=folder.name, storage=url)
    space = {"arm": CategoricalDistribution(["lstm", "zoneout", "dropout"]), "seed": IntDistribution(0, 2**31 - 1)}
    for run_id, entry in manifest(folder)["runs"].items():
        about = {"run": run_id} | {key: entry[key] for key in ("phase", "file", "sha256", "status")}
        params = {"arm": entry["arm"], "seed": entry["seed"]}
        old.add_trial(create_trial(value=entry["score"], params=params, distributions=space, user_attrs=about))
    mirror_notes.write(folder, "Optuna", "optuna.db", "what an earlier version noted", None)
    assert len(behind(folder)) == 1
    for _ in range(2):
        assert run(searching(), folder.parent).trained == 0
        assert_mirrors(folder)
        assert len(opened(folder, "zoneout").trials) == len(opened(folder, "dropout").trials) == 4
        assert in_optuna(folder, url).agrees
        assert behind(folder) == []


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


EVERY_TYPE = {
    "rate": (0.0, 0.5),
    "lr": FloatDistribution(1e-4, 1e-1, log=True),
    "width": {"name": "IntDistribution", "attributes": {"low": 8, "high": 64, "log": False, "step": 8}},
    "depth": json.loads(distribution_to_json(IntDistribution(1, 16, log=True))),
    "dropout": json.loads(distribution_to_json(FloatDistribution(0.0, 0.5, step=0.1))),
    "optimizer": json.loads(distribution_to_json(CategoricalDistribution(["adam", "sgd", None, True]))),
}


def test_every_type_that_optuna_has_can_be_searched():
    assert distributions(EVERY_TYPE) == {
        "rate": FloatDistribution(0.0, 0.5),
        "lr": FloatDistribution(1e-4, 1e-1, log=True),
        "width": IntDistribution(8, 64, step=8),
        "depth": IntDistribution(1, 16, log=True),
        "dropout": FloatDistribution(0.0, 0.5, step=0.1),
        "optimizer": CategoricalDistribution(["adam", "sgd", None, True]),
    }
    points = suggest(EVERY_TYPE, [], 12, seed=0)
    for name, each in distributions(EVERY_TYPE).items():
        assert all(each._contains(each.to_internal_repr(point[name])) for point in points)
    assert {type(point["width"]) for point in points} == {int}
    known = [(point, float(k)) for k, point in enumerate(points)]
    assert suggest(EVERY_TYPE, known, 3, seed=0) == suggest(EVERY_TYPE, known, 3, seed=0)


@pytest.mark.parametrize(
    "space",
    [(0.1,), (0.5, 0.1), "ab", 3, {"name": "NoDistribution", "attributes": {}}, {"low": 1}, {"name": "IntDistribution", "attributes": {"low": 1, "high": 0}}],
    ids=str,
)  # fmt: skip
def test_what_is_no_search_space_is_refused_by_name(space):
    with pytest.raises(InputRefusedError, match=r"The search space of 'p' is .*give a range \(low, high\)"):
        distributions({"p": space})


def of_a_function(arm: str, seed: int, params: dict[str, Any]) -> Any:
    """What a study of a training function knows of a run, as far as trials need it."""
    return SimpleNamespace(id=f"{params}{seed}", arm=arm, seed=seed, params=params)


def test_settings_of_a_training_function_are_among_its_params(tmp_path):
    space = {
        "width": {"name": "IntDistribution", "attributes": {"low": 1, "high": 9}},
        "optimizer": EVERY_TYPE["optimizer"],
    }
    settings = Settings({"mine": space}, 2)
    found = []
    for seed in (0, 1):
        given = of_a_function("mine", seed, {"width": 3, "optimizer": None, "epochs": 5})
        ended = ended_run(
            given, space, 0.25 + seed, {"phase": "tune", "file": "f", "sha256": "s", "status": "finished"}
        )
        found.append(settings.add(ended))
    assert found[0] is None
    assert found[1] is not None
    assert (found[1].arm, found[1].trial.value) == ("mine", 0.75)
    assert found[1].trial.params == {"width": 3, "optimizer": None}


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


@pytest.mark.slow
def test_a_run_made_again_has_a_trial_that_says_so(tmp_path):
    folder = run(STUDY, tmp_path).folder
    entry = next(entry for entry in manifest(folder)["runs"].values() if entry["arm"] == "zoneout")
    (folder / entry["file"]).unlink()
    run(STUDY, tmp_path)
    newest = {trial.user_attrs["run"]: trial.user_attrs["sha256"] for trial in finished(folder)}
    assert newest == {run_id: entry["sha256"] for run_id, entry in manifest(folder)["runs"].items()}
