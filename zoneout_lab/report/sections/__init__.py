"""The sections in the order they are read. A new one is a file here, its template and a line below."""

from __future__ import annotations

from collections.abc import Callable

from zoneout_lab.report.data import ReportData
from zoneout_lab.report.section import Section
from zoneout_lab.report.sections import (
    answer,
    arms,
    cite,
    compared,
    curves,
    deviations,
    dynamics,
    files,
    given,
    gradients,
    hypotheses,
    legend,
    measured,
    printed,
    provenance,
    rerun,
    runs,
    setting,
    tuning,
    variance,
)

SECTIONS: tuple[Callable[[ReportData], Section | None], ...] = (
    answer.build,
    arms.build,
    compared.build,
    hypotheses.build,
    printed.build,
    curves.build,
    gradients.build,
    dynamics.build,
    measured.build,
    variance.build,
    runs.build,
    given.build,
    setting.build,
    tuning.build,
    provenance.build,
    deviations.build,
    rerun.build,
    files.build,
    cite.build,
    legend.build,
)
