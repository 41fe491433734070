"""The command that does it all again."""

from __future__ import annotations

from zoneout_lab.report.data import ReportData
from zoneout_lab.report.section import Section
from zoneout_lab.results.legible import printable


def build(data: ReportData) -> Section | None:
    if data.source:
        return None
    command = data.recorded("command")
    if isinstance(command, list):
        command = " ".join(str(part) for part in command)
    return Section(
        "rerun", "Run it again", "rerun.html", {"command": printable(str(command).strip()) if command else ""}
    )
