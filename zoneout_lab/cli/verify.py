"""``verify``: every file of a study checked, one table of what was, and one line for each damage; ``--repair`` mends what can be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich.table import Table

from zoneout_lab.cli.console import errors, output, plain, print_json, tell
from zoneout_lab.errors import LabError, TryAgainError
from zoneout_lab.report.text import count
from zoneout_lab.study.repair import repair
from zoneout_lab.study.stopped import stopped_at
from zoneout_lab.study.store import CONFIRM, read_manifest
from zoneout_lab.study.verify import Checked, verify


def show_verified(
    folder: Path, *, mend: bool, storage: str | None = None, tracking: str | None = None, as_json: bool = False
) -> None:
    """Print what was checked. Exits with 4 where anything is damaged (after ``mend``: still).

    Raises TryAgainError or InputRefusedError where nothing is, and a mirror that was named could not be checked, or not be mended.
    """
    left: list[str] = []
    if mend:
        done: list[str] = []
        left = repair(folder, done.append, lambda text: tell("Warning", text), storage, tracking)
        for text in done or ([] if left else ["There is nothing to repair."]):
            errors.print(plain(text), highlight=False, soft_wrap=True)
    rows = verify(folder, storage, tracking)
    damages = [damage for row in rows for damage in row.damages]
    planned, missing = _missing(folder)
    if as_json:
        print_json(_facts(rows, planned, missing))
    else:
        _show(rows)
    for damage in damages:
        tell("Damaged", f"{damage.path} {damage.fault.rstrip('.')}. {damage.cure}.")
    if damages:
        raise typer.Exit(4)
    if left:
        raise TryAgainError(f"{'; '.join(left)}. Run the same command again once that is put right.")
    for row in rows:
        if row.unknown is not None:
            raise row.unknown
    if as_json:
        return
    runs = next(row.count for row in rows if row.what == "runs")
    output.print(f"{count(runs, 'run')} {'is' if runs == 1 else 'are'} what was written.", highlight=False)
    if missing > 0:
        verb, them = ("is", "it") if missing == 1 else ("are", "them")
        command = plain(read_manifest(folder)["command"])
        output.print(
            f"{missing} of {planned} {verb} missing. To train {them}: {command}", highlight=False, soft_wrap=True
        )


def _show(rows: Sequence[Checked]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("what")
    table.add_column("checked", justify="right")
    table.add_column("damaged", justify="right")
    table.add_column("", overflow="fold")
    for row in rows:
        if row.count or row.note:
            table.add_row(row.what, str(row.count), str(len(row.damages)), plain(row.note))
    output.print(table)


def _missing(folder: Path) -> tuple[int, int]:
    """How many runs are planned, and how many of them are not there; of a folder whose manifest cannot be read, none."""
    try:
        manifest = read_manifest(folder)
        planned = len(manifest["study"]["arms"]) * (stopped_at(manifest) or manifest["study"]["seeds"])
    except LabError:
        return 0, 0  # which is among the damages
    return planned, planned - sum(entry["phase"] == CONFIRM for entry in manifest["runs"].values())


def _facts(rows: Sequence[Checked], planned: int, missing: int) -> dict[str, Any]:
    return {
        "planned": planned,
        "missing": max(0, missing),
        "checked": [
            {
                "what": row.what,
                "count": row.count,
                "note": row.note,
                "unknown": None if row.unknown is None else str(row.unknown),
                "damaged": [{"path": str(each.path), "fault": each.fault, "cure": each.cure} for each in row.damages],
            }
            for row in rows
        ],
    }
