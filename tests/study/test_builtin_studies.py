"""Every study that comes with the package can be planned and can answer what it asks."""

from __future__ import annotations

import pytest

from zoneout_lab.study import builtin_studies, load_study
from zoneout_lab.study.plan import batches, check_design, check_metrics
from zoneout_lab.study.spec import overridden
from zoneout_lab.tasks import TASKS

CASES = [(name, task, preset) for name in builtin_studies() for task in TASKS for preset in TASKS[task].settings]


@pytest.mark.parametrize(("name", "task", "preset"), CASES)
def test_plans(name, task, preset, own):
    declared = load_study(name)
    change = declared.change | {f"options.{option}": value for option, value in own(task).items()}
    study = overridden(declared, task=task, preset=preset, change=change).settled()
    assert study.name == name
    check_metrics(study)
    assert check_design(study) is None
    runs = study.runs()
    assert len(runs) == len(study.arms) * study.seeds
    assert sum(map(len, batches(runs, 50))) == len(runs)


@pytest.mark.parametrize("name", builtin_studies())
def test_says_what_it_asks(name):
    study = load_study(name)
    assert study.question.endswith("?")
    assert study.hypotheses
    assert all(hypothesis.claims and hypothesis.statement.endswith(".") for hypothesis in study.hypotheses)
    needed = {
        epoch for arm in study.arms for epoch in study.gradient_epochs if epoch > study.setting(arm).training.epochs
    }
    assert not needed, "gradient flow is asked for after the last epoch"
