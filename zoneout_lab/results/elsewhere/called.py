"""What the arms of a table are called in sentences, tables and the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from zoneout_lab.errors import InputRefusedError, unknown
from zoneout_lab.results.elsewhere.columns import labels
from zoneout_lab.results.legible import legible


def arm_named(given: object, arms: Sequence[str], what: str) -> str:
    """The arm that is meant, whether by text or by number, as cells of the table are read. ``what`` it is given as: ``baseline``.

    Raises InputRefusedError where it is neither, UsageError where there is no such arm.

    >>> arm_named(64.0, ["64", "128"], "baseline")
    '64'
    """
    try:
        _, (name,) = labels(pd.Series([given], dtype=object), what)
    except InputRefusedError:  # which is about a row of a table
        raise InputRefusedError(
            f"{what}: {given!r:.100} is no arm; give an arm's text or number, as it stands in the table."
        ) from None
    if name not in arms:
        raise unknown("arm", name, map(legible, arms))
    return name


def called(given: Any, arms: Sequence[str]) -> dict[str, str]:
    """Each arm → what it is called: as it is ``given``, or else as the table calls it.

    Raises InputRefusedError for what is no text and where two arms would be called the same, UsageError for an arm that is not there.

    >>> called({64: "64 units"}, ["64", "128"])
    {'64': '64 units', '128': '128'}
    """
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        raise InputRefusedError(f"labels is {given!r:.100}; give a mapping from arms to what they are called.")
    names = {arm: arm for arm in arms}
    keys: dict[str, Any] = {}
    for arm, text in given.items():
        name = arm_named(arm, arms, "labels")
        if keys.setdefault(name, arm) is not arm:
            raise InputRefusedError(
                f"labels names one arm twice, {keys[name]!r:.100} and {arm!r:.100}: both are the arm {legible(name)!r}."
            )
        if not isinstance(text, str) or not text.strip():
            raise InputRefusedError(f"labels: {legible(name)!r} is to be called {text!r:.100}; give a text.")
        names[name] = legible(text)
    alike: dict[str, str] = {}
    for name, text in names.items():
        other = alike.setdefault(text.casefold(), name)
        if other != name and given:
            raise InputRefusedError(
                f"labels: {legible(other)!r} and {legible(name)!r} would both be called {text!r}, so no sentence could tell them apart."
            )
    return names
