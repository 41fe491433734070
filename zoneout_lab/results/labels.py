"""What a study calls its arms and its hypotheses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoneout_lab.results.legible import legible


def declared_names(study: Mapping[str, Any]) -> dict[tuple[str, ...], str]:
    """The arms and the metric of each hypothesis that a study declares → its name; none where nothing was declared and they are exploratory."""
    if study.get("standing") == "exploratory":
        return {}
    hypotheses = (each for each in study.get("hypotheses") or () if isinstance(each, Mapping))
    return {
        tuple(str(h.get(key)) for key in ("arm", "against", "metric")): legible(h.get("name", "")) for h in hypotheses
    }


def labels_of(study: Mapping[str, Any]) -> dict[str, str]:
    """What a study calls its arms in prose: by their labels, and where two have one label, by their names beside it.

    >>> labels_of({"arms": [{"name": "a", "label": "LSTM"}, {"name": "b", "label": "LSTM"}, {"name": "c"}]})
    {'a': 'LSTM (a)', 'b': 'LSTM (b)', 'c': 'c'}
    """
    recorded = study.get("arms") or []
    arms = {str(arm.get("name")): arm for arm in recorded if isinstance(arm, Mapping)}
    labels = {name: str(arm.get("label") or name) for name, arm in arms.items()}
    shared = [label for label in labels.values() if list(labels.values()).count(label) > 1]
    return {name: f"{label} ({name})" if label in shared else label for name, label in labels.items()}
