"""How to cite what is on the page: the study, the package that ran it, and the paper whose claims it tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from zoneout_lab.paper import PAPER
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.section import Section
from zoneout_lab.report.text import count, legible, listing

#: as CITATION.cff has it, which a wheel does not carry
PACKAGE = (
    "zoneout_lab: ablation studies, gradient-flow measurements and paired verdicts for recurrent-network regularization"
)
PACKAGE_AUTHORS = "The zoneout_lab authors"


def build(data: ReportData) -> Section | None:
    if not data.study:
        return None
    authors = listing([legible(author) for author in data.authors])
    year = f" ({data.date[:4]})" if data.date else ""
    title = legible(data.study.get("title") or data.study.get("name") or "Untitled study").rstrip(".")
    name = legible(data.study.get("name") or "")
    study = f"{authors}{year}. " if authors or year else ""
    study += f"{title}." + (
        f" Ablation study “{name}”, {count(len(data.arms), 'arm')}, {count(len(data.seeds), 'seed')}." if name else ""
    )
    entries = [] if data.source else [study.lstrip()]
    versions = _versions(data)
    entries.append(f"{PACKAGE_AUTHORS}. {PACKAGE}." + (f" Version {listing(versions)}." if versions else ""))
    if _about_zoneout(data):
        entries.append(f"{PAPER}.")
    return Section("cite", "How to cite", "cite.html", {"entries": entries})


def _versions(data: ReportData) -> list[str]:
    """The versions of the package that the runs recorded."""
    recorded = data.recorded("versions")
    records = recorded if isinstance(recorded, list) else [recorded]
    found = [
        str(each[name])
        for each in records
        if isinstance(each, Mapping)
        for name in ("zoneout-lab", "zoneout_lab")
        if name in each
    ]
    return [legible(version) for version in dict.fromkeys(found)]


def _about_zoneout(data: ReportData) -> bool:
    """True where a hypothesis tests a claim of the paper, or an arm uses its method."""
    regularizers: list[Any] = [arm.regularizer for arm in data.arms]
    return any(judgement.claims for judgement in data.judgements) or '"zoneout"' in json.dumps(regularizers)
