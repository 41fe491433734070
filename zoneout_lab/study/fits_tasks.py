"""The same for studies of built-in tasks: regularizers, several tasks, searches. Each function raises InputRefusedError, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from zoneout_lab.errors import InputRefusedError, unknown
from zoneout_lab.metrics import Metric, Scale
from zoneout_lab.parts import check_class, parts_of
from zoneout_lab.regularizers import REGULARIZERS, Regularizer, to_json
from zoneout_lab.study.declared import Arm, Hypothesis, Tuning
from zoneout_lab.study.on_task import OnTask
from zoneout_lab.tasks import Task, task_name


def regularizers_fit(arms: Sequence[Arm]) -> None:
    """A user's regularizer is well formed, and no arm has parameters, which are a training function's."""
    for arm in arms:
        if arm.params is not None:
            raise InputRefusedError(
                f"arm {arm.name!r} has params, which are for a training function, and this study has none: give the study train=..., or "
                "write change={...}."
            )
        try:
            for part in parts_of(arm.regularizer):
                check_class(type(part), REGULARIZERS, Regularizer)
        except InputRefusedError as error:
            raise InputRefusedError(f"arm {arm.name!r}: {error}") from error


def tasks_fit(tasks: Sequence[OnTask], task: str | type[Task], change: Mapping[str, Any], looks: Sequence[int]) -> None:
    """Several tasks are different ones, the only ones, each with its own options, and judged once."""
    if not tasks:
        return
    if task_name(task) != tasks[0].label:
        raise InputRefusedError(f"Give task={task_name(task)!r} or tasks=..., not both.")
    if len(tasks) == 1:
        raise InputRefusedError(f"tasks has one task; give task={tasks[0].label!r} instead.")
    if len({on.model_dump_json() for on in tasks}) < len(tasks):
        raise InputRefusedError("tasks has the same task twice; what is run again is the same, and no second task.")
    if option := next((path for path in change if path.startswith("options.")), None):
        raise InputRefusedError(
            f"{option} is an option of one task, and this study has {len(tasks)}: give it in tasks, OnTask(task=..., change={{{option!r}: ...}})."
        )
    if looks:
        raise InputRefusedError(
            "looks end each task's runs for itself, and a verdict over several tasks is reached once: leave out looks, or tasks."
        )


def shared_by_tasks(hypothesis: Hypothesis, tasks: Sequence[tuple[str, Scale | None, Metric | None]]) -> None:
    """A hypothesis means the same on every task, of which these are the label, the scale that it is tested on, and what is known of its metric."""
    name, metric = hypothesis.name, hypothesis.metric
    known = [(label, scale, about) for label, scale, about in tasks if about is not None]
    sides = {about.better: label for label, _, about in known if about.better}
    if len(sides) > 1:
        raise InputRefusedError(
            f"hypothesis {name!r}: a lower {metric} is better on {sides['lower']} and worse on {sides['higher']}, so one direction cannot be claimed of both. "
            "Name a metric that means the same on every task, such as valid_loss."
        )
    if not hypothesis.margin:
        return
    scales = {scale: label for label, scale, _ in known}
    if len(scales) > 1:
        (one, first), (other, second), *_ = scales.items()
        raise InputRefusedError(
            f"hypothesis {name!r}: its margin is on the {one} scale on {first} and on the {other} scale on {second}. Name one scale for all tasks: "
            'scale="log" makes the margin a factor.'
        )
    units = {about.unit: label for label, _, about in known}
    if "linear" in scales and len(units) > 1:
        (_, first), (_, second), *_ = units.items()
        raise InputRefusedError(
            f"hypothesis {name!r}: its margin of {hypothesis.margin:g} is in the units of {metric}, which are not the same on {first} and {second}. "
            'scale="log" makes the margin a factor; without a margin none is needed.'
        )


def searches_fit(arms: Sequence[Arm], tuning: Tuning | None) -> None:
    """What is searched is a rate of the arm's regularizer, its range holds possible values, and there is a budget."""
    for arm in arms:
        fields = set(to_json(arm.regularizer)) - {"kind"}
        if set(arm.search) - fields:
            raise InputRefusedError(
                f"arm {arm.name!r}: {unknown('option to search', min(set(arm.search) - fields), fields)}"
            )
        for option, space in arm.search.items():
            if not isinstance(space, tuple):
                raise InputRefusedError(
                    f"arm {arm.name!r}: {option} is a rate and is searched in a range, (low, high), not in {space.get('name')}."
                )
            low, high = space
            if type(getattr(arm.regularizer, option)) is not float or not low < high:
                raise InputRefusedError(
                    f"arm {arm.name!r}: {option} cannot be searched from {low} to {high}; it takes a rate and a range that rises."
                )
            for end in (low, high):
                replace(arm.regularizer, **{option: end})  # type: ignore[type-var]
        if arm.search and tuning is None:
            raise InputRefusedError(
                f"arm {arm.name!r} has a search space but the study has no tuning budget: add tuning=Tuning(...)."
            )
