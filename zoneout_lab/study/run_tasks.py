"""One question on several tasks: each task's study run in turn, then the page about all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from zoneout_lab.study.design import refuse_unless_forced
from zoneout_lab.study.driver import Watcher
from zoneout_lab.study.means import means_of
from zoneout_lab.study.run import Summary, run_study
from zoneout_lab.study.several import Part, page_of, parts_of_study
from zoneout_lab.study.spec import Study


def run_tasks(
    study: Study,
    parts: Sequence[Part] | None = None,
    *,
    out: str | Path = "runs",
    data: str | Path | None = None,
    force: bool = False,
    watch: Callable[[Study], AbstractContextManager[Watcher]] = lambda _: nullcontext(Watcher()),
    after: Callable[[Summary], None] = lambda _: None,
    **options: Any,
) -> tuple[tuple[Summary, ...], Path | None]:
    """Run what is missing of a study on each of its tasks, and write the page over all of them; what each did, and where that page is.

    Every task is an ordinary study with a folder of its own in ``out``. All of them are checked, and their data loaded once, before any
    of them trains. A study without hypotheses has no such page.

    Args:
        study: with ``tasks``, or on one task, for which there is no page.
        parts: what to run for each task; by default what the study declares.
        watch: makes what is told of each task's runs.
        after: is called when a task's runs are done.
        out, data, force, options: as for :func:`~zoneout_lab.study.run.run_study`.

    Raises what ``run_study`` raises.
    """
    out, data = Path(out), None if data is None else Path(data)
    parts = parts_of_study(study) if parts is None else parts
    whole = study if study.tasks else None
    if whole is not None:
        study.resolved()
        refuse_unless_forced(study, force=force)
        for part in parts:
            with part.study.code.in_use():
                means_of(part.study.resolved(), data)
    summaries = []
    for part in parts:
        with watch(part.study) as watcher:
            summary = run_study(
                part.study,
                out=out,
                data=data,
                force=force,
                declared=part.declared,
                overrides=part.overrides,
                command=part.command,
                watcher=watcher,
                whole=whole,
                **options,
            )
        after(summary)
        summaries.append(summary)
    if whole is None or not study.hypotheses:
        return tuple(summaries), None
    from zoneout_lab.report import write_across

    page = page_of(out, [part.study for part in parts])
    return tuple(summaries), write_across([summary.folder for summary in summaries], page)
