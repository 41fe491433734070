"""What a section is: words and figures computed in Python, laid out by a template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Section:
    """One part of the report. ``template`` lies in ``templates/`` and sees ``values`` under their names.

    ``entries`` are (anchor, words) of the parts that the table of contents names.
    """

    anchor: str
    title: str
    template: str
    values: Mapping[str, Any]
    entries: tuple[tuple[str, str], ...] = field(default=())
