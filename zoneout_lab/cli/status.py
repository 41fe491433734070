"""``status``: how far studies have come."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.table import Table

from zoneout_lab.cli.console import output, plain, print_json, print_whole
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.report.text import count
from zoneout_lab.study.adopted import unlisted
from zoneout_lab.study.mirroring import behind
from zoneout_lab.study.stopped import stopped_at
from zoneout_lab.study.store import CONFIRM, read_manifest


def show_status(folder: Path, *, as_json: bool) -> None:
    """Print done, missing and diverged runs of one study, or of every study in a folder."""
    if (folder / "MANIFEST.json").exists():
        folders = [folder]
    elif folder.is_dir():
        folders = sorted(path.parent for path in folder.glob("*/MANIFEST.json"))
    else:
        folders = []
    if not folders:
        raise InputRefusedError(f"There are no studies in {folder}. Start one: zoneout-lab run quickstart.")
    rows = [_count(each) for each in folders]
    if as_json:
        print_json(rows)
        return
    table = Table(box=None, pad_edge=False)
    columns = [name for name in rows[0] if name not in ("report", "behind", "searched", "unlisted")]
    for name in columns:
        table.add_column(name, justify="left" if name in ("study", "task") else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(plain(str(row[name])) for name in columns))
    print_whole(table)
    for row in rows:  # below the table: a path that is broken into lines cannot be clicked or copied
        if row["report"]:
            output.print(f"Report: {row['report']}", highlight=False, soft_wrap=True, markup=False)
    for row in rows:
        if row["searched"]:
            output.print(
                f"{plain(row['study'])} also has {count(row['searched'], 'run')} of its search.",
                soft_wrap=True,
                highlight=False,
            )
        if row["unlisted"]:
            more = count(row["unlisted"], "more file", "more files")
            output.print(
                f"{plain(row['study'])} has {more} of runs, written by a command that was interrupted before it noted them: the next `run` takes up what is whole.",
                soft_wrap=True,
                highlight=False,
            )
        if row["behind"]:
            output.print(
                f"Not up to date with {plain(row['study'])}: {plain(', '.join(row['behind']))}. `run` brings it up to date when it ends.",
                highlight=False,
                soft_wrap=True,
                markup=False,
            )


def _count(folder: Path) -> dict[str, Any]:
    manifest = read_manifest(folder)
    study = manifest["study"]
    planned = len(study["arms"]) * (stopped_at(manifest) or study["seeds"])
    there = [run for run in manifest["runs"].values() if (folder / run["file"]).exists()]
    runs = [run for run in there if run["phase"] == CONFIRM]
    report = folder / "report.html"
    return {
        "study": folder.name,
        "task": study.get("task") or study.get("train") or "",
        "planned": planned,
        "done": len(runs),
        "missing": planned - len(runs),
        "diverged": sum(run["status"] == "diverged" for run in runs),
        "searched": len(there) - len(runs),
        "unlisted": len(unlisted(folder, manifest)),
        "behind": behind(folder, manifest),
        "report": str(report) if report.exists() else None,
    }
