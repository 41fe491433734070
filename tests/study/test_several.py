"""A study of several tasks: what it is, what it refuses, and that it runs each and judges all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from small_study import HELPS, small

from zoneout_lab import Hypothesis, OnTask, Study, across
from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.study.design import check_design, seeds_needed
from zoneout_lab.study.design_metrics import check_metrics
from zoneout_lab.study.run import run_study
from zoneout_lab.study.run_tasks import run_tasks
from zoneout_lab.study.several import page_of
from zoneout_lab.study.spec import overridden
from zoneout_lab.tasks import Adding

SHORT = OnTask(task="adding", change={"options.length": 5, "options.train_examples": 50, "training.batch": 50})


def both(**fields: Any) -> Study:
    """Digits, and a short adding problem."""
    return small(tasks=("digits", SHORT), **({"hypotheses": (HELPS,), "seeds": 3} | fields))


def test_each_is_the_ordinary_study_on_that_task() -> None:
    study = both()
    assert [each.id for each in study.each()] == [
        small(task="digits", hypotheses=(HELPS,), seeds=3).id,
        small(SHORT.change, task="adding", hypotheses=(HELPS,), seeds=3).id,
    ]
    assert study.task == "digits"
    assert [each.resolved().hypotheses[0].metric for each in study.each()] == ["valid_error", "valid_mse"]
    assert study.resolved().hypotheses[0].metric == "valid_score"


def test_a_study_on_one_task_is_what_it_was() -> None:
    study = small()
    assert study.each() == (study,)
    assert "tasks" not in study.to_json()
    assert small(tasks=()).id == study.id


def test_tasks_are_given_by_name_class_and_value() -> None:
    study = small(tasks=("digits", Adding, Adding(length=9), {"task": "pmnist", "preset": "paper"}))
    assert [(on.label, on.preset) for on in study.tasks] == [
        ("digits", None),
        ("adding", None),
        ("adding", None),
        ("pmnist", "paper"),
    ]
    assert [each.setting().options.get("length") for each in study.each()][1:3] == [30, 9]
    assert Study.model_validate_json(study.model_dump_json()) == study
    assert overridden(study, seeds=4).tasks == study.tasks


MARGIN = {"statement": "", "arm": "zoneout", "against": "lstm", "name": "h"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tasks": ("digits",)}, "tasks has one task; give task='digits'"),
        ({"tasks": ("digits", "digits")}, "the same task twice"),
        ({"tasks": ("digits", "adding"), "task": "adding"}, "not both"),
        ({"change": {"options.permute": False}}, "options.permute is an option of one task"),
        ({"seeds": 10, "looks": (6, 10)}, "looks end each task's runs for itself"),
    ],
)
def test_what_does_not_fit_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputRefusedError, match=message):
        (small if "tasks" in fields else both)(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"metric": "valid_score", "margin": 0.01, "scale": "linear"},
            "units of valid_score, which are not the same on digits and adding",
        ),
        ({"metric": "valid_score", "margin": 1.05}, "on adding: hypothesis 'h'.*could be either"),
    ],
)
def test_a_margin_means_the_same_on_every_task_or_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputRefusedError, match=message):
        both(hypotheses=(Hypothesis(**MARGIN, **fields),)).resolved()


def test_a_margin_that_is_a_factor_or_in_one_unit_is_not_refused() -> None:
    both(hypotheses=(Hypothesis(**MARGIN, metric="valid_score", margin=1.05, scale="log"),)).resolved()
    both(hypotheses=(Hypothesis(**MARGIN, metric="best_epoch", margin=2.0),)).resolved()


def test_a_metric_that_one_task_lacks_is_refused() -> None:
    with pytest.raises(UsageError, match="valid_error"):
        check_metrics(both(hypotheses=(Hypothesis(**MARGIN, metric="valid_error"),)))


def test_seeds_of_all_tasks_count_and_for_absence_those_of_each() -> None:
    assert (seeds_needed(both()), check_design(both())) == (3, None)
    assert "on each of 2 tasks the smallest p-value is 0.125" in str(check_design(both(seeds=2)))
    absent = Hypothesis(**MARGIN, metric="best_epoch", direction="same", margin=2.0)
    assert seeds_needed(both(hypotheses=(absent,))) == 6


def test_it_has_no_setting_and_no_run_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="asks on 2 tasks"):
        both().setting()
    with pytest.raises(UsageError, match="run_tasks"):
        run_study(both(), out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_runs_each_task_and_judges_all(tmp_path: Path) -> None:
    """Three seeds on each: no task alone is forced, and the page lies beside the folders and links to them."""
    seen: list[str] = []
    study = both()
    summaries, page = run_tasks(
        study, out=tmp_path, workers=1, tracking=None, after=lambda summary: seen.append(summary.folder.name)
    )
    assert seen == [each.id for each in study.each()]
    assert [summary.trained for summary in summaries] == [6, 6]
    assert page == page_of(tmp_path, study.each()) == tmp_path / f"{study.id}.html"
    text = page.read_text()
    assert all(f'href="{name}/report.html"' in text for name in seen)
    (judgement,) = across([summary.folder for summary in summaries]).judgements
    assert judgement.sentence in text
    assert "forced" not in (summaries[0].folder / "MANIFEST.json").read_text()

    again, _ = run_tasks(study, out=tmp_path, workers=1, tracking=None)
    assert [summary.trained for summary in again] == [0, 0]
    assert page.read_text() == text


def test_nothing_is_trained_where_a_later_task_cannot_be(tmp_path: Path) -> None:
    study = small(tasks=("digits", "images"), hypotheses=(HELPS,), seeds=3)
    with pytest.raises((InputRefusedError, UsageError)):
        run_tasks(study, out=tmp_path, workers=1, tracking=None)
    assert list(tmp_path.iterdir()) == []
