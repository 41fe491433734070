"""Settings, counts and times as a reader sees them, and regularizers in words."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from zoneout_lab.results.legible import legible as legible
from zoneout_lab.results.numbers import ABSENT
from zoneout_lab.results.numbers import power as power


def duration(seconds: float) -> str:
    """Wall time in its natural unit.

    >>> duration(8.04), duration(240), duration(9000), duration(float("nan"))
    ('8.0 s', '4.0 min', '2.5 h', '–')
    """
    if not math.isfinite(seconds):
        return ABSENT
    for limit, divisor, unit in ((90, 1, "s"), (5400, 60, "min")):
        if seconds < limit:
            return f"{seconds / divisor:.1f} {unit}"
    return f"{seconds / 3600:.1f} h"


def count(amount: int, noun: str, plural: str | None = None) -> str:
    """
    >>> count(1, "run"), count(3, "hypothesis", "hypotheses")
    ('1 run', '3 hypotheses')
    """
    return f"{amount} {noun if amount == 1 else plural or noun + 's'}"


def listing(words: Sequence[str]) -> str:
    """
    >>> listing(["a"]), listing(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def numbered(seeds: Sequence[Any]) -> str:
    """
    >>> numbered([3]), numbered([0, 1])
    ('seed 3', 'seeds 0 and 1')
    """
    return f"seed{'s' * (len(seeds) != 1)} {listing([str(seed) for seed in seeds])}"


def plain(value: Any) -> str:
    """Any JSON value as a reader would write it.

    >>> plain(True), plain(None), plain(0.002), plain([1, 2]), plain({"decay": 0.5})
    ('yes', 'none', '0.002', '1, 2', 'decay 0.5')
    """
    match value:
        case bool():
            return "yes" if value else "no"
        case None:
            return "none"
        case float():
            return f"{value:g}"
        case Mapping():
            return ", ".join(f"{words(str(key))} {plain(part)}" for key, part in value.items())
        case list() | tuple():
            return ", ".join(plain(part) for part in value)
        case _:
            return str(value)


def words(name: str) -> str:
    """An identifier as words.

    >>> words("forget_bias")
    'forget bias'
    """
    return name.replace("_", " ")


def part(kind: str) -> str:
    """The name of a part: the words of a built-in kind, or a user's class and where it comes from.

    >>> part("weight_noise"), part("./my_parts.py:HalfZoneout")
    ('weight noise', 'HalfZoneout (./my_parts.py)')
    """
    where, colon, name = kind.partition(":")
    return f"{name} ({where})" if colon else words(kind)


def regularizer(value: Any) -> str:
    """A regularizer's JSON in one line; switches that are off are left out.

    >>> regularizer({"kind": "zoneout", "cell": 0.5, "hidden": 0.05, "share": True, "anneal": False})
    'zoneout: cell 0.5, hidden 0.05, share'
    >>> regularizer([{"kind": "weight_noise", "std": 0.075}, {"kind": "none"}]), regularizer(None)
    ('weight noise: std 0.075 + none', 'none')
    >>> regularizer({"kind": "combined", "parts": [{"kind": "layer_norm"}, {"kind": "zoneout", "cell": 0.5}]})
    'layer norm + zoneout: cell 0.5'
    """
    if isinstance(value, list | tuple):
        return " + ".join(regularizer(part) for part in value) or "none"
    if not isinstance(value, Mapping):
        return plain(value)
    if value.get("kind") == "combined":
        return regularizer(value.get("parts") or [])
    parts = []
    for key, field in value.items():
        if key == "kind" or field is False or field is None:
            continue
        shown = f"({regularizer(field)})" if _holds_regularizers(field) else plain(field)
        parts.append(words(key) if field is True else f"{words(key)} {shown}")
    kind = part(str(value.get("kind", "")))
    return ": ".join(text for text in (kind, ", ".join(parts)) if text) or "none"


def _holds_regularizers(value: Any) -> bool:
    parts = value if isinstance(value, list) else [value]
    return bool(parts) and all(isinstance(part, Mapping) and "kind" in part for part in parts)


def wrap(text: str, width: int = 16, lines: int = 3) -> str:
    """A label on a few short lines; what does not fit is cut with an ellipsis.

    >>> wrap("one mask per sequence, cells only", 14, 2)
    'one mask per\\nsequence, …'
    """
    return "\n".join(textwrap.wrap(text, width, max_lines=lines, placeholder=" …"))
