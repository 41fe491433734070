"""``verify``: every file of a study checked, one table of what was, and one line for each damage; ``--repair`` mends what can be."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.table import Table

from zoneout_lab.cli.console import errors, output, plain, tell
from zoneout_lab.errors import TryAgainError
from zoneout_lab.report.text import count
from zoneout_lab.study.repair import repair
from zoneout_lab.study.stopped import stopped_at
from zoneout_lab.study.store import CONFIRM, read_manifest
from zoneout_lab.study.verify import verify


def show_verified(folder: Path, *, mend: bool, storage: str | None = None, tracking: str | None = None) -> None:
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
    table = Table(box=None, pad_edge=False)
    table.add_column("what")
    table.add_column("checked", justify="right")
    table.add_column("damaged", justify="right")
    table.add_column("", overflow="fold")
    for row in rows:
        if row.count or row.note:
            table.add_row(row.what, str(row.count), str(len(row.damages)), plain(row.note))
    output.print(table)
    damages = [damage for row in rows for damage in row.damages]
    for damage in damages:
        tell("Damaged", f"{damage.path} {damage.fault.rstrip('.')}. {damage.cure}.")
    if damages:
        raise typer.Exit(4)
    if left:
        raise TryAgainError(f"{'; '.join(left)}. Run the same command again once that is put right.")
    for row in rows:
        if row.unknown is not None:
            raise row.unknown
    runs = next(row.count for row in rows if row.what == "runs")
    output.print(f"{count(runs, 'run')} {'is' if runs == 1 else 'are'} what was written.", highlight=False)
    manifest = read_manifest(folder)
    planned = len(manifest["study"]["arms"]) * (stopped_at(manifest) or manifest["study"]["seeds"])
    missing = planned - sum(entry["phase"] == CONFIRM for entry in manifest["runs"].values())
    if missing > 0:
        verb, them = ("is", "it") if missing == 1 else ("are", "them")
        text = f"{missing} of {planned} {verb} missing. To train {them}: {plain(manifest['command'])}"
        output.print(text, highlight=False, soft_wrap=True)
