"""What a worker of a Dask cluster does with a batch of runs: it trains it as any process does, says how far it is, and stops when told to.

A worker runs its tasks in a thread, and the signals are Dask's. So a second thread watches: it passes on the progress, and notes the
request to stop where the worker is closed, or where nobody waits for the batch any more, as when the driver was killed.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from typing import Any

from distributed import Worker, get_worker

from zoneout_lab import interrupts
from zoneout_lab.engines.engine import Result, Trainer
from zoneout_lab.engines.failures import to_be_sent
from zoneout_lab.engines.kept import Checkpoints
from zoneout_lab.engines.outcome import Progress
from zoneout_lab.frozen import AnyRun
from zoneout_lab.parts.code import Code

#: seconds between two looks of the watching thread, and two reports of progress
EVERY = 0.5

# a worker with several threads trains one batch at a time: what training sets is the process's
_turn = threading.Lock()
_change = threading.Lock()
_training: dict[str, int] = {}  # key of a batch → the thread that it trains in


@dataclass(frozen=True)
class Job:
    """A batch of runs for a worker.

    Args:
        key: of its task on the cluster, unlike any other.
        topic: of the events that tell the driver what happens.
        batch, code: the runs, and the user's own files that they need.
        device, checkpoints: as for :class:`~zoneout_lab.engines.engine.Work`.
    """

    key: str
    topic: str
    batch: Sequence[AnyRun]
    code: Code
    device: str
    checkpoints: Checkpoints | None


def about(
    device: str, saying: Callable[[str], Mapping[str, Any]], computed_by: Callable[[str], Mapping[str, str]]
) -> dict[str, Any]:
    """What a worker is: what computes there, to be compared with the driver's, and what ``saying`` says of the device there."""
    return {"computed_by": computed_by(device), **saying(device)}


def perform(job: Job, trainer: Trainer) -> Result | None:
    """Train a batch here: its outcomes or the error that ended it; None where it was stopped, and saved."""
    worker, run = get_worker(), job.batch[0]
    checkpoints = job.checkpoints
    if checkpoints is not None and not checkpoints.folder.parent.is_dir():
        _tell(
            worker,
            job,
            "warning",
            f"{worker.address} does not see {checkpoints.folder.parent}: what it trains is saved nowhere.",
        )
        checkpoints = None
    with _watched(worker, job) as now, _turn, trainer.prepared(job.device), job.code.in_use():
        try:
            outcomes = trainer.train(
                job.batch,
                device=job.device,
                report=now.append,
                checkpoints=checkpoints,
                warn=lambda text: _tell(worker, job, "warning", text),
            )
            computed = dict(trainer.about(run, job.device))
            return [replace(outcome, origin=computed) for outcome in outcomes]
        except interrupts.Stopped:
            return None
        except Exception as error:  # noqa: BLE001 - an error ends its batch and no other
            return to_be_sent(error)


def stop(keys: Sequence[str]) -> None:
    """Stop what this worker trains, if it is one of these batches. It is saved first."""
    with _change:
        for key in keys:
            if key in _training:
                interrupts.ask(signal.SIGTERM, _training[key])


@contextmanager
def _watched(worker: Worker, job: Job) -> Iterator[list[Progress]]:
    """While this is open, the last in the list is told to the driver, and the request to stop is noted where there is reason to stop."""
    now: list[Progress] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(EVERY):
            task = worker.state.tasks.get(job.key)
            closing = worker.status.name not in ("running", "paused")
            if closing or task is None or task.state == "cancelled":
                stop([job.key])
            if now:
                _tell(worker, job, "progress", *astuple(now[-1]))
                now.clear()

    with _change:
        _training[job.key] = threading.get_ident()
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield now
    finally:
        over.set()
        thread.join()
        with _change:
            del _training[job.key]
            interrupts.take_back()


def _tell(worker: Worker, job: Job, kind: str, *what: Any) -> None:
    worker.log_event(job.topic, [kind, job.key, *what])
