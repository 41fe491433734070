"""From a study's files to verdicts: labels on top of ``stats``. Never imports torch: results can be read on any laptop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoneout_lab.lazily import imported

if TYPE_CHECKING:
    from zoneout_lab.results.across_tasks import Across, across
    from zoneout_lab.results.comparison import Comparison, Question
    from zoneout_lab.results.elsewhere.table import results_from
    from zoneout_lab.results.family import compare, compare_family
    from zoneout_lab.results.judgement import Judgement, judge
    from zoneout_lab.results.labels import labels_of
    from zoneout_lab.results.open import open_results
    from zoneout_lab.results.outlook import Prospect, prospects, usual_design
    from zoneout_lab.results.over_tasks import OverAll
    from zoneout_lab.results.scalars import scalar
    from zoneout_lab.results.stacking import stack
    from zoneout_lab.results.tabular import Table

__getattr__ = imported(
    __name__,
    {
        "across_tasks": ("Across", "across"),
        "comparison": ("Comparison", "Question"),
        "elsewhere.table": ("results_from",),
        "family": ("compare", "compare_family"),
        "judgement": ("Judgement", "judge"),
        "labels": ("labels_of",),
        "open": ("open_results",),
        "over_tasks": ("OverAll",),
        "outlook": ("Prospect", "prospects", "usual_design"),
        "scalars": ("scalar",),
        "stacking": ("stack",),
        "tabular": ("Table",),
    },
)

__all__ = [
    "Across",
    "Comparison",
    "Judgement",
    "OverAll",
    "Prospect",
    "Question",
    "Table",
    "across",
    "compare",
    "compare_family",
    "judge",
    "labels_of",
    "open_results",
    "prospects",
    "results_from",
    "scalar",
    "stack",
    "usual_design",
]


def __dir__() -> list[str]:
    return sorted(__all__)
