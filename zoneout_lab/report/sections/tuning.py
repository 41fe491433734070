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
    about = data.quantity(str((data.study.get("tuning") or {}).get("metric") or data.score or "valid_loss"))
    return Section(
        "tuning",
        "Tuning",
        "tuning.html",
        {
            "searched": _searched(len(tuning), len(data.arms)),
            "found": about.axis,
            "rows": [_row(data, str(name), part, about.factor) for name, part in tuning.items()],
        },
    )


def _searched(searched: int, arms: int) -> str:
    if searched == arms:
        return "Every arm was searched with its own trials."
    if searched == 1:
        return f"One of the {arms} arms was searched."
    return f"{searched} of the {arms} arms were searched, each with its own trials."


def _row(data: ReportData, name: str, part: Any, factor: float) -> dict[str, Any]:
    part = part if isinstance(part, Mapping) else {}
    trials = [trial for trial in part.get("trials") or [] if isinstance(trial, Mapping)]
    values = [factor * _value(trial) for trial in trials]
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
