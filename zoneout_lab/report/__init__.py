"""A study's results as one page of HTML that needs nothing but itself; two results beside each other; an index of many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoneout_lab.lazily import imported

if TYPE_CHECKING:
    from zoneout_lab.report.across import write_across
    from zoneout_lab.report.document import write_report
    from zoneout_lab.report.index import write_index
    from zoneout_lab.report.side_by_side import write_side_by_side

__getattr__ = imported(
    __name__,
    {
        "across": ("write_across",),
        "document": ("write_report",),
        "index": ("write_index",),
        "side_by_side": ("write_side_by_side",),
    },
)

__all__ = ["write_across", "write_index", "write_report", "write_side_by_side"]


def __dir__() -> list[str]:
    return sorted(__all__)
