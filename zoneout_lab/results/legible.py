"""Text of a study's authors made safe to print: no control characters, no half characters, and right-to-left labels kept to themselves."""

from __future__ import annotations

import unicodedata
from typing import Any

_ISOLATE, _END = "\u2068", "\u2069"
_MOST = 60
_RIGHT_TO_LEFT = ("R", "AL", "AN")


def printable(text: str) -> str:
    """Text as it is, lines and spaces included, but for characters that a terminal or a page would obey instead of showing.

    Halves of characters stay: bytes of a path that do not decode are kept in them, and whoever writes the text says what becomes of them.

    >>> printable("two  spaces\\nand \\x1b[31mred")
    'two  spaces\\nand �[31mred'
    """
    return "".join(c if c == "\n" or c.isprintable() or 0xD800 <= ord(c) <= 0xDFFF else "�" for c in text)


def legible(text: Any) -> str:
    """Text on one line, without characters that XML cannot hold or a terminal would obey.

    >>> legible("a\\x00b\\nc"), legible("\\x1b[31mred"), legible("half \\ud800")
    ('a�b c', '�[31mred', 'half �')
    """
    line = printable(" ".join(str(text).split()))
    return "".join("�" if 0xD800 <= ord(c) <= 0xDFFF else c for c in line)


def label(text: Any) -> str:
    """A label that is safe inside a sentence: legible, no longer than 60 characters, and where it is written from right to left, isolated from
    what stands around it.

    Without that, the digits and brackets after a Hebrew or Arabic label are drawn on its wrong side (Unicode UAX 9).

    >>> label("zoneout"), len(label("אבג")), len(label("goes on " * 40))
    ('zoneout', 5, 60)
    """
    shown = legible(text)
    if len(shown) > _MOST:
        shown = f"{shown[: _MOST - 1].rstrip()}…"
    if any(unicodedata.bidirectional(c) in _RIGHT_TO_LEFT for c in shown):
        return f"{_ISOLATE}{shown}{_END}"
    return shown
