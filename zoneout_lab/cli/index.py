"""``index``: one page over several studies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from zoneout_lab.cli.console import output, tell
from zoneout_lab.errors import InputRefusedError, IntegrityError
from zoneout_lab.report import write_index
from zoneout_lab.results.open import holds_results
from zoneout_lab.results.targets import refuse_to_replace


def write(folders: Sequence[Path], to: Path | None) -> None:
    """Write the page and print where it is; say on stderr what was left out, and end with the exit code for it."""
    alone = folders[0] if len(folders) == 1 and folders[0].is_dir() and not holds_results(folders[0]) else Path()
    target = to or alone / "index.html"
    refuse_to_replace(folders, [target])
    found = write_index(folders, target)
    output.print(str(target), highlight=False, soft_wrap=True, markup=False)
    for folder in found.passed_over:
        tell("Note", f"{folder} holds no results of a study and is passed over.")
    for skipped in found.skipped:
        tell("Warning", f"{skipped.path} is left out. {skipped.error}")
    if found.skipped:
        damaged = any(isinstance(skipped.error, IntegrityError) for skipped in found.skipped)
        raise typer.Exit((IntegrityError if damaged else InputRefusedError).exit_code)
