"""What to take away: the numbers of every run inside the page, and the files that lie beside it."""

from __future__ import annotations

import base64

from zoneout_lab.report.data import ReportData
from zoneout_lab.report.section import Section
from zoneout_lab.report.text import legible
from zoneout_lab.report.values import values_by_run

ABOUT = {
    "study.nc": "all results as one netCDF file, which xarray opens",
    "spec.json": "the study as it was run",
}


def build(data: ReportData) -> Section:
    table = base64.b64encode(values_by_run(data).encode(errors="replace")).decode("ascii")
    values = {
        "csv": f"data:text/csv;charset=utf-8;base64,{table}",
        "csv_name": f"{''.join(c if c.isalnum() else '_' for c in legible(data.study.get('name') or 'study'))}-runs.csv",
        "beside": [(name, ABOUT[name]) for name in data.beside],
    }
    return Section("files", "Files", "files.html", values)
