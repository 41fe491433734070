"""Checks of the options a task takes. A wrong value is refused before any data are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from zoneout_lab.checked import plain
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.tasks.files import expanded


def keep_plain(task: Any) -> None:
    """Replace the options of a task, a frozen dataclass, that come from NumPy or torch by the same values as Python's own.

    Every task does this before its checks: its options are written to JSON and are part of a run's identity.

    >>> import numpy as np
    >>> from zoneout_lab.tasks import Copying
    >>> Copying(blanks=np.int64(20)).blanks
    20
    """
    for field in fields(task):
        object.__setattr__(task, field.name, plain(getattr(task, field.name)))


def check_count(name: str, value: object, *, least: int = 0, most: int | None = None, zero: str = "") -> None:
    """Refuse ``value`` unless it is a whole number from ``least`` to ``most``, or 0 where ``zero`` says what 0 means.

    >>> check_count("train_examples", 0, least=10, zero="all")
    >>> check_count("train_examples", 3, least=10, most=50, zero="all")
    Traceback (most recent call last):
    ...
    zoneout_lab.errors.InputRefusedError: train_examples is 3; it has to be a whole number from 10 to 50, or 0 for all.
    """
    # True is an int to Python, and never what is meant here.
    if isinstance(value, int) and not isinstance(value, bool):
        if zero and value == 0:
            return
        if value >= least and (most is None or value <= most):
            return
    span = f"from {least} to {most}" if most is not None else f"of at least {least}"
    exception = f", or 0 for {zero}" if zero else ""
    raise InputRefusedError(f"{name} is {value!r}; it has to be a whole number {span}{exception}.")


def check_flag(name: str, value: object) -> None:
    """Refuse ``value`` unless it is true or false.

    >>> check_flag("permute", "no")
    Traceback (most recent call last):
    ...
    zoneout_lab.errors.InputRefusedError: permute is 'no'; it has to be true or false.
    """
    if not isinstance(value, bool):
        raise InputRefusedError(f"{name} is {value!r}; it has to be true or false.")


def check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Refuse ``value`` unless it is one of ``choices``.

    >>> check_choice("index", "sorted", ["permutation", "with_replacement"])
    Traceback (most recent call last):
    ...
    zoneout_lab.errors.InputRefusedError: index is 'sorted'; it has to be one of permutation, with_replacement.
    """
    if value not in choices:
        raise InputRefusedError(f"{name} is {value!r}; it has to be one of {', '.join(choices)}.")


def check_fraction(name: str, value: object) -> None:
    """Refuse ``value`` unless it is a number from 0 to below 1.

    >>> check_fraction("valid", 1)
    Traceback (most recent call last):
    ...
    zoneout_lab.errors.InputRefusedError: valid is 1; it has to be a fraction, from 0 to below 1.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise InputRefusedError(f"{name} is {value!r}; it has to be a fraction, from 0 to below 1.")


def check_file(name: str, value: object, *, folder: bool = False) -> None:
    """Refuse ``value`` unless it names a file that exists, or is empty, which means that no file is named yet.

    With ``folder``, it may name a folder too.

    >>> check_file("path", "no/such/file.txt")
    Traceback (most recent call last):
    ...
    zoneout_lab.errors.InputRefusedError: path is 'no/such/file.txt', and there is no such file. It is looked for from ...
    """
    if not isinstance(value, str):
        raise InputRefusedError(f"{name} is {value!r}; it has to be the name of a file, in quotes.")
    if not value:
        return
    try:
        path = expanded(value)
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        raise InputRefusedError(
            f"{name} is {value!r}, which cannot be looked at ({error}). Name another file."
        ) from error
    if is_folder and not folder:
        raise InputRefusedError(f"{name} is {value!r}, which is a folder: name a file in it.")
    if not is_file and not is_folder:
        raise InputRefusedError(
            f"{name} is {value!r}, and there is no such file. It is looked for from {Path.cwd()}; name it in full, or from there."
        )
