"""Tasks: what a recurrent network learns from, real data or a problem of known horizon. The list below is the registry.

A new task is one file here, a frozen dataclass that inherits from :class:`Task`, and one line in ``TASKS``. A task of your own need
not be on the list.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import cast

from zoneout_lab import parts
from zoneout_lab.errors import UsageError, unknown
from zoneout_lab.frozen import Value
from zoneout_lab.tasks.adding import Adding
from zoneout_lab.tasks.base import Carried, Data, Examples, Split, Stream, TaskScore
from zoneout_lab.tasks.char_ptb import CharPTB
from zoneout_lab.tasks.char_text import CharText
from zoneout_lab.tasks.copying import Copying
from zoneout_lab.tasks.digits import Digits
from zoneout_lab.tasks.images import Images
from zoneout_lab.tasks.pmnist import PermutedMNIST
from zoneout_lab.tasks.task import Task, check_task_class, load_own
from zoneout_lab.tasks.text8 import Text8
from zoneout_lab.tasks.word_ptb import WordPTB
from zoneout_lab.tasks.word_text import WordText

TASKS: Mapping[str, type[Task]] = MappingProxyType(
    {
        "digits": Digits,
        "pmnist": PermutedMNIST,
        "char_ptb": CharPTB,
        "word_ptb": WordPTB,
        "text8": Text8,
        "char_text": CharText,
        "word_text": WordText,
        "images": Images,
        "copying": Copying,
        "adding": Adding,
    }
)


def task_class(name: str | type[Task]) -> type[Task]:
    """The class of a task, with its title and settings: by name, or where it comes from; a class is returned as it is.

    Raises UsageError where there is none, InputRefusedError for a class that cannot be a task.

    >>> sorted(task_class("pmnist").settings)
    ['laptop', 'paper']
    """
    found = parts.resolve(name, TASKS, Task) if isinstance(name, str) else name  # type: ignore[type-abstract]
    if not any(found is task for task in TASKS.values()):
        parts.check_class(found, TASKS, Task)  # type: ignore[type-abstract]
        check_task_class(found)
    return found


def task_name(task: str | type[Task]) -> str:
    """How JSON names a task: ``"digits"``, ``"./mine.py:MyTask"``.

    >>> task_name(Digits)
    'digits'
    """
    return task if isinstance(task, str) else parts.reference(task, TASKS)


def make_task(name: str | type[Task], options: Mapping[str, Value] | None = None) -> Task:
    """The task of this name, or class, with these options; an option left out keeps its default.

    Raises UsageError where the task or an option does not exist, InputRefusedError for an impossible value of an option.

    >>> make_task("digits", {"permute": False})
    Digits(permute=False, permutation_seed=1)
    >>> make_task("digits", {"permuted": False})
    Traceback (most recent call last):
    ...
    zoneout_lab.errors.UsageError: There is no digits option 'permuted'. Did you mean 'permute'? Known: permutation_seed, permute.
    """
    task = task_class(name)
    known = inspect.signature(task).parameters
    for option in options or {}:
        if option not in known:
            raise unknown(f"{task_name(name)} option", option, known)
    needed = [option for option, p in known.items() if p.default is p.empty and option not in (options or {})]
    if needed:
        raise UsageError(f"{task_name(name)} needs a value for {needed[0]!r}: set options.{needed[0]}.")
    return cast(Callable[..., Task], task)(**(options or {}))


def options_of(task: Task) -> dict[str, Value]:
    """The options of a task as a setting holds them: its fields, without those that are None.

    >>> options_of(Digits())
    {'permute': True, 'permutation_seed': 1}
    """
    values = parts.field_values(task, TASKS)
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def load_task(task: Task, folder: Path | None = None) -> Data:
    """The task's data; those of a user's own task are checked. Raises InputRefusedError where they cannot be trained on."""
    return task.load(folder) if type(task) in TASKS.values() else load_own(task, folder)


__all__ = [
    "TASKS",
    "Adding",
    "Carried",
    "CharPTB",
    "CharText",
    "Copying",
    "Data",
    "Digits",
    "Examples",
    "Images",
    "PermutedMNIST",
    "Split",
    "Stream",
    "Task",
    "TaskScore",
    "Text8",
    "WordPTB",
    "WordText",
    "load_task",
    "make_task",
    "options_of",
    "task_class",
    "task_name",
]
