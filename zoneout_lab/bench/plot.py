"""The benchmark as one figure: a panel of ratios for each case, and one for the sweep over replicas."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from zoneout_lab.bench.peers import LAYER_NAMES, MASKS, OURS, TORCH
from zoneout_lab.bench.rounds import spread
from zoneout_lab.bench.timing import Measured, Sweep
from zoneout_lab.errors import InputRefusedError, UsageError

FORMATS = (".png", ".svg")
# the light half of the report's palette
_INK, _SOFT, _LINE, _PAPER = "#1c2024", "#575f69", "#e4e1da", "#ffffff"
_LOOK = {TORCH: ("#626b75", "o"), OURS: ("#0069ad", "s")}
_OTHER = ("#c4500a", "^")
_WIDTH, _ROW, _FRAME = 6.0, 0.36, 1.5  # inches

_RC: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlecolor": _INK,
    "axes.edgecolor": _SOFT,
    "axes.labelcolor": _SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _LINE,
    "grid.linewidth": 0.7,
    "text.color": _INK,
    "xtick.color": _SOFT,
    "ytick.color": _SOFT,
    "ytick.major.size": 0,
    "svg.fonttype": "none",
    "svg.hashsalt": "zoneout_lab",
}


def check_target(path: Path) -> Path:
    """The file to write, its folder made. Raises before anything is timed where it could not be written.

    Raises:
        UsageError: an ending other than .png and .svg.
        InputRefusedError: a place that cannot be written to.

    >>> check_target(Path("bench.jpeg"))
    Traceback (most recent call last):
    zoneout_lab.errors.UsageError: A plot is written as .png or .svg; got 'bench.jpeg'.
    """
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"A plot is written as {' or '.join(FORMATS)}; got {path.name!r}.")
    existed = path.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            pass
        if not existed:
            path.unlink()
    except OSError as error:
        raise _cannot(path, error) from error
    return path


def draw(results: Sequence[Measured | Sweep], cell: str, path: Path, *, caption: str = "") -> Path:
    """Draw what was measured and write it.

    Args:
        results: cases and sweeps; those without rows are left out.
        cell: what was timed, for the layers' names.
        path: ends in .png or .svg.
        caption: one line below, such as the machine.

    Raises InputRefusedError where the file cannot be written.
    """
    shown = [result for result in results if result.rows]
    columns = min(2, len(shown))
    lines = [shown[k : k + columns] for k in range(0, len(shown), columns)]
    heights = [_FRAME + _ROW * max(map(_rows, line)) for line in lines]
    with mpl.rc_context(_RC):
        layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.12)
        figure = Figure(figsize=(_WIDTH * columns, sum(heights) + 0.3), layout=layout, facecolor=_PAPER)
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(len(lines), columns, height_ratios=heights)
        for row, line in enumerate(lines):
            for column, result in enumerate(line):
                whole = len(line) == 1 and columns == 2
                axes = figure.add_subplot(grid[row, :] if whole else grid[row, column])
                if isinstance(result, Sweep):
                    _sweep(axes, result, LAYER_NAMES[cell])
                else:
                    _ratios(axes, result, LAYER_NAMES[cell])
        if caption:
            figure.supxlabel(caption, fontsize=8.5, color=_SOFT, x=0.01, ha="left")
        buffer = io.BytesIO()
        kind = path.suffix.lower()[1:]
        figure.savefig(buffer, format=kind, dpi=160, metadata={"Date": None} if kind == "svg" else None)
    try:
        path.write_bytes(buffer.getvalue())
    except OSError as error:
        raise _cannot(path, error) from error
    return path


def _cannot(path: Path, error: OSError) -> InputRefusedError:
    return InputRefusedError(f"Cannot write {path}: {error.strerror}. Choose another place to write to.")


def _rows(result: Measured | Sweep) -> int:
    return 7 if isinstance(result, Sweep) else len(result.rows)


def _ratios(axes: Axes, result: Measured, layer: str) -> None:
    """A dot for each peer at its ratio to torch's layer, a bar from quartile to quartile."""
    rows = [row for row in result.rows if row.peer != MASKS]
    ends = [end for row in rows for end in (row.ratio.low, row.ratio.high)]
    floor = next(1 / row.floor.median for row in rows if row.peer == TORCH)
    low, high = min(*ends, floor) / 1.25, max(*ends) * 1.25
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.axvline(1, color=_SOFT, linewidth=1.2, zorder=1)
    axes.axvline(floor, color=_SOFT, linewidth=1, linestyle=(0, (2, 2)), zorder=1)
    axes.annotate("floor", (floor, 1), (3, 3), xycoords=("data", "axes fraction"), textcoords="offset points",
                  fontsize=8.5, color=_SOFT)  # fmt: skip
    for y, row in enumerate(rows):
        colour, marker = _LOOK.get(row.peer.removesuffix("_graph"), _OTHER)
        axes.plot([row.ratio.low, row.ratio.high], [y, y], color=colour, linewidth=4, alpha=0.4, solid_capstyle="butt")
        axes.plot(row.ratio.median, y, marker=marker, color=colour, markersize=7.5, markeredgecolor=_PAPER)
        words = f"{row.ratio.median:.2f}  {_ms(spread(row.seconds).median)}"
        axes.annotate(words, (1, y), (6, 0), xycoords=("axes fraction", "data"), textcoords="offset points", va="center",
                      fontsize=9, color=colour, weight="bold" if row.peer == OURS else "normal")  # fmt: skip
    axes.set_yticks(range(len(rows)), [f"{row.label}\n{row.note}" for row in rows], fontsize=8.5)
    for tick, row in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_color(_INK if row.peer == OURS else _SOFT)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(False, axis="y")
    _plain_ticks(axes, low, high)
    axes.set_xlabel(f"time of forward + backward, as a multiple of nn.{layer}'s")
    axes.set_title(f"{result.case.name}: {result.case.sizes}", pad=16)


