"""Tasks: real data that a recurrent network learns from. The list below is the registry.

A new task is one file here, a frozen dataclass that does what ``base.Task`` says, and one line in ``TASKS``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import cast

from zoneout_lab.errors import unknown
from zoneout_lab.tasks.base import Data, Examples, Split, Stream, Task
from zoneout_lab.tasks.char_ptb import CharPTB
from zoneout_lab.tasks.digits import Digits
from zoneout_lab.tasks.pmnist import PermutedMNIST

TASKS: Mapping[str, type[Task]] = MappingProxyType(
    {
        "digits": Digits,
        "pmnist": PermutedMNIST,
        "char_ptb": CharPTB,
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

    Raises UsageError where the task or an option does not exist, InputRefusedError where an option's value cannot be.

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
    "CharPTB",
    "Data",
    "Digits",
    "Examples",
    "PermutedMNIST",
    "Split",
    "Stream",
    "Task",
    "make_task",
    "task_class",
]
