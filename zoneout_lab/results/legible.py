"""Text of a study's authors made safe to print: no control characters, no half characters, and right-to-left labels kept to themselves."""

from __future__ import annotations

import unicodedata
from typing import Any

_ISOLATE, _END = "\u2068", "\u2069"
_RIGHT_TO_LEFT = ("R", "AL", "AN")


def legible(text: Any) -> str:
    """Text on one line, without characters that XML cannot hold or a terminal would obey.

    >>> legible("a\\x00b\\nc"), legible("\\x1b[31mred"), legible("half \\ud800")
    ('a�b c', '�[31mred', 'half �')
    """
    line = " ".join(str(text).split())
    return "".join(c if c.isprintable() and not 0xD800 <= ord(c) <= 0xDFFF else "�" for c in line)


def label(text: Any) -> str:
    """A label that is safe inside a sentence: legible, and where it is written from right to left, isolated from what stands around it.

    Without that, the digits and brackets after a Hebrew or Arabic label are drawn on its wrong side (Unicode UAX 9).

    >>> label("zoneout"), len(label("אבג"))
    ('zoneout', 5)
    """
    shown = legible(text)
    if any(unicodedata.bidirectional(c) in _RIGHT_TO_LEFT for c in shown):
        return f"{_ISOLATE}{shown}{_END}"
    return shown
