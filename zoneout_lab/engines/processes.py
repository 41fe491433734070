"""Batches of runs on several processes, one thread each: what keeps all cores of a laptop busy.

A small recurrence gains little from threads (each timestep is too short to share), and its rounding could depend on them. One
thread for each process makes a run's bits independent of how many processes there are.

A process that dies takes nothing with it but its place: another is started there, and its batch goes on from its last checkpoint.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle  # nosec B403 # what our own processes say
import queue
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from typing import Any

from zoneout_lab import interrupts
from zoneout_lab.engines.engine import Batches, Result, Trainer, Work
from zoneout_lab.engines.failures import Deaths, given_up, named, to_be_sent
from zoneout_lab.engines.kept import Checkpoints
from zoneout_lab.engines.outcome import Progress
from zoneout_lab.frozen import AnyRun
from zoneout_lab.parts.code import Code, in_use

_PATIENCE = 7.0  # seconds for processes to save what they train; the driver's own are few more
_REPORTS_EVERY = 0.05


@dataclass
class _Worker:
    """A process, our end of the pipe to it, and the batch it has; ``ready`` once it has started up."""

    process: Any
    pipe: Connection
    number: int | None = None
    ready: bool = False


def in_processes(batches: Batches, work: Work, workers: int) -> Iterator[tuple[int, Result]]:
    """The engine of so many processes on this machine's CPU."""
    crew = _Crew(batches, work)
    try:
        for _ in range(workers):
            crew.start()
        while crew.workers:
            if interrupts.asked() is not None:
                yield from crew.stop()  # what is finished is not to be lost
                interrupts.check()
            for pipe in connection.wait([worker.pipe for worker in crew.workers], timeout=0.1):
                yield from crew.hear(next(worker for worker in crew.workers if worker.pipe is pipe))
    finally:
        crew.stop()


