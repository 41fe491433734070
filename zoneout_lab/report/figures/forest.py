"""Every comparison on one metric, one below the other on a shared axis, with the verdict beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from zoneout_lab.plot.differences import Shift, difference_axis, view
from zoneout_lab.report.figures.canvas import INK, SOFT, Drawing, Panel, verdict_colour
from zoneout_lab.report.figures.intervals import draw, marks
from zoneout_lab.report.text import wrap

_ROW, _LINE, _FRAME, _LETTERS = 40.0, 13.0, 78.0, 44


@dataclass(frozen=True)
class Row:
    """One comparison: what it says, its difference, and the verdict with its symbol."""

    label: str
    shift: Shift
    verdict: str
    symbol: str


def forest(
    name: str, rows: Sequence[Row], *, sides: tuple[str, str], xlabel: str, title: str, description: str
) -> Panel:
    """``rows`` from top to bottom, each with its own margin. ``sides`` are what lies left and right of "no difference": ("better", "worse")."""
    lines = 2 if any(len(row.label) > _LETTERS for row in rows) else 1
    height = _ROW + _LINE * (lines - 1)
    half = 8.5 / height  # of the band about a row's bar, above which its words stand
    with Drawing(name, height=_FRAME + height * len(rows)) as drawing:
        axes = drawing.axes
        difference_axis(axes, view([row.shift for row in rows]), ratio=rows[0].shift.ratio)
        for place, row in enumerate(rows):
            marks(axes, row.shift.bound, (place + 0.2 - half, place + 0.2 + half), whole=False)
            draw(axes, place + 0.2, row.shift)
            words = place + 0.2 - half - 1.5 / height
            axes.annotate(
                wrap(row.label, _LETTERS, lines), (0, words), xycoords=("axes fraction", "data"), va="bottom", color=INK, fontsize=10.5
            )  # fmt: skip
            axes.annotate(
                f"{row.symbol} {row.verdict}", (1, words), xycoords=("axes fraction", "data"), va="bottom", ha="right",
                color=verdict_colour(row.verdict), fontsize=10.5, fontweight="bold",
            )  # fmt: skip
        axes.set_ylim(len(rows) - 0.45, -0.62)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(False)
        axes.set_xlabel(wrap(xlabel, 56))
        # above the axis, where a reader begins
        for at, side in ((0.0, f"← {sides[0]}"), (1.0, f"{sides[1]} →")):
            axes.annotate(
                side, (at, 1), (0, 4), xycoords="axes fraction", textcoords="offset points", ha="left" if at == 0 else "right",
                va="bottom", color=SOFT, fontsize=10.5,
            )  # fmt: skip
    return drawing.panel(title, description)
