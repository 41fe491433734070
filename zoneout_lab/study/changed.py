"""A setting with fields replaced."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from zoneout_lab.checked import plain
from zoneout_lab.errors import InputRefusedError, unknown
from zoneout_lab.explained import explain
from zoneout_lab.settings import Setting


def changed(setting: Setting, changes: Mapping[str, Any]) -> Setting:
    """A setting with dotted fields replaced: ``training.epochs``, ``model.hidden``, ``options.permute``.

    A text such as ``"*0.5"`` multiplies the number that stands there: half the preset's learning rate, whichever preset it is.

    Raises UsageError for a field that does not exist, InputRefusedError for an impossible value.

    >>> changed(Setting(), {"training.epochs": 3}).training.epochs
    3
    >>> changed(Setting(), {"training.lr": "*0.5"}).training.lr
    0.001
    """
    value = setting.model_dump()
    for path, new in plain(changes).items():
        group, _, name = path.partition(".")
        if group not in value or not name or (group != "options" and name not in value[group]):
            known = [f"{g}.{n}" for g in ("model", "training") for n in value[g]] + ["options.NAME"]
            raise unknown("setting", path, known)
        old = value[group].get(name)
        if isinstance(new, bool) and isinstance(old, int | float) and not isinstance(old, bool):
            raise InputRefusedError(f"{path} is {old!r} and takes a number, got {str(new).lower()}.")
        value[group][name] = _multiple(path, old, new)
    try:
        return Setting.model_validate(value)
    except ValidationError as error:
        raise InputRefusedError(explain(error)) from error


def _multiple(path: str, old: Any, new: Any) -> Any:
    if not isinstance(new, str) or not new.startswith("*") or isinstance(old, str):
        return new
    try:
        factor = float(new[1:])
    except ValueError:
        factor = math.nan
    if isinstance(old, bool) or not isinstance(old, int | float) or not math.isfinite(old * factor):
        raise InputRefusedError(f"{path} is {old!r} and cannot be multiplied by {new[1:]!r}; give its value.")
    return round(old * factor) if isinstance(old, int) else old * factor
