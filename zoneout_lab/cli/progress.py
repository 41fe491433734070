"""The progress bar of a study: runs done, epoch, score, time left."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from zoneout_lab.cli.console import errors, plain, redraws, tell
from zoneout_lab.engines import Progress as Where
from zoneout_lab.report.text import count
from zoneout_lab.study.driver import Watcher


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
        disable=not redraws(errors),
        expand=True,
    )
    shares: dict[int, float] = {}
    running: dict[int, Where] = {}
    counts = {"runs": 0, "done": 0}
    bars: list[TaskID] = []

    def show() -> None:
        completed, now = counts["done"] + sum(shares.values()), where_now(list(running.values()), score)
        bar.update(bars[0], completed=completed, done=counts["done"], now=now)

    def begin(runs: int) -> None:
        for old in bars:
            bar.remove_task(old)
        shares.clear()
        running.clear()
        counts.update(runs=runs, done=0)
        bars[:] = [bar.add_task("", total=runs, runs=runs, done=0, now="starting")]
        if bar.disable:
            errors.print(f"Training {count(runs, 'run')}.", highlight=False)

    def progress(batch: int, runs: int, where: Where) -> None:
        shares[batch] = runs * where.done / where.total
        running[batch] = where
        show()

    def done(batch: int, runs: int) -> None:
        shares.pop(batch, None)
        running.pop(batch, None)
        counts["done"] += runs
        show()
        if bar.disable and runs:
            errors.print(f"{counts['done']}/{counts['runs']} runs done.", highlight=False)

    def say(text: str) -> None:
        errors.print(text, markup=False, highlight=False, soft_wrap=True)

    def warn(text: str) -> None:
        tell("Warning", text)

    with bar:
        yield Watcher(say=say, warn=warn, begin=begin, progress=progress, done=done)


def where_now(batches: Sequence[Where], score: str) -> str:
    """How far the batches have come that train now; the best score where there is one batch, so that it is plain whose it is. Nothing for none.

    >>> first, second = (Where(epoch=epoch, epochs=20, done=epoch, total=20, score=0.25) for epoch in (3, 7))
    >>> where_now([first], "valid_error"), where_now([first, second], "valid_error")
    ('epoch 3/20 · best valid_error 0.250', 'epochs 3–7/20')
    """
    if not batches:
        return ""
    epochs = [where.epoch for where in batches]
    first, last = min(epochs), max(epochs)
    at = f"epoch {first}" if first == last else f"epochs {first}–{last}"
    alone = len(batches) == 1 and not math.isinf(batches[0].score)
    best = f" · best {plain(score)} {batches[0].score:.3f}" if alone else ""
    return f"{at}/{max(where.epochs for where in batches)}{best}"
