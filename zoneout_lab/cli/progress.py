"""The progress bar of a study: runs done, epoch, score, time left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from zoneout_lab.cli.console import errors
from zoneout_lab.study.run import Watcher
from zoneout_lab.training import Progress as Where


@contextmanager
def watching(score: str) -> Iterator[Watcher]:
    """A watcher that draws on stderr while the ``with`` block runs; where stderr is no terminal, a line for each batch.

    Args:
        score: how the validation score is called.
    """
    bar = Progress(
        TextColumn("{task.fields[done]}/{task.fields[runs]} runs"),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TextColumn("{task.fields[now]}"),
        TimeRemainingColumn(compact=True),
        console=errors,
        disable=not errors.is_terminal,
        expand=True,
    )
    state = {"task": None, "done": 0, "runs": 0}

    def begin(runs: int) -> None:
        if state["task"] is not None:
            bar.remove_task(state["task"])  # type: ignore[arg-type]
        state.update(task=bar.add_task("", total=runs, runs=runs, done=0, now="starting"), done=0, runs=runs)
        if bar.disable:
            errors.print(f"Training {runs} runs.", highlight=False)

    def progress(runs: int, where: Where) -> None:
        best = "" if where.score == float("inf") else f" · median best {score} {where.score:.3f}"
        completed = state["done"] + runs * where.done / where.total  # type: ignore[operator]
        bar.update(state["task"], completed=completed, now=f"epoch {where.epoch}{best}")  # type: ignore[arg-type]

    def done(runs: int) -> None:
        state["done"] += runs  # type: ignore[operator]
        bar.update(state["task"], completed=state["done"], done=state["done"])  # type: ignore[arg-type]
        if bar.disable:
            errors.print(f"{state['done']}/{state['runs']} runs done.", highlight=False)

    def warn(text: str) -> None:
        errors.print(f"[yellow]Warning:[/] {escape(text)}", highlight=False, soft_wrap=True)

    with bar:
        yield Watcher(say=errors.print, warn=warn, begin=begin, progress=progress, done=done)
