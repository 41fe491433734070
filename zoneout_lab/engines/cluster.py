"""The engine of a Dask cluster: batches of runs on workers that may be on other machines, and may come and go.

Each worker is given one batch at a time, as a process of this machine would be, and not by Dask's own choice. So it is known which batch a
lost worker had, a batch can be given up after it has taken several with it, and a worker that would compute other bits is never asked.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from distributed import Future
from distributed.scheduler import KilledWorker

from zoneout_lab import interrupts
from zoneout_lab.engines import cluster_task
from zoneout_lab.engines.cluster_workers import Member, Workers
from zoneout_lab.engines.engine import Batches, Result, Work
from zoneout_lab.engines.failures import Deaths, given_up, named, to_be_sent
from zoneout_lab.engines.outcome import Progress
from zoneout_lab.parts.code import in_use

_PATIENCE = 7.0  # seconds for workers to save what they train; the driver's own are few more
_SAVING = 5.0  # seconds for a worker that is closed to save what it trained: for Dask it is gone before
_TRANSFER = 60.0  # seconds to send data to a worker
_FETCH = 5.0  # seconds to fetch a result before looking whether to stop


@dataclass(frozen=True)
class OnCluster:
    """An engine: the workers of a cluster, of which at most ``most`` train at once; None: all that there are, and those that come later."""

    workers: Workers
    most: int | None = None

    def __call__(self, batches: Batches, work: Work) -> Iterator[tuple[int, Result]]:
        crew = _Crew(batches, work, self.workers, self.most)
        try:
            while crew.waiting or crew.busy or crew.moving:
                if interrupts.asked() is not None:
                    yield from crew.stop()  # what is finished is not to be lost
                    interrupts.check()
                yield from crew.see()
                crew.give()
                yield from crew.hear()
        finally:
            crew.stop()


@dataclass
class _Crew:
    batches: Batches
    work: Work
    workers: Workers
    most: int | None
    waiting: deque[int] = field(init=False)
    busy: list[Member] = field(default_factory=list)
    moving: dict[int, float] = field(default_factory=dict)  # a lost worker's batch → when another may take it
    deaths: Deaths = field(init=False)
    warned: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.waiting = deque(range(len(self.batches)))
        checkpoints = self.work.checkpoints
        if checkpoints is not None:  # a worker starts elsewhere
            self.work = replace(self.work, checkpoints=replace(checkpoints, folder=checkpoints.folder.absolute()))
        self.deaths = Deaths(self.batches, self.work.checkpoints)

    def see(self, *, at_once: bool = False) -> Iterator[tuple[int, Result]]:
        """Notice workers that are lost: their batches wait for another, or are given up."""
        for member in self.workers.look(at_once=at_once):
            if member in self.busy and (number := self._free(member)) is not None:
                if self.deaths.too_many(number):
                    yield number, given_up("workers", "were lost", by_memory=True)
                else:
                    self._warn(
                        f"The worker {member.address} was lost while it trained {named(self.batches[number])}; another goes on from their "
                        "last checkpoint if there is one."
                    )
                    self.moving[number] = time.monotonic() + (_SAVING if self.work.checkpoints is not None else 0.0)

    def give(self) -> None:
        """Give each worker that has none a batch."""
        for number in [each for each, since in self.moving.items() if time.monotonic() >= since]:
            del self.moving[number]
            self.waiting.appendleft(number)
        for member in self.workers.ready:
            if not self.waiting or len(self.busy) >= (self.most or len(self.batches)):
                return
            if member.job is None:
                self._give(member)

    def hear(self) -> Iterator[tuple[int, Result]]:
        """What workers have told, and the results of those that are done."""
        for kind, key, *rest in self.workers.events():
            member = next((each for each in self.busy if each.key == key), None)
            if kind == "progress" and member is not None and member.number is not None:
                self.work.report(member.number, Progress(*rest))
            elif kind == "warning":
                self._warn(*rest)
        for member in [each for each in self.busy if each.job is not None and each.job.done()]:
            yield from self._done(member)

    def stop(self) -> list[tuple[int, Result]]:
        """End what is trained, once it is saved. What was finished is returned."""
        busy, client = list(self.busy), self.workers.client
        results: list[tuple[int, Result]] = []
        if busy and self.work.checkpoints is not None and client.status == "running":
            addresses, keys = [each.address for each in busy], [each.key for each in busy]

            def ask() -> None:
                with suppress(Exception):
                    client.run(cluster_task.stop, keys, workers=addresses, on_error="ignore")

            threading.Thread(target=ask, daemon=True).start()  # it waits for a worker that hangs
            until = time.monotonic() + _PATIENCE
            while time.monotonic() < until and not all(each.job is None or each.job.done() for each in busy):
                for kind, _, *rest in self.workers.events():
                    if kind == "warning":
                        self._warn(*rest)
            for member in busy:
                if member.job is not None and member.number is not None and member.job.status == "finished":
                    with suppress(TimeoutError):
                        result = _result(member.job, max(0.1, until - time.monotonic()))
                        if result is not None:
                            results.append((member.number, _placed(result, member)))
        for member in list(self.busy):
            self._free(member)
        return results

    def _give(self, member: Member) -> None:
        number = self.waiting.popleft()
        key = f"zoneout-lab-{uuid.uuid4().hex}"
        work, batch = self.work, self.batches[number]
        job = cluster_task.Job(key, self.workers.topic, batch, in_use(), work.device, work.checkpoints)
        try:
            if member.trainer is None or member.digest != work.trainer.digest:
                # by way of the scheduler: workers may be on machines that this one cannot reach
                member.trainer = self.workers.client.scatter(
                    work.trainer, workers=[member.address], hash=False, direct=False, timeout=_TRANSFER
                )
                member.digest = work.trainer.digest
            member.job = self.workers.submit(
                member.address, partial(cluster_task.perform, job), member.trainer, key=key
            )
        except (OSError, TimeoutError, KeyError, ValueError):  # it is lost, which is seen in a moment
            self.waiting.appendleft(number)
            self.workers.leave_out(member)
            return
        member.key, member.number = key, number
        self.busy.append(member)

    def _done(self, member: Member) -> Iterator[tuple[int, Result]]:
        """What a worker has finished; it is given the next batch first, to train it while the results are written."""
        job, number = member.job, member.number
        if job is None or number is None:
            return  # it was seen to be lost with another
        if job.status == "finished":
            try:
                result = _result(job, _FETCH)
            except TimeoutError:
                return  # it is slow, and asked for again; or the worker was lost with it, which is seen in a moment
        elif job.status == "error" and not isinstance(job.exception(), KilledWorker):
            error = job.exception()
            result = to_be_sent(error if isinstance(error, Exception) else RuntimeError(str(error)))
        else:
            yield from self.see(at_once=True)
            if member not in self.busy:
                return
            self.workers.leave_out(member)  # the connection was lost, and its data with it
            result = None
        self._free(member)
        if result is None:  # it is about to end, or was stopped by somebody else
            self.waiting.appendleft(number)
            return
        if self.waiting and member in self.workers.ready:
            self._give(member)
        yield number, _placed(result, member)

    def _free(self, member: Member) -> int | None:
        """Take a worker's batch from it. Where nobody else waits for it, Dask tells the worker, which stops."""
        number = member.number
        if member.job is not None:
            member.job.release()
        member.job = member.number = None
        member.key = ""
        self.busy.remove(member)
        return number

    def _warn(self, text: str) -> None:
        if text not in self.warned:
            self.warned.add(text)
            self.work.warn(text)


def _result(job: Future[Any], timeout: float) -> Result | None:
    """What a task returned. Raises TimeoutError where it cannot be fetched."""
    try:
        result: Result | None = job.result(timeout=timeout)
    except TimeoutError:
        raise
    except Exception as error:  # noqa: BLE001 - such as results that cannot be read here
        return to_be_sent(error)
    return result


def _placed(result: Result, member: Member) -> Result:
    """A result that says where it was made."""
    if isinstance(result, Exception):
        return result
    return [replace(outcome, origin={**member.about.get("origin", {}), **outcome.origin}) for outcome in result]
