"""The arms: what differs from the baseline, the mean of every metric in question with its interval, runs lost, and every run as a dot."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoneout_lab.metrics import Scale
from zoneout_lab.report.arms import Arm
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.figures import Figure, Panel, strip
from zoneout_lab.report.quantity import Quantity
from zoneout_lab.report.section import Section
from zoneout_lab.report.text import legible, listing, plain, regularizer, words
from zoneout_lab.results.arms import ArmValues, arm_values
from zoneout_lab.results.correlation import correlations
from zoneout_lab.results.numbers import ABSENT, decimals, number
from zoneout_lab.results.scalars import described

#: more metrics than these make the table too wide to read; the CSV has them all
MOST = 3


def build(data: ReportData) -> Section | None:
    metrics = _metrics(data)[:MOST]
    scales = {name: _scale(data, name) for name in metrics}
    columns = [(name, data.quantity(name), arm_values(data.tree, name, scales[name])) for name in metrics]
    rows = []
    for place, arm in enumerate(data.arms):
        lost = [data.status[arm.name, seed] for seed in data.seeds]
        rows.append(
            {
                "arm": arm,
                "differs": _differs(data, arm),
                "cells": [_cell(values[place], about, values) for _, about, values in columns],
                "runs": f"{lost.count('finished')}{f' of {len(lost)}' if data.blocks.paired else ''}",
                "lost": listing([f"{lost.count(why)} {why}" for why in ("diverged", "missing") if why in lost])
                if data.blocks.paired
                else "",
            }
        )
    figure = Figure(
        tuple(_panel(data, name, about, values) for name, about, values in columns),
        "Each coloured mark is a run. The dot on a bar below them is the arm’s mean with its own 95% interval. "
        + (f"Arms share {data.pair}s and are compared in pairs, so whether" if data.blocks.paired else "Whether")
        + " these intervals overlap decides nothing.",
    )
    background = legible(data.study.get("background") or "")
    baseline = any(arm.baseline for arm in data.arms)
    values = {
        "correlation": _correlation(data),
        "geometric": any(scale != "linear" for scale in scales.values()),
        "differs": "" if data.source else "differs from the baseline by" if baseline else "regularizer",
        "finished": "runs with a value" if data.source else "runs finished",
        "rows": rows,
        "heads": [about.axis for _, about, _ in columns],
        "figure": figure,
        "background": background,
    }
    return Section("arms", "Arms", "arms.html", values)


def _metrics(data: ReportData) -> list[str]:
    """The study's score, then what its hypotheses are about."""
    asked = [judgement.comparison.metric for judgement in data.judgements]
    score = data.score
    # the score leads unless the hypotheses have it on another split
    return list(dict.fromkeys([*([score] if score and score in data.metrics else []), *asked]))


def _scale(data: ReportData, metric: str) -> Scale:
    """The scale that a metric is compared on here, so that arms have the means of which the verdicts speak."""
    asked = (j.comparison.scale for j in data.judgements if j.comparison.metric == metric)
    return next(asked, described(data.tree, metric).scale)


def _correlation(data: ReportData) -> str:
    """What pairing by seed buys: how the arms' score goes with the baseline's from seed to seed; empty where that is not known."""
    baseline = next((arm.name for arm in data.arms if arm.baseline), None)
    if baseline is None or data.score is None or not data.blocks.paired or len(data.seeds) < 2:
        return ""
    found = correlations(data.tree, data.score).sel(arm=baseline).drop_sel(other=baseline).values
    known = sorted(float(each) for each in found[np.isfinite(found)])
    if not known:
        return ""
    low, high, middle = (number(each, 2) for each in (known[0], known[-1], float(np.median(known))))
    between = f"at {low}" if len(known) == 1 else f"at {low} to {high} (median {middle})"
    return (
        f"From {data.pair} to {data.pair}, {data.quantity(data.score).noun} correlates {between} with the baseline’s. Pairing by {data.pair} takes about that part out of the "
        f"variance of a difference{'; below zero it adds to it' if known[0] < 0 else ''}."
    )


def _cell(row: ArmValues, about: Quantity, column: tuple[ArmValues, ...]) -> tuple[float, str, str]:
    """The mean, as shown, and its interval."""
    places = decimals(about.factor * each.mean for each in column)
    # beside a mean that is orders of magnitude larger, a small one is still not zero
    mean, low, high = (number(about.factor * value, places, [0.0]) for value in (row.mean, *row.interval))
    interval = f"{low} to {high}" if low != ABSENT else ""
    return row.mean, mean, interval


def _differs(data: ReportData, arm: Arm) -> str:
    """What an arm has that the baseline has not, in words."""
    baseline = next((each for each in data.arms if each.baseline), None)
    own = "" if arm.regularizer is None else legible(regularizer(arm.regularizer))
    if baseline is None or arm is baseline:
        return "" if own == "none" else own
    parts = [] if arm.regularizer == baseline.regularizer else [own or ABSENT]
    parts += [
        f"{words(path.rpartition('.')[2])} {legible(plain(value))}"
        for path, value in arm.change.items()
        if baseline.change.get(path) != value
    ]
    parts += [f"{words(path.rpartition('.')[2])} as usual" for path in baseline.change if path not in arm.change]
    # what a regularizer was tuned to is part of it
    found = ((data.recorded("tuning") or {}).get(arm.name) or {}).get("best") if arm.regularizer is None else None
    parts += [f"tuned {legible(words(str(name)))} {legible(plain(value))}" for name, value in (found or {}).items()]
    return "; ".join(parts)


def _panel(data: ReportData, name: str, about: Quantity, column: tuple[ArmValues, ...]) -> Panel:
    rows: list[Any] = [
        (
            arm,
            [about.factor * v for v in row.values],
            about.factor * row.mean,
            tuple(about.factor * end for end in row.interval),
        )
        for arm, row in zip(data.arms, column, strict=True)
    ]
    means = [
        f"{arm.label} {number(mean)} over {len(values)}" if values else f"{arm.label} without a run that has a value"
        for arm, values, mean, _ in rows
    ]
    return strip(
        f"strip-{name.replace('_', '-')}",
        rows,
        xlabel=about.axis,
        title=f"{about.noun.capitalize()} of every run, by arm",
        description=f"Mean {about.axis} and number of runs: {'; '.join(means)}.",
    )
