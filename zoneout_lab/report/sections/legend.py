"""How to read a verdict."""

from __future__ import annotations

from zoneout_lab.paper import PAPER
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.section import Section
from zoneout_lab.report.verdicts import VERDICTS


def build(data: ReportData) -> Section:
    return Section(
        "verdicts",
        "How to read the verdicts",
        "legend.html",
        {
            "verdicts": VERDICTS,
            "paper": PAPER if any(judgement.claims for judgement in data.judgements) else "",
            "elsewhere": bool(data.source),
            "paired": data.blocks.paired,
        },
    )
