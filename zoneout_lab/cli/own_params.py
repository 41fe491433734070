"""Options of a study with a training function: its parameters, changed on the command line."""

from __future__ import annotations

import json
from typing import Any

from zoneout_lab.errors import UsageError, unknown
from zoneout_lab.study import Study
from zoneout_lab.study.spec import overridden


def with_params(
    declared: Study, seeds: int | None, seed: int | None, change: list[str] | None
) -> tuple[Study, Study, list[str], list[str]]:
    """The study to run, the study as declared, what differs in words, and the options that make the difference.

    What is set holds for every arm that does not say otherwise. Raises UsageError for a parameter that the study does not have.
    """
    changes: dict[str, Any] = {}
    words, options = [], []
    for field, value in (("seeds", seeds), ("seed", seed)):
        if value is not None and value != (now := getattr(declared, field)):
            changes[field] = value
            words.append(f"{field}: {now} → {value}")
            options += [f"--{field}", str(value)]
    if change:
        params = dict(declared.params)
        for item in change:
            name, equals, text = item.partition("=")
            if not equals:
                raise UsageError(f"--set takes PARAMETER=VALUE, for example --set lr=0.01; got {item!r}.")
            if name not in params:
                raise unknown("parameter", name, params)
            params[name] = text if isinstance(params[name], str) else as_value(text, of=params[name])
            words.append(f"{name} set to {text}")
            options += ["--set", item]
        changes["params"] = params
    changed = overridden(declared, **changes)
    if changed.looks != declared.looks:
        words.append(f"looks: {', '.join(map(str, declared.looks))} → {', '.join(map(str, changed.looks))}")
    return changed.resolved(), declared, words, options


_TRUTHS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def as_value(text: str, of: Any = None) -> Any:
    """A value as a person writes it; a list or a mapping as JSON, where it takes the place ``of`` one.

    >>> [as_value(text) for text in ("3", "1e-3", "true", "none", "adam")]
    [3, 0.001, True, None, 'adam']
    >>> as_value("[64, 32]", of=[128]), as_value("on", of=False), as_value("1e1", of=5)
    ([64, 32], True, 10)
    """
    lowered = text.lower()
    if isinstance(of, bool):
        if lowered not in _TRUTHS:
            raise UsageError(f"{text!r} is neither true nor false.")
        return _TRUTHS[lowered]
    if lowered in ("true", "false"):
        return lowered == "true"
    if lowered in ("none", "null"):
        return None
    if isinstance(of, list | dict):
        try:
            return json.loads(text)
        except ValueError as error:
            raise UsageError(f"{text!r} is no list or mapping as JSON has it ({error}).") from error
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return int(value) if isinstance(of, int) and float(value).is_integer() else value
    if isinstance(of, int | float):
        raise UsageError(f"{text!r} takes the place of {of!r} and is no number.")
    return text
