"""What pydantic found wrong with a value, in plain words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from zoneout_lab.errors import InputRefusedError, UsageError

if TYPE_CHECKING:
    from pydantic import ValidationError

#: what arms, studies and hypotheses may be called
NAME = "^[a-z][a-z0-9_]*$"


def explain(error: ValidationError, fields: Iterable[str] = ()) -> str:
    """A validation error in a sentence for each field.

    Args:
        error: pydantic's.
        fields: names of fields, one of which may have been meant by a name that is none.

    >>> from pydantic import ValidationError
    >>> from zoneout_lab import Tuning
    >>> try:
    ...     Tuning.model_validate({"trials": 0})
    ... except ValidationError as error:
    ...     print(explain(error))
    trials: input should be greater than or equal to 1, got 0.
    """
    found = error.errors(include_url=False)
    places = [item["loc"] for item in found]
    # items that are refused are also missed
    missed = [item["type"] == "too_short" and any(_within(place, item["loc"]) for place in places) for item in found]
    return "\n".join(_sentence(item, fields) for item, drop in zip(found, missed, strict=True) if not drop)


def refused(error: ValidationError, what: str, fields: Iterable[str] = ()) -> InputRefusedError | UsageError:
    """This package's error for what pydantic refused: UsageError where all that is wrong is a name that does not exist, else InputRefusedError.

    Args:
        error: pydantic's.
        what: the kind of value that was to be made, ``Study``, which the message begins with.
        fields: names of its fields, one of which may have been meant.
    """
    causes = [item["ctx"]["error"] if item["type"] == "value_error" else None for item in error.errors()]
    kind = UsageError if len(causes) == 1 and isinstance(causes[0], UsageError) else InputRefusedError
    text = explain(error, fields)
    return kind(f"{what}:\n{text}" if "\n" in text else f"{what}: {text}")


def _within(place: tuple[Any, ...], whole: tuple[Any, ...]) -> bool:
    return len(place) > len(whole) and place[: len(whole)] == whole


def _sentence(item: Mapping[str, Any], fields: Iterable[str]) -> str:
    parts = [str(part) for part in item["loc"] if part != "function-before[from_json()]"]
    where, kind, got = ".".join(parts), item["type"], f"{item['input']!r:.200}"
    if kind == "value_error":
        return f"{where}: {item['ctx']['error']}".removeprefix(": ")
    if kind == "missing":
        return f"{where} is missing."
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(where, fields, n=1) if len(parts) == 1 else []
        return f"{where}: no such field.{f' Did you mean {close[0]}?' if close else ''}"
    if kind == "string_pattern_mismatch" and item["ctx"]["pattern"] == NAME:
        return f"{where} is {got}; use small letters, digits and _, the first a letter."
    message = item["msg"][0].lower() + item["msg"][1:]
    return f"{where}: {message}, got {got}."