@dataclass
class _Crew:
    batches: Batches
    work: Work
    workers: list[_Worker] = field(default_factory=list)
    waiting: deque[int] = field(init=False)
    deaths: Deaths = field(init=False)
    any_ready: bool = False
    said: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.waiting = deque(range(len(self.batches)))
        self.deaths = Deaths(self.batches, self.work.checkpoints)

    def start(self) -> None:
        """Start a process on the next batch, if any waits."""
        if not self.waiting:
            return
        work = self.work
        # spawn: a forked torch may hang in its thread pools
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        mine = (theirs, work.trainer, work.device, in_use(), work.checkpoints)
        # what somebody else wrote may start processes of its own, which one that is a daemon may not
        process = context.Process(target=_work, args=mine, daemon=not work.trainer.apart)
        resource_tracker.ensure_running()  # or starting the first process would start it, and lift the block
        # a signal to the whole process group waits in a new process until that can deal with it
        before = signal.pthread_sigmask(signal.SIG_BLOCK, interrupts.SIGNALS)
        try:
            with environment(work.trainer.environment):
                process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        worker = _Worker(process, ours)
        self.workers.append(worker)
        self._give(worker)

    def hear(self, worker: _Worker) -> Iterator[tuple[int, Result]]:
        """What a process says or that it has died; the results that come of it."""
        try:
            kind, *rest = worker.pipe.recv()
        except (EOFError, OSError, pickle.UnpicklingError):
            interrupts.check()  # it may have been the driver's signal
            yield from self._lost(worker)
            return
        number = worker.number
        assert number is not None
        if kind == "ready":
            worker.ready = self.any_ready = True
        elif kind == "progress":
            self.work.report(number, *rest)
        elif kind == "warning":
            self._warn(*rest)
        else:
            result, worn_out = rest
            if worn_out:
                worker.number = None
                self._end(worker)
                self.start()
            else:
                self._give(worker)  # before its results are written: it trains meanwhile
            yield number, result

    def _warn(self, text: str) -> None:
        """Pass on what a process warns of, once: others would say the same."""
        if text not in self.said:
            self.said.add(text)
            self.work.warn(text)

    def _give(self, worker: _Worker) -> None:
        """Give a process the next batch; without one it ends."""
        worker.number = self.waiting.popleft() if self.waiting else None
        with suppress(OSError):  # it has died, which is heard of in a moment
            worker.pipe.send(None if worker.number is None else self.batches[worker.number])
        if worker.number is None:
            self._end(worker)

    def _end(self, worker: _Worker) -> None:
        self.workers.remove(worker)
        if worker.number is not None:
            kill_all(worker.process.pid)  # it has died, and what it had started goes with it
        worker.process.join()
        worker.pipe.close()

    def _lost(self, worker: _Worker) -> Iterator[tuple[int, Result]]:
        number = worker.number
        assert number is not None
        self._end(worker)
        how = _how(worker.process.exitcode)
        if not self.deaths.too_many(number):
            if worker.ready:
                self.work.warn(
                    f"A process {how} while it trained {named(self.batches[number])}; another takes its place, and goes on from their last "
                    "checkpoint if there is one."
                )
            self.waiting.appendleft(number)
        else:
            yield number, self._too_many(how, worker.process.exitcode)
            while self.waiting and not self.any_ready:
                yield self.waiting.popleft(), self._too_many(how, worker.process.exitcode)
        self.start()

    def _too_many(self, how: str, code: int) -> Exception:
        if not self.any_ready:
            return RuntimeError(
                f"no process could be started to train in; each {how}. In a script, what calls run_study has to stand under "
                'if __name__ == "__main__":'
            )
        # Linux ends a process like this when memory runs out
        return given_up("processes", how, by_memory=code == -signal.SIGKILL)

    def stop(self) -> list[tuple[int, Result]]:
        """End all processes: at once those with nothing to save, and the others when it is saved. What they had finished is returned."""
        results: list[tuple[int, Result]] = []
        for worker in self.workers:
            if not worker.ready or self.work.checkpoints is None:
                worker.process.kill()
            with suppress(OSError):
                worker.pipe.send("stop")
        until = time.monotonic() + _PATIENCE
        try:
            left = list(self.workers)
            while left and time.monotonic() < until:
                # read on: a process that cannot get rid of what it has to say never ends
                for pipe in connection.wait([worker.pipe for worker in left], timeout=0.1):
                    worker = next(each for each in left if each.pipe is pipe)
                    try:
                        kind, *rest = worker.pipe.recv()
                        if kind == "warning":
                            self._warn(*rest)
                        elif kind == "result" and worker.number is not None:
                            results.append((worker.number, rest[0]))
                    except (EOFError, OSError, pickle.UnpicklingError):
                        left.remove(worker)
        finally:
            for worker in self.workers:
                if worker.process.exitcode is None:
                    kill_all(worker.process.pid)
                worker.process.join()
                worker.pipe.close()
            self.workers.clear()
        return results


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """With these variables in the environment of what is started."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def kill_all(pid: int) -> None:
    """End a process, and where it leads a group of its own, what it has started."""
    for end in (os.killpg, os.kill):
        with suppress(OSError):
            end(pid, signal.SIGKILL)


def _how(code: int) -> str:
    if code < 0:
        with suppress(ValueError):
            return f"died of {signal.Signals(-code).name}"
    return f"ended with code {code}"


def _work(pipe: Connection, trainer: Trainer, device: str, code: Code, checkpoints: Checkpoints | None) -> None:
    """What a process does: train the batches it is given, until there are none or it is told to stop."""
    interrupts.listen_quietly(interrupts.ask)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, interrupts.SIGNALS)
    jobs: queue.SimpleQueue[Sequence[AnyRun] | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, jobs), daemon=True).start()
    trainer.prepare(device)
    code.use()
    pipe.send(("ready",))
    with suppress(interrupts.Stopped, BrokenPipeError):
        while not trainer.worn_out() and (batch := jobs.get()) is not None:
            result = _trained(batch, pipe, trainer, device, checkpoints)
            pipe.send(("result", result, trainer.worn_out()))
    with suppress(Exception):
        sys.stdout.flush()  # what users' own code printed
    if os.getpgrp() == os.getpid():  # of our own, with what a training function has started
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)
    asked = interrupts.asked()
    os._exit(0 if asked is None else interrupts.exit_code(asked))  # threads and libraries have nothing left to do


def _listen(pipe: Connection, jobs: queue.SimpleQueue[Sequence[AnyRun] | None]) -> None:
    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            if os.getpgrp() == os.getpid():
                os.killpg(0, signal.SIGKILL)
            os._exit(1)  # a driver that is killed cannot end its workers
        if message == "stop":
            interrupts.ask(signal.SIGTERM)
        jobs.put(None if message == "stop" else message)


def _trained(
    batch: Sequence[AnyRun], pipe: Connection, trainer: Trainer, device: str, checkpoints: Checkpoints | None
) -> Result:
    told_at = 0.0

    def report(progress: Progress) -> None:
        nonlocal told_at
        if (now := time.monotonic()) >= told_at + _REPORTS_EVERY:
            told_at = now
            pipe.send(("progress", progress))

    try:
        return trainer.train(
            batch,
            device=device,
            report=report,
            checkpoints=checkpoints,
            warn=lambda text: pipe.send(("warning", text)),
        )
    except Exception as error:  # noqa: BLE001 - an error ends its batch and no other
        return to_be_sent(error)
