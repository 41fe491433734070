"""What was compared and how it was trained: arms with their regularizers, the task, the model, the training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoneout_lab.report.section import Section
from zoneout_lab.report.sections.deviations import changes
from zoneout_lab.report.source import Source
from zoneout_lab.report.text import legible, plain, regularizer, words


def build(source: Source) -> Section:
    study = source.study
    setting = study.get("setting")
    setting = setting if isinstance(setting, Mapping) else {}
    groups = [
        (
            "Study",
            {name: study[name] for name in ("task", "preset", "seeds", "seed", "alpha") if study.get(name) is not None},
        ),
        ("Task options", setting.get("options")),
        ("Model", setting.get("model")),
        ("Training", setting.get("training")),
    ]
    tuning = source.recorded("tuning")
    tuning = tuning if isinstance(tuning, Mapping) else {}
    found = {name: part["best"] for name, part in tuning.items() if isinstance(part, Mapping) and part.get("best")}
    paper = source.recorded("paper")
    values = {
        "paper": changes(paper, setting) if isinstance(paper, Mapping) else [],
        "arms": [
            (
                arm,
                legible(regularizer(arm.regularizer)),
                f"found by search: {legible(plain(found[arm.name]))}" if arm.name in found else "",
                legible(plain(arm.change)) if arm.change else "",
            )
            for arm in source.arms
        ],
        "groups": [(title, _pairs(group)) for title, group in groups if isinstance(group, Mapping) and group],
    }
    return Section("setting", "Setting", "setting.html", values)


def _pairs(group: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(words(str(name)), legible(plain(value))) for name, value in group.items()]
