"""What the search chose for each arm, where the study had one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zoneout_lab.report.data import ReportData
from zoneout_lab.report.section import Section
from zoneout_lab.report.text import legible, plain
from zoneout_lab.results.numbers import number


def build(data: ReportData) -> Section | None:
    tuning = data.recorded("tuning")
    if not isinstance(tuning, Mapping) or not tuning:
        return None
    return Section(
        "tuning", "Tuning", "tuning.html", {"rows": [_row(data, str(name), part) for name, part in tuning.items()]}
    )


def _row(data: ReportData, name: str, part: Any) -> dict[str, Any]:
    part = part if isinstance(part, Mapping) else {}
    trials = [trial for trial in part.get("trials") or [] if isinstance(trial, Mapping)]
    values = [_value(trial) for trial in trials]
    known = [value for value in values if np.isfinite(value)]
    return {
        "arm": data.arm(name),
        "count": len(trials),
        "best": legible(plain(part.get("best"))),
        "range": f"{number(min(known))} to {number(max(known))}" if known else "–",
        "trials": [
            (legible(plain(trial.get("params"))), number(value)) for trial, value in zip(trials, values, strict=True)
        ],
    }


def _value(trial: Mapping[str, Any]) -> float:
    value = trial.get("value")
    return float(value) if isinstance(value, int | float) else float("nan")
