"""Panels of reports, each drawn once in a session: tests write the same report over and over, and drawing is most of what one costs."""

from __future__ import annotations

import hashlib
import pickle
import sys
from collections.abc import Callable
from functools import wraps
from types import FunctionType
from typing import Any

import pytest

from zoneout_lab.report import across, document, figures, side_by_side  # noqa: F401 - loads every module that draws
from zoneout_lab.report.figures import Panel, by_task

_DRAWN: dict[bytes, Panel] = {}


def draw_once(patch: pytest.MonkeyPatch) -> None:
    """Have the functions that draw panels give again what they gave for the same arguments, wherever the report has imported them: a panel is a
    function of plain data."""
    drawing = [getattr(figures, name) for name in ("bands", "differences", "forest", "lines", "pairs", "strip")]
    kept = {draw: _kept(draw) for draw in (*drawing, by_task.by_task, by_task.profile)}
    for name, module in list(sys.modules.items()):
        if name.startswith("zoneout_lab.report"):
            for attribute, value in list(vars(module).items()):
                if isinstance(value, FunctionType) and value in kept:
                    patch.setattr(module, attribute, kept[value])


def forget() -> None:
    """Have everything drawn anew."""
    _DRAWN.clear()


def _kept(draw: Callable[..., Panel]) -> Callable[..., Panel]:
    @wraps(draw)
    def drawn(*args: Any, **options: Any) -> Panel:
        given = pickle.dumps((draw.__qualname__, args, options))
        key = hashlib.sha256(given).digest()
        if key not in _DRAWN:
            _DRAWN[key] = draw(*args, **options)
        return _DRAWN[key]

    return drawn
