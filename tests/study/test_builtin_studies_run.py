"""Every study that comes with the package is planned at both presets, and runs to its report, as small as can be: on real data."""

from __future__ import annotations

import html
import math
from pathlib import Path
from typing import Any

import pytest
from small_study import run

from zoneout_lab import Study, Tuning, open_results
from zoneout_lab.paper import PRINTED
from zoneout_lab.study import builtin_studies, load_study
from zoneout_lab.study.batching import batches
from zoneout_lab.study.cost import cost
from zoneout_lab.study.spec import overridden
from zoneout_lab.tasks import TASKS, make_task

TINY = {"model.hidden": 4, "training.epochs": 1}
SMALLEST: dict[str, dict[str, Any]] = {
    "digits": {"training.batch": 256},
    "adding": {"training.batch": 50, "options.length": 5, "options.train_examples": 50},
    "pmnist": {
        "training.batch": 4,
        "options.train_examples": 8,
        "options.valid_examples": 4,
        "options.test_examples": 4,
    },
    "char_ptb": {
        "training.batch": 4,
        "options.train_chars": 600,
        "options.valid_chars": 200,
        "options.test_chars": 200,
    },
    "text8": {
        "training.batch": 4,
        "options.length": 20,
        "options.train_chars": 200,
        "options.valid_chars": 60,
        "options.test_chars": 60,
    },
    "word_ptb": {
        "model.embedding": 4,
        "training.batch": 2,
        "options.streams": 2,
        "options.length": 10,
        "options.train_tokens": 50,
        "options.valid_tokens": 30,
        "options.test_tokens": 30,
    },
}
#: with the task, regularizers and settings of another's kind, or cells that have tests of their own: they run among the long tests
LIKE_ANOTHER = (
    "char_ptb_grid", "evaluation_modes", "gradient_flow", "gru_and_rnn", "input_mask", "low_rates", "mask_sharing", "modern_cells", "per_unit_vs_per_layer", "perturbation",
    "recurrent_batch_norm", "static_identity", "text8_table1", "update_schedules",
)  # fmt: skip


def folder_of(task: str, request: pytest.FixtureRequest) -> Path | None:
    """Where a task's data are; the digits come with scikit-learn."""
    if task in ("digits", "adding"):
        return None
    return Path(request.getfixturevalue("text8_folder" if task == "text8" else "shared_data"))


@pytest.mark.parametrize("preset", ["laptop", pytest.param("paper", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", builtin_studies())
def test_is_planned_at_both_presets(
    name: str, preset: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
):
    """On the real data, timed on this machine."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    study = load_study(name)
    if preset not in TASKS[study.task].settings:
        pytest.skip("the quickstart's digits are not in the paper")
    study = overridden(study, preset=preset).each()[-1]
    task = make_task(study.task, study.setting().options)
    data = task.load(folder_of(study.task, request))
    work = batches(study.runs(), data.train.steps, workers=1)
    assert sum(map(len, work)) == len(study.arms) * study.seeds
    expected = cost(work, task, data)
    assert 0 < expected.seconds < math.inf
    assert expected.memory > 0


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LIKE_ANOTHER)) for name in builtin_studies()]
)
def test_runs_to_its_report(name: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for declared in load_study(name).each():
        _runs_to_its_report(declared, tmp_path, request)


def _runs_to_its_report(declared: Study, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    study = overridden(
        declared,
        seeds=2,
        change=declared.change | TINY | SMALLEST[declared.task],
        gradient_epochs=(-1,) if declared.gradient_epochs else (),
        gradient_examples=4,
        tuning=Tuning(trials=1, seeds=1) if declared.tuning else None,
    )
    summary = run(study, tmp_path, data=folder_of(declared.task, request), force=True)
    assert (summary.failed, summary.diverged) == ([], 0)
    metrics = open_results(summary.folder)["metrics"]
    assert list(metrics.arm.values) == [arm.name for arm in study.arms]
    assert (metrics["status"] == "finished").all()
    page = html.unescape(summary.report.read_text())
    assert all(hypothesis.statement in page for hypothesis in study.resolved().hypotheses)
    assert ("Beside the paper" in page) == (declared.task in PRINTED)
    # of pMNIST's two presets the tiny changes above leave no difference
    assert ("What this preset changes of the paper’s setting" in page) == (
        declared.task not in ("digits", "adding", "pmnist")
    )
