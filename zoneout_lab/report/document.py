"""The report as a document: every section built, laid out and written whole."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from os.path import realpath
from pathlib import Path

import xarray as xr

from zoneout_lab.errors import InputRefusedError, LabError
from zoneout_lab.report import text
from zoneout_lab.report.data import ReportData
from zoneout_lab.report.layout import laid_out, write_page
from zoneout_lab.report.section import Section
from zoneout_lab.report.sections import SECTIONS
from zoneout_lab.report.sections.files import ABOUT
from zoneout_lab.results.targets import check_target

#: runs made elsewhere that a page can show; of those made here there are never so many
MOST_RUNS = 20_000


def write_report(tree_or_path: xr.DataTree | str | Path, path: str | Path) -> Path:
    """Write the report on a study as one self-contained HTML file, and return its path.

    The same tree gives the same bytes. The file loads nothing from anywhere: style, figures and the runs' numbers are inside it. It links to
    ``study.nc`` and ``spec.json`` where they lie beside it.

    Args:
        tree_or_path: a study tree of ``schema.study_tree``, or the path of a study's folder or ``study.nc``.
        path: where the file is to lie; folders are made, and an older file is replaced only when the new one is whole.

    Raises:
        InputRefusedError: the tree holds a single run, or the path cannot be written, or has something else than a page.
        TryAgainError: the disk is full.
    """
    target = Path(path)
    check_target(target, [tree_or_path])
    data = ReportData.read(tree_or_path, _beside(tree_or_path, target))
    if data.source and len(data.arms) * len(data.seeds) > MOST_RUNS:
        raise InputRefusedError(
            f"A report shows every run, and {len(data.arms):,} arms × {len(data.seeds):,} pairs are more than the {MOST_RUNS:,} that a browser can hold. Average "
            "them, or leave arms out; the verdicts themselves need no report."
        )
    return write_page(target, render(data))


def _beside(given: xr.DataTree | str | Path, target: Path) -> tuple[str, ...]:
    """The study's files that lie where the page is to lie. Those of other results, which ``given`` was not read from, are not its own."""
    if not isinstance(given, xr.DataTree):
        source = Path(given)
        if realpath(source if source.is_dir() else source.parent) != realpath(target.parent):
            return ()
    return tuple(name for name in ABOUT if (target.parent / name).is_file())


def _section(build: Callable[[ReportData], Section | None], data: ReportData) -> Section | None:
    """A section, or where its making fails a note in its place: hours of training are not to end without a page."""
    try:
        return build(data)
    except LabError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the other sections stand
        name = build.__module__.rpartition(".")[2].replace("_", " ")
        why = f"{type(error).__name__}: {error}"
        warnings.warn(
            f"The section {name!r} of the report could not be made ({why}). This is a fault of zoneout-lab's; the rest of the page stands.", stacklevel=2
        )  # fmt: skip
        return Section(name.replace(" ", "-"), name.capitalize(), "failed.html", {"why": text.legible(why)})


def render(data: ReportData) -> str:
    """The page as text."""
    sections = [section for build in SECTIONS if (section := _section(build, data)) is not None]
    study = data.study
    return laid_out(
        "page.html",
        title=text.legible(study.get("title") or study.get("name") or "Untitled study"),
        study=study,
        authors=text.listing([text.legible(author) for author in data.authors]),
        data=data,
        sections=sections,
    )
