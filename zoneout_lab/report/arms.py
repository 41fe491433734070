"""How an arm looks: one colour, dash and marker wherever it appears, so that no two arms differ by colour alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

COLOURS = 8  # the baseline's grey and seven hues, defined for light and dark in templates/style.css
DASHES: tuple[tuple[float, ...], ...] = ((), (6, 2), (1.5, 1.8), (8, 2, 1.5, 2), (3, 1.5, 3, 1.5, 1, 1.5))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


@dataclass(frozen=True)
class Style:
    """The look of the arm in place ``index``; the baseline is always place 0.

    >>> Style(0).variable, Style(9).variable, Style(9).dash == Style(1).dash
    ('--arm-0', '--arm-2', False)
    """

    index: int

    @property
    def colour(self) -> int:
        """Which of the palette's colours: grey is the baseline's alone."""
        return 0 if self.index == 0 else 1 + (self.index - 1) % (COLOURS - 1)

    @property
    def variable(self) -> str:
        return f"--arm-{self.colour}"

    @property
    def dash(self) -> tuple[float, ...]:
        return DASHES[self.index % len(DASHES)]

    @property
    def marker(self) -> str:
        return MARKERS[(self.index + self.index // len(MARKERS)) % len(MARKERS)]


@dataclass(frozen=True)
class Arm:
    name: str
    label: str
    style: Style
    regularizer: Any = None
    change: Mapping[str, Any] = field(default_factory=dict)
    baseline: bool = False
