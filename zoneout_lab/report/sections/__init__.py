"""The sections in the order they are read. A new one is a file here, its template and a line below."""

from __future__ import annotations

from collections.abc import Callable

from zoneout_lab.report.data import ReportData
from zoneout_lab.report.section import Section
from zoneout_lab.report.sections import (
    curves,
    deviations,
    dynamics,
    gradients,
    hypotheses,
    legend,
    measured,
    printed,
    provenance,
    rerun,
    runs,
    setting,
    summary,
    tuning,
    variance,
)

SECTIONS: tuple[Callable[[ReportData], Section | None], ...] = (
    summary.build,
    hypotheses.build,
    printed.build,
    curves.build,
    gradients.build,
    dynamics.build,
    measured.build,
    variance.build,
    runs.build,
    setting.build,
    tuning.build,
    provenance.build,
    deviations.build,
    rerun.build,
    legend.build,
)