def _sweep(axes: Axes, result: Sweep, layer: str) -> None:
    """Milliseconds for each model, trained as replicas and one after another."""
    R = np.array([row.replicas for row in result.rows])
    for seconds, label, key in (
        ([row.torch for row in result.rows], f"nn.{layer}, one after another (no zoneout)", TORCH),
        ([row.ours for row in result.rows], f"zl.{layer}, replicas with zoneout", OURS),
    ):
        spreads = [spread(each) for each in seconds]
        middle, low, high = (
            1e3 / R * np.array([getattr(each, name) for each in spreads]) for name in ("median", "low", "high")
        )
        colour, marker = _LOOK[key]
        axes.fill_between(R, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.plot(
            R, middle, color=colour, marker=marker, markersize=7, markeredgecolor=_PAPER, linewidth=2, label=label
        )
    for row in result.rows:
        at = 1e3 * spread(row.ours).median / row.replicas
        axes.annotate(f"{row.ratio.median:.2f}", (row.replicas, at), (0, -14), textcoords="offset points", ha="center",
                      fontsize=8.5, color=_LOOK[OURS][0])  # fmt: skip
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(list(R)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    top = max(1e3 * spread(seconds).high / row.replicas for row in result.rows for seconds in (row.ours, row.torch))
    axes.set_ylim(0, 1.4 * top)
    axes.set_xlabel(f"models R; at each point the ratio to R × nn.{layer}")
    axes.set_ylabel("ms for each model")
    axes.legend(frameon=False, loc="upper right", fontsize=9)
    axes.set_title(f"{result.case.name}: {result.case.sizes}", pad=16)


def _plain_ticks(axes: Axes, low: float, high: float) -> None:
    axes.xaxis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0) if high / low < 200 else (1.0,), numticks=9))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _ms(seconds: float) -> str:
    """
    >>> _ms(0.00123), _ms(0.1234), _ms(2.5)
    ('1.23 ms', '123 ms', '2,500 ms')
    """
    ms = 1e3 * seconds
    return f"{ms:,.{2 if ms < 10 else 1 if ms < 100 else 0}f} ms"
