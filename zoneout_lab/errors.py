"""Errors a person can act on: each says what was wrong and what to do, and carries the exit code of the command line.

| code | meaning |
|---|---|
| 1 | internal: a fault of ours |
| 2 | usage: a name or an option that does not exist |
| 3 | the study finished, with failed runs |
| 4 | a file is not what was written |
| 5 | input refused: nothing was changed |
| 6 | the study finished, and Optuna or MLflow is not up to date with it |
| 75 | try again: disk, database or cluster |
| 129, 130, 143 | stopped by SIGHUP, SIGINT, SIGTERM (:mod:`zoneout_lab.interrupts`) |
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LabError(Exception):
    """Base of every error this package raises on purpose."""

    exit_code = 1


class UsageError(LabError, ValueError):
    """A study, arm, task, metric, device or option was named that does not exist."""

    exit_code = 2


class IntegrityError(LabError):
    """A result file differs from the one that was written."""

    exit_code = 4


class InputRefusedError(LabError, ValueError):
    """Input that cannot be right: a rate outside [0, 1], a truncated data file, a design that cannot reach its α."""

    exit_code = 5


class TryAgainError(LabError):
    """Disk, database or cluster did not answer; nothing was lost, and the same command may succeed later."""

    exit_code = 75


class FunctionFailedError(Exception):
    """A training function failed, or returned what cannot be used: what is said of it in a line, and its traceback, if there is one."""

    def __init__(self, what: str, trace: str = "") -> None:
        super().__init__(what, trace)
        self.what, self.trace = what, trace

    def __str__(self) -> str:
        return self.what


def told(error: BaseException) -> str:
    """What a user's own code raised, in a line: its class, and what it says where it says something. Of a training function that failed, why.

    >>> told(KeyError("x")), told(RuntimeError()), told(ValueError("two\\nlines"))
    ("KeyError: 'x'", 'RuntimeError', 'ValueError: two lines')
    """
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 - the message itself may be at fault
        text = ""
    if isinstance(error, FunctionFailedError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def shown(value: object, longest: int = 100) -> str:
    """A value of a user's as an error quotes it, whatever its own ``repr`` does.

    >>> shown("text"), shown(10**9, 3)
    ("'text'", '100')
    """
    try:
        return repr(value)[:longest]
    except Exception:  # noqa: BLE001 - it is anybody's code, and the error is about the value
        return f"<{type(value).__name__} object>"


def unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that is on no list, with the list and the nearest match.

    >>> print(unknown("task", "digit", ["digits", "pmnist"]))
    There is no task 'digit'. Did you mean 'digits'? Known: digits, pmnist.
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return UsageError(f"There is no {kind} {name!r}.{hint} Known: {', '.join(names) or 'none'}.")
