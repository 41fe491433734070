"""How long a training function takes for its first epochs: tried in a process that is ended then."""

from __future__ import annotations

import multiprocessing
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from zoneout_lab.engines import Progress
from zoneout_lab.engines.processes import environment, kill_all
from zoneout_lab.errors import FunctionFailedError
from zoneout_lab.functions.running import begun
from zoneout_lab.functions.spec import FunctionRun
from zoneout_lab.functions.trainer import FunctionTrainer, called
from zoneout_lab.parts import function_named
from zoneout_lab.parts.code import Code, in_use

LIMIT = 60.0  # seconds


@dataclass(frozen=True)
class Timed:
    """Seconds until a function first logged something, and from there to its next epoch; None where it ended before that, and ``first`` is all that it took."""

    first: float
    epoch: float | None


def timed(run: FunctionRun, *, device: str) -> Timed:
    """How long a function takes for its first two epochs, or for all where it has fewer.

    Raises FunctionFailedError where it fails before, TimeoutError where it logs nothing, and does not end, within :data:`LIMIT` seconds.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with TemporaryDirectory() as place:
        process = context.Process(target=_time, args=(theirs, run, device, in_use(), Path(place)))
        with environment(FunctionTrainer({}).environment):
            process.start()
        theirs.close()
        try:
            # a new process has to import what it needs first
            until = time.monotonic() + LIMIT
            heard: list[tuple[str, Any]] = []
            while (not heard or heard[-1][0] == "first") and ours.poll(max(0.0, until - time.monotonic())):
                heard.append(ours.recv())
        except EOFError:
            process.join()
            raise FunctionFailedError(f"its process ended with code {process.exitcode}") from None
        finally:
            kill_all(cast(int, process.pid))
            process.join()
            ours.close()
    if not heard:
        raise TimeoutError
    kind, what = heard[-1]
    if kind == "failed":
        raise FunctionFailedError(what)
    first = float(heard[0][1])
    if kind == "whole":
        return Timed(float(what), None)
    return Timed(first, float(what) - first if kind == "second" else first)


def _time(pipe: Connection, run: FunctionRun, device: str, code: Code, place: Path) -> None:
    code.use()
    FunctionTrainer({}).prepare(device)
    with suppress(Exception):  # which is told of when it is called
        function_named(run.train)
    began, seen = time.monotonic(), 0

    def report(progress: Progress) -> None:
        nonlocal seen
        if progress.epoch > seen:
            seen = progress.epoch
            pipe.send(("first" if seen == 1 else "second", time.monotonic() - began))
        if seen > 1:
            os._exit(0)

    running = begun(run, device=device, report=report, checkpoints=None, files=place / "files", warn=lambda _: None)
    try:
        called(run, running)
        pipe.send(("whole", time.monotonic() - began))
    except FunctionFailedError as error:
        pipe.send(("failed", error.what))
