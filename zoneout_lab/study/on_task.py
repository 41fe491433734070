"""A task as a study names it, alone or as one of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from zoneout_lab.frozen import Frozen
from zoneout_lab.study.part_fields import Change, TaskField


def with_options(values: Any) -> Any:
    """Fields of a study (or of one of its tasks) in which a task that is a value is its class, and its fields are changes of the setting's options."""
    task = values.get("task") if isinstance(values, Mapping) else None
    if task is None or isinstance(task, str | type):
        return values
    from zoneout_lab.tasks import Task, options_of

    if not isinstance(task, Task):
        return values
    options = {f"options.{name}": value for name, value in options_of(task).items()}
    return {**values, "task": type(task), "change": options | dict(values.get("change", {}))}


class OnTask(Frozen):
    """One of a study's tasks: which, at which of its presets, and what is changed there for all arms.

    A task given alone, by name, as a class or as a value, stands for itself without changes.

    Args:
        task: by name, as a class or as a value.
        preset: one of its settings; None: the study's.
        change: dotted field of the setting → value. What the study itself changes comes first.

    >>> OnTask(task="digits", change={"training.epochs": 5}).label
    'digits'
    """

    task: TaskField
    preset: str | None = None
    change: Change = Field(default_factory=dict, description="dotted field of the setting → value")

    @model_validator(mode="before")
    @classmethod
    def _options_of_task(cls, values: Any) -> Any:
        return with_options(values)

    @property
    def label(self) -> str:
        """What the task is called."""
        return label_of(self.task)


def label_of(task: Any) -> str:
    """What a task, given by name or as a class, is called."""
    if isinstance(task, str):
        return task
    from zoneout_lab.tasks import task_name

    return task_name(task)


def _on_task(value: Any) -> Any:
    return value if isinstance(value, OnTask | Mapping) else {"task": value}


OnTaskField = Annotated[OnTask, BeforeValidator(_on_task)]


def with_first(values: Any) -> Any:
    """Fields of a study with several tasks and none besides: its task is then the first of them."""
    tasks = values.get("tasks") if isinstance(values, Mapping) else None
    if not isinstance(tasks, Sequence) or isinstance(tasks, str) or not tasks or values.get("task") is not None:
        return values
    first = _on_task(tasks[0])
    task = first.task if isinstance(first, OnTask) else first.get("task")
    return {**values, "task": task if task is None or isinstance(task, str | type) else type(task)}
