"""How long a training function takes for its first epoch: tried in a process that is ended then."""

from __future__ import annotations

import multiprocessing
import os
import time
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

from zoneout_lab.engines import Progress
from zoneout_lab.errors import FunctionFailedError
from zoneout_lab.functions.running import begun
from zoneout_lab.functions.spec import FunctionRun
from zoneout_lab.functions.trainer import FunctionTrainer, called
from zoneout_lab.parts.code import Code, in_use

LIMIT = 60.0  # seconds


def timed(run: FunctionRun, *, device: str) -> tuple[bool, float]:
    """Seconds until the function first logs something, or all that it takes where it logs nothing: then the first value is True.

    Raises FunctionFailedError where it fails before, TimeoutError where neither happens within :data:`LIMIT` seconds.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with TemporaryDirectory() as place:
        process = context.Process(target=_time, args=(theirs, run, device, in_use(), Path(place)))
        process.start()
        theirs.close()
        try:
            # a new process has to import what it needs first
            if not ours.poll(LIMIT):
                raise TimeoutError
            kind, what = ours.recv()
        except EOFError:
            process.join()
            raise FunctionFailedError(f"its process ended with code {process.exitcode}") from None
        finally:
            process.kill()
            process.join()
            ours.close()
    if kind == "failed":
        raise FunctionFailedError(what)
    return kind == "whole", float(what)


def _time(pipe: Connection, run: FunctionRun, device: str, code: Code, place: Path) -> None:
    code.use()
    FunctionTrainer({}).prepare(device)
    began = time.monotonic()

    def report(_: Progress) -> None:
        pipe.send(("epoch", time.monotonic() - began))
        os._exit(0)

    running = begun(run, device=device, report=report, checkpoints=None, files=place / "files", warn=lambda _: None)
    try:
        called(run, running)
        pipe.send(("whole", time.monotonic() - began))
    except FunctionFailedError as error:
        pipe.send(("failed", error.what))
