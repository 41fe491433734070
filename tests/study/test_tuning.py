"""Arms with a search space: equal budgets, seeds of their own, and the best found is what is compared."""

from __future__ import annotations

import json
import shutil
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pytest
from small_study import ARMS, DIVERGES, arrays, assert_same_bits, manifest, run, searching, small

from zoneout_lab import manifest as manifests
from zoneout_lab import schema
from zoneout_lab.regularizers import to_json
from zoneout_lab.results import open_results
from zoneout_lab.study.driver import Watcher
from zoneout_lab.study.store import Store

STUDY = searching()
SEARCHED = {arm.name: arm for arm in STUDY.arms if arm.search}


def specs(folder, phase):
    """Of every run of a phase: its specification and its line in the manifest."""
    return [
        (schema.provenance(schema.read_tree(folder / entry["file"]), "spec"), entry)
        for entry in manifest(folder)["runs"].values()
        if entry["phase"] == phase
    ]


def test_every_searched_arm_gets_the_same_budget(tuned):
    tuning = specs(tuned.folder, "tune")
    for name in SEARCHED:
        settings = {str(spec["regularizer"]) for spec, _ in tuning if spec["arm"] == name}
        assert len(settings) == STUDY.tuning.trials
        assert sum(spec["arm"] == name for spec, _ in tuning) == STUDY.tuning.trials * STUDY.tuning.seeds
    assert {spec["arm"] for spec, _ in tuning} == set(SEARCHED)


def test_every_setting_meets_the_same_tuning_seeds_and_no_other_run_does(tuned):
    used: dict[Any, Any] = {}
    for spec, _ in specs(tuned.folder, "tune"):
        used.setdefault(str(spec["regularizer"]), set()).add(tuple(spec["seeds"].values()))
    assert len({frozenset(seeds) for seeds in used.values()}) == 1
    tuning = {value for seeds in used.values() for each in seeds for value in each}
    confirm = {value for spec, _ in specs(tuned.folder, "confirm") for value in spec["seeds"].values()}
    assert not tuning & confirm


def test_the_best_setting_is_confirmed(tuned):
    record = manifest(tuned.folder)["tuning"]
    assert set(record) == set(SEARCHED)
    for name, found in record.items():
        scores: dict[Any, Any] = {}
        for spec, entry in specs(tuned.folder, "tune"):
            if spec["arm"] == name:
                scores.setdefault(
                    tuple(spec["regularizer"][field] for field in sorted(SEARCHED[name].search)), []
                ).append(entry["score"])
        means = {params: sum(values) / len(values) for params, values in scores.items()}
        assert {
            tuple(t["params"][f] for f in sorted(t["params"])): t["value"] for t in found["trials"]
        } == pytest.approx(means)
        assert found["best"] == min(found["trials"], key=lambda trial: trial["value"])["params"]
        for spec, _ in specs(tuned.folder, "confirm"):
            if spec["arm"] == name:
                assert spec["regularizer"] == to_json(SEARCHED[name].regularizer) | found["best"]
        assert found["sampler"].startswith("TPESampler of Optuna ")


def test_settings_lie_in_the_search_space(tuned):
    for spec, entry in specs(tuned.folder, "tune"):
        for field, (low, high) in SEARCHED[entry["arm"]].search.items():
            assert low <= spec["regularizer"][field] <= high


def test_tuning_is_in_the_export_and_its_runs_are_not(tuned):
    for tree in (open_results(tuned.folder), open_results(tuned.folder / "study.nc")):
        assert schema.provenance(tree, "tuning") == manifest(tuned.folder)["tuning"]
        ids = set(tree["provenance/run_id"].values.ravel())
        confirm = {run_id for run_id, e in manifest(tuned.folder)["runs"].items() if e["phase"] == "confirm"}
        assert ids == confirm
        assert tree["metrics"].sizes["seed"] == STUDY.seeds


def test_nothing_but_confirmed_runs_is_planned(tuned):
    assert tuned.planned == len(STUDY.arms) * STUDY.seeds
    assert tuned.trained == tuned.planned + len(SEARCHED) * STUDY.tuning.trials * STUDY.tuning.seeds


def test_lost_files_are_made_again_and_change_nothing(tuned, copy_of):
    folder = copy_of(tuned)
    lost = sorted((folder / "runs").iterdir())[::2]
    for path in lost:
        path.unlink()
    assert run(STUDY, folder.parent).trained == len(lost)
    assert manifest(folder)["tuning"] == manifest(tuned.folder)["tuning"]
    assert_same_bits(arrays(folder), arrays(tuned.folder))


def test_an_interrupted_search_goes_on_as_if_it_had_not_been(tuned, tmp_path):
    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(STUDY, tmp_path, watcher=Watcher(done=stop))
    kept = len(manifest(tmp_path / STUDY.id)["runs"])
    assert 0 < kept < tuned.trained
    summary = run(STUDY, tmp_path)
    assert summary.trained == tuned.trained - kept
    assert manifest(summary.folder)["tuning"] == manifest(tuned.folder)["tuning"]
    assert_same_bits(arrays(summary.folder), arrays(tuned.folder))


def test_a_run_that_diverged_has_no_score_to_win_with(tmp_path):
    folder = run(small(arms=(*ARMS, DIVERGES)), tmp_path).folder
    store = Store(folder, manifest(folder))
    runs = small(arms=(*ARMS, DIVERGES)).resolved().runs()
    assert {run.arm: store.score(run) is None for run in runs} == {"lstm": False, "zoneout": False, "diverges": True}


def planned(out, study=STUDY):
    from zoneout_lab.cli.plan import show_plan

    with redirect_stdout(StringIO()) as shown:
        show_plan(study, data=None, out=out, device="cpu", workers=1, force=False, as_json=True)
    facts = json.loads(shown.getvalue())
    return facts["tuning_runs"], facts["tuning_missing"], facts["runs"], facts["missing"], sum(facts["batches"])


def test_a_plan_knows_what_a_search_has_done_and_chosen(tuned, copy_of, tmp_path):
    """What run ids are depends on what was chosen, which the manifest records."""
    assert planned(tmp_path / "nothing") == (16, 16, 6, 6, 22)
    folder = copy_of(tuned)
    assert planned(folder.parent) == (16, 0, 6, 0, 0)
    of = {phase: [entry for _, entry in specs(folder, phase)] for phase in ("tune", "confirm")}
    (folder / of["confirm"][-1]["file"]).unlink()
    assert planned(folder.parent) == (16, 0, 6, 1, 1)
    for entry in of["tune"][:3]:
        (folder / entry["file"]).unlink()
    assert planned(folder.parent) == (16, 3, 6, 1, 4)


def test_a_plan_counts_what_is_left_of_a_search_that_was_stopped(tuned, copy_of):
    folder = copy_of(tuned)
    content = manifests.read(folder)
    del content["tuning"]
    content["runs"] = dict(
        [each for each in content["runs"].items() if each[1]["phase"] == "tune" and each[1]["arm"] == "zoneout"][:5]
    )
    (folder / manifests.FILE).write_bytes(manifests.written(content))
    shutil.copytree(folder, folder.parent / "alone" / folder.name)
    assert planned(folder.parent / "alone") == (16, 11, 6, 6, 17)
