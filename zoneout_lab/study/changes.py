"""What pydantic found wrong, in plain words."""

from __future__ import annotations

from pydantic import ValidationError


def explain(error: ValidationError) -> str:
    """A validation error in a sentence for each field.

    >>> from zoneout_lab import Tuning
    >>> try:
    ...     Tuning(trials=0)
    ... except ValidationError as error:
    ...     print(explain(error))
    trials: input should be greater than or equal to 1, got 0.
    """
    lines = []
    for item in error.errors(include_url=False):
        where = ".".join(str(part) for part in item["loc"] if part != "function-before[from_json()]")
        if item["type"] == "value_error":
            lines.append(f"{where}: {item['ctx']['error']}".removeprefix(": "))
        else:
            message = item["msg"][0].lower() + item["msg"][1:]
            lines.append(f"{where}: {message}, got {item['input']!r}.")
    return "\n".join(lines)
