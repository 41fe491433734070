"""Tasks: what a recurrent network learns from, real data or a problem of known horizon. The list below is the registry.

A new task is one file here, a frozen dataclass that does what ``base.Task`` says, and one line in ``TASKS``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import cast

from zoneout_lab.errors import unknown
from zoneout_lab.tasks.adding import Adding
from zoneout_lab.tasks.base import Carried, Data, Examples, Split, Stream, Task, TaskScore
from zoneout_lab.tasks.char_ptb import CharPTB
from zoneout_lab.tasks.char_text import CharText
from zoneout_lab.tasks.copying import Copying
from zoneout_lab.tasks.digits import Digits
from zoneout_lab.tasks.images import Images
from zoneout_lab.tasks.pmnist import PermutedMNIST
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


def task_class(name: str) -> type[Task]:
    """The class of the task of this name, with its title and settings. Raises UsageError where there is none.

    >>> sorted(task_class("pmnist").settings)
    ['laptop', 'paper']
    """
    if name not in TASKS:
        raise unknown("task", name, TASKS)
    return TASKS[name]


def make_task(name: str, options: Mapping[str, int | float | str | bool] | None = None) -> Task:
    """The task of this name with these options; an option left out keeps its default.

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
            raise unknown(f"{name} option", option, known)
    return cast(Callable[..., Task], task)(**(options or {}))


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
    "make_task",
    "task_class",
]
