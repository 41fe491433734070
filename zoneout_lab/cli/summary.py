"""What a command says at its end: what was run, the verdicts, where the report is, and which database is behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zoneout_lab.cli.console import errors, output, plain
from zoneout_lab.report.text import count

if TYPE_CHECKING:
    from zoneout_lab.study.run import Summary


def show_behind(mirrors: Sequence[str]) -> None:
    """Which of Optuna and MLflow are not up to date, and what to do."""
    errors.print(
        f"Not up to date: {', '.join(mirrors)}. The results are complete; the same command publishes what is missing there.",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )


def show_summary(summary: Summary, task: str = "") -> None:
    """What was run, the verdicts, and where the report is; of a ``task``, where there are several."""
    if task:
        errors.print(f"[bold]On {plain(task)}[/]", highlight=False, soft_wrap=True)
    show_verdicts(summary.folder)
    if summary.trained == 0 and not summary.failed:
        taken = f", {summary.taken} of them taken over from other folders" if summary.taken else ""
        done = f"all {summary.planned} runs are" if summary.planned > 1 else "the run is"
        errors.print(f"{'Nothing to train' if taken else 'Nothing to do'}: {done} done{taken}.", highlight=False)
    if summary.diverged:
        errors.print(f"{count(summary.diverged, 'run')} diverged; the report shows which.", highlight=False)
    output.print(f"Report: {summary.report}", highlight=False, soft_wrap=True, markup=False)
    if summary.failed:
        errors.print(
            f"{count(len(summary.failed), 'run')} failed: {', '.join(summary.failed)}.", highlight=False, markup=False
        )


def show_over_tasks(sources: Sequence[Path]) -> None:
    """The verdicts over all tasks, on stderr."""
    from zoneout_lab.cli.verdicts import show_over_all
    from zoneout_lab.results import across

    over = across(sources)
    errors.print(
        f"[bold]Over {len(over.tasks)} tasks[/] ({plain(', '.join(over.tasks))})", highlight=False, soft_wrap=True
    )
    show_over_all(over.judgements, errors)


def show_verdicts(folder: Path) -> None:
    """What came out of each hypothesis, as the report's first lines have it, on stderr."""
    from zoneout_lab.cli.verdicts import show_judgements
    from zoneout_lab.results import judge
    from zoneout_lab.results.open import open_quickly

    show_judgements(judge(open_quickly(folder)), errors)
