"""A user's own text files: which part of which is for training, for validation and for the test."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Protocol

from torch import Tensor

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.tasks.corpus import training_end
from zoneout_lab.tasks.encoding import check_encoding
from zoneout_lab.tasks.files import expanded
from zoneout_lab.tasks.options import check_file, check_fraction


class OwnText(Protocol):
    """The options of a task that reads a user's own text.

    ``path``: the text. ``valid_path``, ``test_path``: texts of their own for validation and test; where one is empty, that part
    comes from the end of ``path``, the test part last. ``valid``, ``test``: those parts' fractions of ``path``. ``encoding``: of all
    the files.
    """

    kind: ClassVar[str]

    @property
    def path(self) -> str: ...
    @property
    def valid_path(self) -> str: ...
    @property
    def test_path(self) -> str: ...
    @property
    def valid(self) -> float: ...
    @property
    def test(self) -> float: ...
    @property
    def encoding(self) -> str: ...


def check_own(task: OwnText) -> None:
    """Refuse impossible options: files that do not exist, fractions that leave nothing or take nothing, an unknown encoding.

    Raises InputRefusedError.
    """
    for option in ("path", "valid_path", "test_path"):
        check_file(option, getattr(task, option))
    check_encoding("encoding", task.encoding)
    for option, own in (("valid", task.valid_path), ("test", task.test_path)):
        check_fraction(option, getattr(task, option))
        if not own and getattr(task, option) == 0:
            raise InputRefusedError(f"{option} is 0 and there is no {option}_path: give one of them.")
    if sum(held_out(task)) >= 1:
        raise InputRefusedError(f"valid is {task.valid} and test is {task.test}: nothing is left to train on.")


def held_out(task: OwnText) -> tuple[float, float]:
    """The fractions of ``path`` that validation and test take."""
    return 0.0 if task.valid_path else task.valid, 0.0 if task.test_path else task.test


def own_paths(task: OwnText) -> list[Path]:
    """The files in order: training, and those for validation and test that there are. Raises InputRefusedError without a path."""
    if not task.path:
        raise InputRefusedError(
            f"{task.kind} reads a text of your own, and none is named: set options.path to a file, for example "
            "--set options.path=book.txt."
        )
    return [expanded(path) for path in (task.path, task.valid_path, task.test_path) if path]


def own_parts(task: OwnText, ends: tuple[int, ...]) -> tuple[slice, slice, slice]:
    """Which symbols are training, validation and test, of files coded one after another that end at ``ends``."""
    fractions = held_out(task)
    middle = training_end(ends[0], fractions)
    later = ends[0] - round(ends[0] * fractions[1])
    files = [slice(start, end) for start, end in pairwise(ends)]
    valid = files.pop(0) if task.valid_path else slice(middle, later)
    test = files.pop(0) if task.test_path else slice(later, ends[0])
    return slice(0, middle), valid, test


def refuse_short(task: OwnText, part: str, found: int, needed: int, unit: str) -> None:
    """Raise InputRefusedError where a part has fewer symbols than it needs."""
    if found < needed:
        raise InputRefusedError(
            f"The {part} part of {task.path} has {found:,} {unit}, and at least {needed:,} are needed. "
            "Use more text, other fractions or a smaller length."
        )


def refuse_alike(task: OwnText, symbols: Tensor, names: Sequence[str]) -> None:
    """Raise InputRefusedError where the training ``symbols`` are all the same: line ends alone, for example."""
    if symbols.min() == symbols.max():
        raise InputRefusedError(
            f"The training part of {task.path} is {names[int(symbols[0])]!r} over and over: there is nothing to predict. Use another text, "
            "or other fractions."
        )
