"""The report as a document: every section built, laid out and written whole."""

from __future__ import annotations

from pathlib import Path

import xarray as xr
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from zoneout_lab import schema
from zoneout_lab.report import text
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.figures import swatch
from zoneout_lab.report.sections import SECTIONS
from zoneout_lab.report.verdicts import VERDICTS
from zoneout_lab.results import numbers

_TEMPLATES = Path(__file__).parent / "templates"
STYLE = _TEMPLATES / "style.css"


def write_report(tree_or_path: xr.DataTree | str | Path, path: str | Path) -> Path:
    """Write the report on a study as one self-contained HTML file, and return its path.

    The same tree gives the same bytes. The file loads nothing from anywhere: style and figures are inside it.

    Args:
        tree_or_path: a study tree of ``schema.study_tree``, or the path of a study's folder or ``study.nc``.
        path: where the file is to lie; folders are made, and an older file is replaced only when the new one is whole.

    Raises:
        InputRefusedError: the tree holds a single run, or the path cannot be written.
        TryAgainError: the disk is full.
    """
    target = Path(path)
    # a path may hold bytes that do not decode
    schema.write_bytes(target, render(ReportData.read(tree_or_path)).encode(errors="backslashreplace"))
    return target


def render(data: ReportData) -> str:
    """The page as text."""
    sections = [section for build in SECTIONS if (section := build(data)) is not None]
    page = environment().get_template("page.html")
    study = data.study
    return page.render(
        title=text.legible(study.get("title") or study.get("name") or "Untitled study"),
        study=study,
        data=data,
        sections=sections,
        style=Markup(STYLE.read_text(encoding="utf-8")),  # noqa: S704 - a file of this package
    )


def environment() -> Environment:
    """What templates are rendered with."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(number=numbers.number, plain=text.plain, words=text.words, legible=text.legible)
    environment.globals.update(swatch=swatch, VERDICTS=VERDICTS, count=text.count, str=str)
    return environment
