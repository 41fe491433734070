"""Training functions as JSON: where one comes from, and the same function again in another process."""

from __future__ import annotations

import inspect
from types import FunctionType
from typing import Any

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.parts import code
from zoneout_lab.parts.source import defines
from zoneout_lab.parts.written import found_as, named

_NOUN = "function"


def check_function(given: Any) -> FunctionType:
    """A training function, checked: another process can import it, and it takes one argument.

    Raises InputRefusedError.

    >>> check_function(print)
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: train is <built-in function print>; give a function that is defined in a file: def train(run).
    """
    if not isinstance(given, FunctionType) or given.__name__ == "<lambda>":
        raise InputRefusedError(f"train is {given!r}; give a function that is defined in a file: def train(run).")
    if inspect.iscoroutinefunction(given) or inspect.isgeneratorfunction(given):
        raise InputRefusedError(f"{given.__name__} is asynchronous or a generator; train has to return its metrics.")
    try:
        inspect.signature(given).bind(None)
    except TypeError as error:
        raise InputRefusedError(
            f"{given.__name__} cannot be called with a run alone ({error}); write def {given.__name__}(run): ...."
        ) from None
    function_name(given)
    file = code.file_of(given)
    if not defines(file.source, given.__qualname__.partition(".")[0]):
        raise InputRefusedError(
            f"{file.path} defines no {given.__name__} when it is imported: move it to the top level of the file, outside any condition."
        )
    return given


def function_name(function: Any) -> str:
    """How JSON names a function: ``"./mine.py:train"``, ``"mypkg.training:train"``. Raises InputRefusedError where nobody else could import it."""
    return named(function, _NOUN)


def function_named(name: str) -> FunctionType:
    """The function of that name, among the files in use and those that this process has loaded. Raises InputRefusedError where there is none."""
    found = found_as(name, _NOUN)
    if not isinstance(found, FunctionType):
        raise InputRefusedError(f"{name} is no function.")
    return found
