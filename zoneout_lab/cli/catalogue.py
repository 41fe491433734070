"""``list``: the studies that come with the package, by the claims of the paper that they test."""

from __future__ import annotations

from rich.table import Table

from zoneout_lab.cli.console import output, plain, print_json
from zoneout_lab.cli.parts import about
from zoneout_lab.paper import CLAIMS
from zoneout_lab.study import Study, builtin_studies, load_study
from zoneout_lab.tasks import TASKS, task_name


def show_catalogue(*, as_json: bool) -> None:
    """Print every claim with its studies, every study with its question, and every task with its presets; as JSON the studies alone."""
    studies = [load_study(name) for name in builtin_studies()]
    if as_json:
        print_json([study.to_json() for study in studies])
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("claim", justify="right")
    table.add_column("what the paper says", overflow="fold")
    table.add_column("studies", overflow="fold")
    for number, claim in CLAIMS.items():
        table.add_row(str(number), plain(claim), "\n".join(studies_of(number, studies)))
    output.print(table)
    output.print()
    table = Table(box=None, pad_edge=False)
    for title in ("study", "task", "runs", "question"):
        table.add_column(title, no_wrap=title != "question", overflow="fold")
    for study in studies:
        tasks = [on.label for on in study.tasks] or [task_name(study.task)]
        runs = f"{len(study.arms)} × {study.seeds}" + (f" × {len(tasks)}" if study.tasks else "")
        table.add_row(study.name, "\n".join(tasks), runs, plain(study.question))
    output.print(table)
    output.print()
    table = Table(box=None, pad_edge=False)
    for title in ("task", "presets", "what it is"):
        table.add_column(title, no_wrap=title == "task", overflow="fold")
    for name, task in TASKS.items():
        table.add_row(name, ", ".join(task.settings), plain(about(task)))
    output.print(table)


def studies_of(claim: int, studies: list[Study]) -> list[str]:
    """Names of the studies with a hypothesis about a claim; the quickstart, which is not at the paper's scale, comes last.

    >>> studies_of(17, [load_study("quickstart"), load_study("tuned_rates")])
    ['tuned_rates', 'quickstart']
    """
    names = [study.name for study in studies if any(claim in h.claims for h in study.hypotheses)]
    return sorted(names, key=lambda name: (name == "quickstart", name))
