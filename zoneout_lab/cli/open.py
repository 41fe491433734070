"""``open``: a study's report in the browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path

from zoneout_lab.cli.console import output, tell
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.results.open import holds_results

_PAGES = ("report.html", "index.html", "across.html")


def show_in_browser(place: Path) -> None:
    """Print the report's path and open it; where there is no report yet it is written first. Raises InputRefusedError where there are no results."""
    page = _page(place)
    output.print(str(page), highlight=False, soft_wrap=True, markup=False)
    try:
        shown = webbrowser.open(page.resolve().as_uri())
    except webbrowser.Error:
        shown = False
    if not shown:
        tell("Note", "There is no browser here. Copy the file to a machine that has one; it needs nothing beside it.")


def _page(place: Path) -> Path:
    if place.suffix == ".html" and place.is_file():
        return place
    folder = place if place.is_dir() else place.parent
    there = [folder / name for name in _PAGES if (folder / name).is_file()]
    if there and (place.is_dir() or there[0].name == _PAGES[0]):
        return there[0]
    if place.is_file() or holds_results(place):
        from zoneout_lab.report import write_report

        return write_report(place, folder / "report.html")
    if place.is_dir():
        raise InputRefusedError(
            f"{place} is no study's results folder. Name one of those in it, or write a page over all: zoneout-lab index {place}"
        )
    raise InputRefusedError(f"There are no results at {place}.")
