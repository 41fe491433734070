"""Learning curves of every run: the score in validation, the same on training examples, and the loss that training saw."""

from __future__ import annotations

import numpy as np

from zoneout_lab.report.against_baseline import Curves, against_baseline
from zoneout_lab.report.arms import Arm
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.figures import Figure, Panel, lines
from zoneout_lab.report.figures.lines import Array, centre, what_is_drawn
from zoneout_lab.report.section import Section
from zoneout_lab.results.numbers import number
from zoneout_lab.results.scalars import described

#: of somebody's own curves, as many as a page can show
_MOST = 6


def build(data: ReportData) -> Section | None:
    metrics = data.metrics
    if "epoch" not in metrics.dims or not metrics.sizes["epoch"]:
        return None
    score = data.score
    # what a training function of somebody's own logs, in its order
    own = [str(name) for name in metrics.data_vars if "epoch" in metrics[name].dims] if data.study.get("train") else []
    names = own[:_MOST] or [
        name
        for name in (score, score and score.replace("valid_", "train_eval_"), "train_loss")
        if name is not None and name in metrics and "epoch" in metrics[name].dims
    ]
    if not names:
        return None
    drawn = what_is_drawn(len(data.arms), len(data.seeds), metrics.sizes["epoch"], noun="epochs")
    caption = f"Bold lines are means over the runs of an arm that did not diverge, drawn while at least half of them still train. {drawn}"
    if "diverged" in data.status.values():
        caption += " A cross marks where a run diverged."
    quantities = [_curves(data, name) for name in names]
    figure = Figure(
        tuple(_panel(data, name, each) for name, each in zip(names, quantities, strict=True)), caption, data.arms
    )
    against = against_baseline(data, quantities, what="learning curves", noun="epoch")
    return Section("curves", "Learning curves", "curves.html", {"figure": figure, "against": against})


def _curves(data: ReportData, name: str) -> Curves:
    about = data.quantity(name)
    return Curves(
        f"curve-{name.replace('_', '-')}",
        about.noun.capitalize(),
        np.asarray(data.metrics.epoch.values, dtype=np.float64),
        about.factor * np.asarray(data.metrics[name].transpose("arm", "seed", "epoch").values, dtype=np.float64),
        unit=about.shift,
        ratio=described(data.tree, name).scale == "log",
        ended=np.array([[data.status[arm.name, seed] == "diverged" for seed in data.seeds] for arm in data.arms]),
    )


def _panel(data: ReportData, name: str, curves: Curves) -> Panel:
    about = data.quantity(name)
    assert curves.ended is not None
    return lines(
        curves.name,
        curves.x,
        curves.values,
        data.arms,
        title=curves.title,
        description=_in_words(about.axis, np.where(curves.ended[..., None], np.nan, curves.values), data.arms),
        xlabel="epoch",
        ylabel=about.axis,
        ended=curves.ended,
    )


def _in_words(label: str, values: Array, arms: tuple[Arm, ...]) -> str:
    """Where each arm's mean begins and ends."""
    parts = []
    for row, arm in enumerate(arms):
        mean = centre(values[row])
        mean = mean[np.isfinite(mean)]
        parts.append(
            f"{arm.label} from {number(float(mean[0]))} to {number(float(mean[-1]))}"
            if mean.size
            else f"{arm.label} without a run that lasted"
        )
    return f"Mean {label} by epoch, first to last: {'; '.join(parts)}."
