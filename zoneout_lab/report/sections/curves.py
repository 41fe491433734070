"""Learning curves of every run: the score in validation, the same on training examples, and the loss that training saw."""

from __future__ import annotations

import numpy as np

from zoneout_lab.report.arms import Arm
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.figures import Figure, Panel, lines
from zoneout_lab.report.figures.lines import SEED_LINES, Array, centre
from zoneout_lab.report.section import Section
from zoneout_lab.results.numbers import number


def build(data: ReportData) -> Section | None:
    metrics = data.metrics
    if "epoch" not in metrics.dims or not metrics.sizes["epoch"]:
        return None
    score = data.score
    panels = tuple(
        _panel(data, name)
        for name in (score, score and score.replace("valid_", "train_eval_"), "train_loss")
        if name is not None and name in metrics and "epoch" in metrics[name].dims
    )
    if not panels:
        return None
    many = len(data.arms) * len(data.seeds) > SEED_LINES
    seeds = "shading is the range over those runs, not a confidence band" if many else "thin lines are seeds"
    caption = f"Bold lines are means over the runs of an arm that did not diverge, drawn while at least half of them still train; {seeds}."
    if "diverged" in data.status.values():
        caption += " A cross marks where a run diverged."
    return Section(
        "curves", "Learning curves", "figure.html", {"figures": [Figure(panels, caption, data.arms)], "intro": ""}
    )


def _panel(data: ReportData, name: str) -> Panel:
    variable = data.metrics[name].transpose("arm", "seed", "epoch")
    about = data.quantity(name)
    values = about.factor * np.asarray(variable.values, dtype=np.float64)
    ended = np.array([[data.status[arm.name, seed] == "diverged" for seed in data.seeds] for arm in data.arms])
    return lines(
        f"curve-{name.replace('_', '-')}",
        np.asarray(data.metrics.epoch.values, dtype=np.float64),
        values,
        data.arms,
        title=about.noun.capitalize(),
        description=_in_words(about.axis, np.where(ended[..., None], np.nan, values), data.arms),
        xlabel="epoch",
        ylabel=about.axis,
        ended=ended,
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
