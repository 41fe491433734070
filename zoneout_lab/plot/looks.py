"""How things look: colours that colour-blind readers tell apart, with a marker and a dash beside each, and words that fit where they stand."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.transforms import ScaledTranslation

from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.results.labels import labels_of
from zoneout_lab.results.latex import latex
from zoneout_lab.results.legible import label

#: the colours of the report: grey is the baseline's, seven hues the other arms'
COLOURS = ("#626b75", "#0069ad", "#c4500a", "#007f5c", "#a83f80", "#8c6300", "#2a85b8", "#6a4fa8")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (1.5, 1.8)), (0, (8, 2, 1.5, 2)), (0, (3, 1.5, 3, 1.5, 1, 1.5)))
VERDICTS = {
    "supported": "#0b6b4b",
    "contradicted": "#a8330c",
    "equivalent": "#1d5796",
    "inconclusive": "#75570a",
    "underpowered": "#555d66",
}
SOFT = "#808080"  # readable on black and on white
_EM = 0.52  # mean width of a letter, as a share of the font's size


@dataclass(frozen=True)
class Look:
    """The look of what stands in place ``index``; a baseline stands in place 0."""

    index: int

    @property
    def colour(self) -> str:
        """One of :data:`COLOURS`; grey only in the first place."""
        return COLOURS[0 if self.index == 0 else 1 + (self.index - 1) % (len(COLOURS) - 1)]

    @property
    def marker(self) -> str:
        """One of :data:`MARKERS`."""
        return MARKERS[(self.index + self.index // len(MARKERS)) % len(MARKERS)]

    @property
    def dash(self) -> Any:
        """One of :data:`DASHES`."""
        return DASHES[self.index % len(DASHES)]


def ink() -> Any:
    """The colour that the caller writes in, which is light on a dark figure."""
    return mpl.rcParams["text.color"]


def axes_of(ax: Axes | None, width: float = 5.0, height: float = 3.2) -> Axes:
    """The caller's axes, or those of a new figure of pyplot's, in inches."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt  # here: it chooses a backend for the whole process

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def words(text: str) -> str:
    """Text as the caller's matplotlib writes it: escaped where that is LaTeX."""
    return latex(text) if mpl.rcParams["text.usetex"] else text


def points(size: str) -> float:
    """A named font size in points."""
    return float(FontProperties(size=size).get_size_in_points())


def width_of(ax: Axes) -> float:
    """How wide the axes are, in points."""
    return float(ax.get_window_extent().width / ax.get_figure(root=True).dpi * 72)  # type: ignore[union-attr]


def height_of(ax: Axes) -> float:
    """How high they are, in points."""
    return float(ax.get_window_extent().height / ax.get_figure(root=True).dpi * 72)  # type: ignore[union-attr]


def wrapped(text: str, room: float, size: float, lines: int = 3) -> str:
    """Text in as many lines as a width of ``room`` points calls for, and no more than ``lines``."""
    letters = max(8, int(room / (_EM * size)))
    return words("\n".join(textwrap.wrap(text, letters, max_lines=lines, placeholder=" …")))


def name_axes(ax: Axes, x: str = "", y: str = "", lost: float = 0.0) -> None:
    """Axis labels that fit beside the axes, of whose height so many points will be ``lost``; a dollar sign in them is a dollar sign."""
    size = (
        points(mpl.rcParams["axes.labelsize"])
        if isinstance(mpl.rcParams["axes.labelsize"], str)
        else mpl.rcParams["axes.labelsize"]
    )
    if x:
        ax.set_xlabel(wrapped(x, width_of(ax) * 1.1, size), parse_math=False)
    if y:
        ax.set_ylabel(wrapped(y, (height_of(ax) - lost) * 0.95, size), parse_math=False)


def legend(ax: Axes, handles: Sequence[Any], names: Sequence[str]) -> float:
    """A legend below the axes and their label, in as many columns as fit, and its height in points; none for a single entry."""
    if len(handles) < 2:
        return 0.0
    size = points("small")
    room = width_of(ax)
    shown = [wrapped(name, 1.1 * room - 3.3 * size, size, 2) for name in names]
    widest = max(len(line) for name in shown for line in name.split("\n")) * _EM * size + 3.3 * size
    # what is too wide for the axes goes on under the labels on their left
    columns = min(len(names), int(1.3 * room / widest)) or 1
    columns = -(-len(names) // -(-len(names) // columns))  # as many in the last row as in the first, or nearly
    wide = columns * widest > room
    figure: Any = ax.get_figure(root=True)
    box = ax.xaxis.get_tightbbox()
    depth = 4.0 if box is None else max(0.0, ax.get_window_extent().y0 - box.y0) / figure.dpi * 72 + 0.4 * size
    below = ax.transAxes + ScaledTranslation(0, -depth / 72, figure.dpi_scale_trans)
    drawn = ax.legend(
        handles, shown, loc="upper right" if wide else "upper center", bbox_to_anchor=(1.0 if wide else 0.5, 0.0),
        bbox_transform=below, ncols=columns, frameon=False, fontsize=size, borderaxespad=0, borderpad=0, handlelength=2.0, columnspacing=0.9,
        handletextpad=0.5, labelspacing=0.3,
    )  # fmt: skip
    for text in drawn.get_texts():
        text.set_parse_math(False)
    return float(drawn.get_window_extent().height / figure.dpi * 72)


def nothing(ax: Axes, said: str) -> None:
    """Say that there is nothing to draw, in the middle of the axes."""
    ax.text(0.5, 0.5, words(said), color=SOFT, ha="center", va="center", transform=ax.transAxes)


def arms_of(tree: xr.DataTree) -> dict[str, tuple[str, Look]]:
    """The arms of results by name: what each is called, and its look; the study's baseline is grey."""
    if not isinstance(tree, xr.DataTree) or "metrics" not in tree.children:
        raise InputRefusedError(
            f"This takes the results of a study, as open_results gives them; got {type(tree).__name__}."
        )
    study = schema.study_of(tree) or {}
    names, labels = [str(name) for name in np.atleast_1d(tree["metrics"].to_dataset()["arm"].values)], labels_of(study)
    baseline = str(study.get("baseline"))
    order = sorted(names, key=lambda name: name != (baseline if baseline in names else names[0]))
    return {name: (label(labels.get(name, name)), Look(order.index(name))) for name in names}
