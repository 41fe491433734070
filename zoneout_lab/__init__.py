"""zoneout_lab: does this way of regularizing a recurrent network do what it is said to do, and why?

Layers and regularizers come with the import; everything that needs more than torch is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from zoneout_lab.layers import GRU, LSTM, RNN
from zoneout_lab.regularizers import CellDropout, NoRegularizer, RecurrentDropout, Zoneout

if TYPE_CHECKING:
    from zoneout_lab.measures import gradient_flow, watch
    from zoneout_lab.report import write_report
    from zoneout_lab.results import compare, judge, open_results
    from zoneout_lab.study import Arm, Hypothesis, Study, load_study

_LATER = {
    "gradient_flow": "zoneout_lab.measures",
    "watch": "zoneout_lab.measures",
    "write_report": "zoneout_lab.report",
    "compare": "zoneout_lab.results",
    "judge": "zoneout_lab.results",
    "open_results": "zoneout_lab.results",
    "Arm": "zoneout_lab.study",
    "Hypothesis": "zoneout_lab.study",
    "Study": "zoneout_lab.study",
    "load_study": "zoneout_lab.study",
}

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Arm",
    "CellDropout",
    "Hypothesis",
    "NoRegularizer",
    "RecurrentDropout",
    "Study",
    "Zoneout",
    "compare",
    "gradient_flow",
    "judge",
    "load_study",
    "open_results",
    "watch",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
