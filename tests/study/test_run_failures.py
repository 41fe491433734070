"""Runs that fail, do not fit the memory, or diverge, and folders that are deleted under them: the others go on and nothing is dropped."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from small_study import ARMS, DIVERGES, arrays, assert_same_bits, listening, manifest, run, small

from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError, TryAgainError
from zoneout_lab.results import open_results
from zoneout_lab.study.driver import Watcher
from zoneout_lab.study.verify import verify
from zoneout_lab.training import train, trainer

LONGER = ARMS[1].model_copy(update={"name": "longer", "change": {"training.epochs": 3}})


def failing(fails, error):
    """The real training, but for batches that ``fails`` picks."""

    def train_or_fail(runs, *arguments, **options):
        if fails(runs):
            raise error
        return train(runs, *arguments, **options)

    return train_or_fail


@pytest.mark.parametrize(
    "error",
    [RuntimeError("the disk is purple"), pytest.param(MemoryError("no room"), marks=pytest.mark.slow)],
    ids=["fault", "memory"],
)
def test_a_failing_batch_costs_no_other(tmp_path, monkeypatch, error):
    study = small(arms=(*ARMS, LONGER))
    watcher, warnings = listening()
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "train", failing(lambda runs: runs[0].arm == "longer", error))
        summary = run(study, tmp_path, watcher=watcher)
    assert summary.failed == ["longer seed 0", "longer seed 1"]
    assert summary.trained == 4
    assert any("longer seed 1" in text and str(error) in text for text in warnings)
    status = open_results(summary.folder)["metrics/status"]
    assert (status.sel(arm="longer") == "missing").all()
    assert (status.sel(arm=["lstm", "zoneout"]) == "finished").all()
    first = summary.report.read_text()

    again = run(study, tmp_path)  # the fault is gone
    assert (again.trained, again.failed) == (2, [])
    assert again.report.read_text() != first


def test_one_arm_that_fails_takes_no_other_along(tmp_path, monkeypatch):
    """They train in one batch, again and again if need be."""
    watcher, warnings = listening()
    monkeypatch.setattr(
        trainer, "train", failing(lambda runs: any(run.arm == "zoneout" for run in runs), ValueError("late"))
    )
    summary = run(small(arms=ARMS[:2], seeds=3), tmp_path, watcher=watcher, workers=1)
    assert summary.failed == ["zoneout seed 0", "zoneout seed 1", "zoneout seed 2"]
    assert summary.trained == 3
    assert any("6 runs failed together (ValueError: late)" in text for text in warnings)
    status = open_results(summary.folder)["metrics/status"]
    assert (status.sel(arm="lstm") == "finished").all()


def test_when_every_run_fails_there_is_still_a_report(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "train", failing(lambda _: True, RuntimeError("no")))
    summary = run(small(), tmp_path)
    assert len(summary.failed) == 4
    assert summary.report.exists()


def test_what_does_not_fit_the_memory_is_halved(ran, tmp_path, monkeypatch):
    """Python, CUDA and the CPU's allocator each say it in their own way."""
    kinds = [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ]
    sizes = []

    def train_one_at_most(runs, *arguments, **options):
        sizes.append(len(runs))
        if len(runs) > 1:
            raise kinds.pop()
        return train(runs, *arguments, **options)

    monkeypatch.setattr(trainer, "train", train_one_at_most)
    watcher, warnings = listening()
    kept: list[int] = []
    watcher.done = lambda _, runs: kept.append(runs)
    summary = run(small(gradient_epochs=(1,)), tmp_path, watcher=watcher)
    assert (summary.trained, summary.failed) == (4, [])
    assert sizes == [4, 2, 2, 1, 1, 1, 1]
    assert kept == [0, 0, 0, 1, 1, 1, 1]  # also what did not fit is over, and no longer shown as in training
    assert len(warnings) == 3
    assert_same_bits(arrays(summary.folder), arrays(ran.folder))


def test_a_diverging_arm_is_a_result(with_diverged, diverged_study):
    assert (with_diverged.trained, with_diverged.diverged, with_diverged.failed) == (6, 2, [])
    tree = open_results(with_diverged.folder)
    status = tree["metrics/status"]
    assert (status.sel(arm=DIVERGES.name) == "diverged").all()
    assert (status.sel(arm=["lstm", "zoneout"]) == "finished").all()
    assert np.isnan(tree["metrics/test_error"].sel(arm=DIVERGES.name)).all()
    assert np.isfinite(tree["metrics/test_error"].sel(arm=["lstm", "zoneout"])).all()
    assert "diverged" in with_diverged.report.read_text()
    scores = {e["arm"]: e["score"] for e in manifest(with_diverged.folder)["runs"].values()}
    assert scores[DIVERGES.name] is None
    assert scores["lstm"] is not None


def test_a_diverging_arm_and_fewer_seeds_leave_the_others_as_they_are(with_diverged, tmp_path):
    more = arrays(run(small(seeds=3), tmp_path).folder)
    beside = {name: values for name, values in arrays(with_diverged.folder).items() if name in more}
    assert len({name.split("/")[0] for name in beside}) == 4  # two arms, two seeds
    assert_same_bits(beside, {name: more[name] for name in beside})


def test_tuning_that_only_diverges_is_refused(tmp_path):
    from zoneout_lab import Arm, Tuning, Zoneout

    arm = Arm(name="zoneout", regularizer=Zoneout(), search={"cell": (0.1, 0.5)}, change=DIVERGES.change)
    study = small(arms=(ARMS[0], arm), tuning=Tuning(trials=2, seeds=1))
    with pytest.raises(InputRefusedError, match="'zoneout' found no setting"):
        run(study, tmp_path)
    kept = manifest(tmp_path / study.id)["runs"].values()
    assert [e["status"] for e in kept] == ["diverged", "diverged"]
    assert all(schema.digest(tmp_path / study.id / e["file"]) == e["sha256"] for e in kept)


@pytest.mark.parametrize("what", ["", "MANIFEST.json"], ids=["the folder", "its manifest"])
def test_a_folder_deleted_under_a_study_is_said_and_gone_on_with(tmp_path, what):
    """A manifest is what may go first, with runs still there. Seen to fail where `Store.kept` keeps nothing: the folder was refused from then on."""
    study = small()

    def delete(text):
        if text == "Writing the report.":
            path = tmp_path / study.id / what
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    with pytest.raises(TryAgainError, match="was deleted or moved while the study ran"):
        run(study, tmp_path, watcher=Watcher(say=delete))
    summary = run(study, tmp_path)
    assert summary.trained == (0 if what else 4)
    assert [damage for row in verify(summary.folder) for damage in row.damages] == []
