"""A matplotlib axes to draw on, and its SVG made part of the page: colours become CSS variables, text stays text.

Matplotlib cannot draw in ``var(--ink)``. So a panel is drawn in sentinel colours, one per variable, and each is replaced by
its variable in the SVG. Light, dark and print are then the style sheet's business alone.
"""

from __future__ import annotations

import io
import re
import warnings
import xml.etree.ElementTree as ET  # nosec B405 # reads what matplotlib has just written
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas

from zoneout_lab.plot.differences import HUGE as HUGE
from zoneout_lab.report.arms import COLOURS, Arm
from zoneout_lab.report.text import wrap
from zoneout_lab.report.verdicts import VERDICTS

WIDTH = 360  # points of an SVG user unit; a panel is shown between 0.8 and 1.3 times as wide

_GUESS = (
    0.14,
    0.17,
    0.84,
    0.74,
)  # of the axes, as a share of the panel, near enough that its ticks stay when it is fitted
_EDGE = 3.0  # points around everything

INK, SOFT, LINE, PAPER, BAND = "#fe0001", "#fe0002", "#fe0003", "#fe0004", "#fe0005"
_SENTINELS = {INK: "--ink", SOFT: "--soft", LINE: "--line", PAPER: "--raised", BAND: "--band"}
_SENTINELS |= {f"#fd00{k:02x}": f"--arm-{k}" for k in range(COLOURS)}
_SENTINELS |= {f"#fc00{k:02x}": f"--{verdict}" for k, verdict in enumerate(VERDICTS)}

_RC: Any = {  # Any: matplotlib types the keys one by one, and a mapping of them to anything does not fit
    "svg.fonttype": "none",
    "svg.hashsalt": "zoneout_lab",
    "text.usetex": False,
    "text.parse_math": False,  # labels are the study's own words: a dollar sign is a dollar sign
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "font.family": ["DejaVu Sans"],
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # right above the axes, where matplotlib would put it after measuring every label once more
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.8,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "xtick.major.width": 0.8,
    "text.color": INK,
    "path.simplify": True,
    "path.simplify_threshold": 0.15,
}


@dataclass(frozen=True)
class Panel:
    """One picture: its markup, ready for the page, and what it shows in words."""

    svg: Markup
    title: str
    description: str


@dataclass(frozen=True)
class Figure:
    """Panels side by side where there is room, with one legend and one caption."""

    panels: tuple[Panel, ...]
    caption: str
    legend: tuple[Arm, ...] = ()


def arm_colour(arm: Arm) -> str:
    """The sentinel that an arm is drawn in."""
    return f"#fd00{arm.style.colour:02x}"


def verdict_colour(verdict: str) -> str:
    """The sentinel that a verdict's word is drawn in."""
    return f"#fc00{list(VERDICTS).index(verdict):02x}" if verdict in VERDICTS else SOFT


