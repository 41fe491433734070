"""Figures of results on matplotlib axes of one's own: each function draws on ``ax``, or on a new figure, and returns the axes.

Nothing of matplotlib's settings is changed, and sizes follow the caller's: ``with plt.rc_context({"font.size": 7})`` for a narrow column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoneout_lab.lazily import imported

if TYPE_CHECKING:
    from zoneout_lab.plot.by_seed import pairs
    from zoneout_lab.plot.forests import forest
    from zoneout_lab.plot.grid import heatmap
    from zoneout_lab.plot.learning import curves
    from zoneout_lab.plot.profiles import gradient_flow

__getattr__ = imported(
    __name__,
    {
        "by_seed": ("pairs",),
        "forests": ("forest",),
        "grid": ("heatmap",),
        "learning": ("curves",),
        "profiles": ("gradient_flow",),
    },
)

__all__ = ["curves", "forest", "gradient_flow", "heatmap", "pairs"]


def __dir__() -> list[str]:
    return sorted(__all__)
