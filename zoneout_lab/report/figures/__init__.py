"""Figures as functions of plain data: compute, then draw, and give a panel of SVG that follows the page's colours."""

from zoneout_lab.plot.differences import Shift
from zoneout_lab.report.figures.bands import bands
from zoneout_lab.report.figures.canvas import Figure, Panel
from zoneout_lab.report.figures.forest import Row, forest
from zoneout_lab.report.figures.lines import lines
from zoneout_lab.report.figures.pairs import differences, pairs
from zoneout_lab.report.figures.strip import strip
from zoneout_lab.report.figures.swatch import swatch

__all__ = [
    "Figure",
    "Panel",
    "Row",
    "Shift",
    "bands",
    "differences",
    "forest",
    "lines",
    "pairs",
    "strip",
    "swatch",
]
