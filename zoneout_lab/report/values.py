"""Every run's numbers as comma-separated text, to be taken out of the page into a spreadsheet or a data frame."""

from __future__ import annotations

import csv
import io
import math

import numpy as np

from zoneout_lab.errors import LabError
from zoneout_lab.report.data import ReportData
from zoneout_lab.results import scalar


def values_by_run(data: ReportData) -> str:
    """One line for each run: arm, label, seed, status, and every metric that has one number per run; empty where there is none.

    Numbers are as stored (fractions, not percentages) and in full, so that reading them gives the same bits.
    """
    metrics = data.metrics
    names = [str(name) for name, v in metrics.data_vars.items() if np.issubdtype(v.dtype, np.number)]
    asked = [judgement.comparison.metric for judgement in data.judgements]
    columns = {}
    for name in dict.fromkeys([*names, *asked]):
        try:
            columns[name] = scalar(data.tree, name).values
        except LabError:
            continue  # what cannot be made one number per run
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    labels = data.blocks.labels
    lines.writerow(["arm", "label", "seed", *(["block"] if labels else []), "status", *columns])
    for row, arm in enumerate(data.arms):
        for place, seed in enumerate(data.seeds):
            numbers = [float(values[row, place]) for values in columns.values()]
            shown = ["" if math.isnan(value) else repr(value) for value in numbers]
            named = [data.pair_name(seed)] if labels else []
            lines.writerow([arm.name, arm.label, seed, *named, data.status[arm.name, seed], *shown])
    return text.getvalue()
