"""What the paper reported for arms of the same name and regularizer, beside what this study measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zoneout_lab.paper import METRICS, PAPER, PRINTED, PrintedFigure
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.quantity import quantity
from zoneout_lab.report.section import Section
from zoneout_lab.results import scalar
from zoneout_lab.results.numbers import ABSENT, number


def build(data: ReportData) -> Section | None:
    task = str(data.study.get("task"))
    known = {arm.name: arm for arm in data.arms if isinstance(arm.regularizer, Mapping)}
    figures = {
        figure.arm: figure
        for figure in PRINTED.get(task, ())
        if (arm := known.get(figure.arm)) is not None and figure.is_of(arm.regularizer, arm.change)
    }
    arms = [arm for arm in data.arms if arm.name in figures]
    if not arms:
        return None
    valid, test, where = METRICS[task]
    columns = [_column(data, metric) for metric in (valid, test) if metric in data.metrics]
    if len(columns) < 2:
        return None  # no run has come so far as to be tested
    rows = [
        {
            "arm": arm,
            "figure": figures[arm.name],
            "measured": [column["of"].get(arm.name, ABSENT) for column in columns],
            "printed": [_printed(column, figures[arm.name], k) for k, column in enumerate(columns)],
        }
        for arm in arms
    ]
    heads = [column["head"] for column in columns]
    values = {"rows": rows, "heads": heads, "where": where, "paper": PAPER}
    return Section("reported", "Beside the paper", "printed.html", values)


def _column(data: ReportData, metric: str) -> dict[str, Any]:
    """A metric's heading, the factor it is shown with, and each arm's median and range over seeds."""
    values = scalar(data.tree, metric)
    about = quantity(metric, *(str(values.attrs[name]) for name in ("units", "noun", "better")))
    places = 3 if metric.removesuffix("_full").endswith("bpc") else 1  # as the paper prints them
    of = {}
    for arm in values["arm"].values:
        known = values.sel(arm=arm).dropna("seed").values * about.factor
        if len(known):
            of[str(arm)] = "{} ({} to {})".format(
                *(number(float(f(known)), places) for f in (np.median, np.min, np.max))
            )
    return {"head": about.axis, "factor": about.factor, "places": places, "of": of}


def _printed(column: dict[str, Any], figure: PrintedFigure, k: int) -> str:
    value = (figure.valid, figure.test)[k]
    return ABSENT if value is None else number(column["factor"] * value, column["places"])
