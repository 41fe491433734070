"""What was compared and how it was trained: arms with their regularizers, the task, the model, the training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoneout_lab.report.data import ReportData
from zoneout_lab.report.section import Section
from zoneout_lab.report.sections.deviations import changes
from zoneout_lab.report.text import legible, plain, regularizer, words
from zoneout_lab.results.numbers import ABSENT


def build(data: ReportData) -> Section | None:
    if data.source:
        return None
    study = data.study
    setting = study.get("setting")
    setting = setting if isinstance(setting, Mapping) else {}
    fields = ("task", "preset", "seeds", "seed", "vary", "looks", "alpha") if data.trained_here else ("seeds", "alpha")
    groups: list[tuple[str, Any]] = [("Study", {name: study[name] for name in fields if study.get(name) is not None})]
    if data.trained_here:
        groups += [
            ("Task options", setting.get("options")),
            ("Model", setting.get("model")),
            ("Training", setting.get("training")),
            ("Measured inside the recurrence", _measured(study)),
            ("Training function", {"name": study["train"]} if study.get("train") else None),
            ("Parameters", study.get("params")),
        ]
    tuning = data.recorded("tuning")
    tuning = tuning if isinstance(tuning, Mapping) else {}
    found = {name: part["best"] for name, part in tuning.items() if isinstance(part, Mapping) and part.get("best")}
    paper = data.recorded("paper")
    values = {
        "paper": changes(paper, setting) if isinstance(paper, Mapping) else [],
        "arms": [
            (
                arm,
                ABSENT if arm.regularizer is None else legible(regularizer(arm.regularizer)),
                f"found by search: {legible(plain(found[arm.name]))}" if arm.name in found else "",
                legible(plain(_resolved(arm.change, setting))) if arm.change else "",
            )
            for arm in data.arms
        ],
        "regularized": not study.get("train"),
        "trained_here": data.trained_here,
        "groups": [(title, _pairs(group)) for title, group in groups if isinstance(group, Mapping) and group],
    }
    return Section("setting", "Setting", "setting.html", values)


def _measured(study: Mapping[str, Any]) -> dict[str, Any]:
    epochs = study.get("gradient_epochs") or ()
    when = [{0: "before training", -1: "each run's last"}.get(epoch, str(epoch)) for epoch in epochs]
    kinds = [words(str(one.get("kind"))) for one in study.get("measures") or () if isinstance(one, Mapping)]
    what = {"what": ", ".join(kinds)} if kinds else {}  # a study that measures what is usual does not say
    return what | {"after epochs": ", ".join(when), "examples": study.get("gradient_examples")} if when else {}


def _resolved(change: Mapping[str, Any], setting: Mapping[str, Any]) -> dict[str, Any]:
    """An arm's changes with the number that a factor comes to.

    >>> _resolved({"training.lr": "*0.5"}, {"training": {"lr": 0.01}})
    {'training.lr': '0.005 (*0.5)'}
    """
    shown = dict(change)
    for path, value in change.items():
        group, _, name = path.partition(".")
        base = setting.get(group, {}).get(name)
        if isinstance(value, str) and value.startswith("*") and base is not None:
            shown[path] = f"{base * float(value[1:]):g} ({value})"
    return shown


def _pairs(group: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(words(str(name)), legible(plain(value)) or "none") for name, value in group.items()]