class Drawing:
    """Axes to draw on inside the report's own settings; :meth:`panel` closes the drawing.

    >>> with Drawing("d", height=100) as drawing:
    ...     _ = drawing.axes.plot([0, 1], [0, 1], color=INK)
    >>> panel = drawing.panel("A line", "It rises from 0 to 1.")
    >>> "var(--ink)" in panel.svg, 'aria-labelledby="d-title d-desc"' in panel.svg
    (True, True)
    """

    axes: Axes

    def __init__(self, name: str, *, height: float) -> None:
        self.name = name
        self.height = height
        self._svg = ""

    def __enter__(self) -> Drawing:
        self._settings = mpl.rc_context(_RC)
        self._settings.__enter__()
        self._canvas = Canvas(figsize=(WIDTH / 72, self.height / 72), dpi=72)
        self._surface: Any = FigureCanvasSVG(self._canvas)  # Any: its print_svg has no types
        self.axes = self._canvas.add_subplot()
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if error[0] is None:
                self._svg = self._save()
        finally:
            self._settings.__exit__(None, None, None)

    def name_axes(self, *, title: str, xlabel: str, ylabel: str) -> None:
        """A title and labels of any length, on as many short lines as the panel has room for."""
        self.axes.set_title(wrap(title, 52, 2))
        self.axes.set_xlabel(wrap(xlabel, 44))
        self.axes.set_ylabel(wrap(ylabel, int(self.height / 7.6)))

    def _fit(self) -> None:
        """Give the axes all the room that its labels leave: once, for measuring text is most of what a panel costs."""
        self.axes.set_position(_GUESS)
        box = self.axes.get_tightbbox(for_layout_only=True)
        assert box is not None
        left, bottom, width, height = _GUESS
        room = [
            left * WIDTH - box.x0 + _EDGE,
            bottom * self.height - box.y0 + _EDGE,
            box.x1 - (left + width) * WIDTH + _EDGE,
            box.y1 - (bottom + height) * self.height + _EDGE,
        ]
        self.axes.set_position(
            (
                room[0] / WIDTH,
                room[1] / self.height,
                max(0.1, 1 - (room[0] + room[2]) / WIDTH),
                max(0.1, 1 - (room[1] + room[3]) / self.height),
            )
        )

    def _save(self) -> str:
        buffer = io.StringIO()
        with warnings.catch_warnings():
            # the browser draws the text, and may well have the letters that matplotlib's own font lacks
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            warnings.filterwarnings("ignore", message="Matplotlib currently does not support .* natively")
            self._fit()
            self._surface.print_svg(buffer, metadata={"Date": None, "Creator": None})
        return buffer.getvalue()

    def panel(self, title: str, description: str) -> Panel:
        """What was drawn, with the words that stand for it where it cannot be seen."""
        svg = _adopt(self._svg, self.name, title, description)
        drawing = Markup(svg)  # noqa: S704 # nosec B704 # an SVG that matplotlib wrote, which escapes
        return Panel(drawing, title, description)


def frame(name: str, title: str, description: str, body: str, *, width: float, height: float) -> Markup:
    """An ``<svg>`` drawn by hand, ``body`` being markup of ours, with its words."""
    return Markup(  # noqa: S704 # nosec B704 # an SVG that matplotlib wrote, which escapes
        f'<svg class="plot" role="img" aria-labelledby="{name}-title {name}-desc" viewBox="0 0 {width:g} {height:g}">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-desc">{escape(description)}</desc>{body}</svg>'
    )


def _adopt(svg: str, name: str, title: str, description: str) -> str:
    """Matplotlib's SVG as part of an HTML page: no namespaces, ids of its own, variables for colours."""
    root = ET.fromstring(svg)  # noqa: S314 - what matplotlib has just written # nosec B314
    view = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib.update(
        {"class": "plot", "role": "img", "aria-labelledby": f"{name}-title {name}-desc", "viewBox": view}
    )
    used = {target for element in root.iter() for value in element.attrib.values() for target in _references(value)}
    for parent in list(root.iter()):
        for child in list(parent):
            if _local(child.tag) in ("metadata", "style"):  # a style element here would reach the whole page
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        for key, value in list(element.attrib.items()):
            del element.attrib[key]
            if key == "id":
                if value in used:
                    element.set("id", f"{name}-{value}")
                continue
            if key == "d":
                value = _shorter(value)
            value = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", value)
            if _local(key) == "href":
                value = f"#{name}-{value[1:]}"
            element.set(_local(key), _paint(value) if key in ("style", "fill", "stroke") else value)
        if element.text and not element.text.strip():
            element.text = None
        element.tail = None
    for tag, text in (("desc", description), ("title", title)):
        words = ET.Element(tag, {"id": f"{name}-{tag}"})
        words.text = text
        root.insert(0, words)
    return ET.tostring(root, encoding="unicode")


def _shorter(path: str) -> str:
    """Coordinates to a hundredth of a point, on one line: matplotlib writes a million-fold finer, and most of the page is paths."""
    path = re.sub(r"-?\d+\.\d+", lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), path)
    return " ".join(path.split()).replace(" L ", "L").replace("M ", "M")


def _references(value: str) -> list[str]:
    return [value[1:]] if value.startswith("#") else re.findall(r"url\(#([^)]+)\)", value)


def _local(tag: str) -> str:
    return tag.rsplit("}", 1)[-1]


def _paint(style: str) -> str:
    for sentinel, variable in _SENTINELS.items():
        style = style.replace(sentinel, f"var({variable})")
    return re.sub(r"'?DejaVu Sans'?(, *[^;]*)?(?=;|$)", "var(--sans)", style)
