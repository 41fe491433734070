"""The progress bar of a study: runs done, epoch, score, time left."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from zoneout_lab.cli.console import errors, plain, tell
from zoneout_lab.report.text import count
from zoneout_lab.study.driver import Watcher
from zoneout_lab.training import Progress as Where


@contextmanager
def watching(score: str) -> Iterator[Watcher]:
    """A watcher that draws on stderr while the ``with`` block runs; where stderr is not a terminal, a line for each batch.

    Args:
        score: the validation score's name.
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
    shares: dict[int, float] = {}
    counts = {"runs": 0, "done": 0}
    bars: list[TaskID] = []

    def begin(runs: int) -> None:
        for old in bars:
            bar.remove_task(old)
        shares.clear()
        counts.update(runs=runs, done=0)
        bars[:] = [bar.add_task("", total=runs, runs=runs, done=0, now="starting")]
        if bar.disable:
            errors.print(f"Training {count(runs, 'run')}.", highlight=False)

    def progress(batch: int, runs: int, where: Where) -> None:
        shares[batch] = runs * where.done / where.total
        best = "" if math.isinf(where.score) else f" · best {plain(score)} {where.score:.3f}"
        bar.update(bars[0], completed=sum(shares.values()), now=f"epoch {where.epoch}/{where.epochs}{best}")

    def done(batch: int, runs: int) -> None:
        shares[batch] = runs
        counts["done"] += runs
        bar.update(bars[0], completed=sum(shares.values()), done=counts["done"])
        if bar.disable:
            errors.print(f"{counts['done']}/{counts['runs']} runs done.", highlight=False)

    def say(text: str) -> None:
        errors.print(text, markup=False, highlight=False, soft_wrap=True)

    def warn(text: str) -> None:
        tell("Warning", text)

    with bar:
        yield Watcher(say=say, warn=warn, begin=begin, progress=progress, done=done)
