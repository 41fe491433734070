"""Batches of runs on several processes, one thread each: what keeps all cores of a laptop busy.

A small recurrence gains little from threads (each timestep is too short to share), and its rounding could depend on them. One
thread for each process makes a run's bits independent of how many processes there are.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

import torch

from zoneout_lab import interrupts
from zoneout_lab.parts.code import Code, in_use
from zoneout_lab.parts.private import is_private
from zoneout_lab.settings import Run
from zoneout_lab.tasks import Task, make_task
from zoneout_lab.tasks.base import Data
from zoneout_lab.training.loop import Progress, train
from zoneout_lab.training.outcome import Outcome

Report = Callable[[int, Progress], None]
Result = list[Outcome] | Exception
_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"
_QUEUE: Any = None
_WORK: tuple[Task | None, Data] | None = None


def train_batches(
    batches: Sequence[Sequence[Run]], task: Task, data: Data, *, device: str, workers: int, report: Report
) -> Iterator[tuple[int, Result]]:
    """Train batches and yield each one's number with its outcomes, or the error that ended it, as it ends.

    Args:
        batches: of runs of one shape each.
        task, data: of all runs.
        device: where to train. More than one worker is for the CPU.
        workers: processes; with one, everything happens in this process, which is as it was once all is trained.
        report: called with a batch's number and its progress.
    """
    if workers <= 1 or len(batches) <= 1:
        with prepared_process(device):
            for number, batch in enumerate(batches):
                try:
                    outcomes: Result = train(batch, task, data, device=device, report=_of(report, number))
                except Exception as error:  # noqa: BLE001 - as with several workers, an error ends its batch and no other
                    outcomes = error
                yield number, outcomes
        return
    yield from _in_processes(batches, task, data, min(workers, len(batches)), report)


def prepare_process(device: str = "cpu") -> None:
    """One thread, subnormal numbers as zero, and memory kept for the next step rather than given back; on CUDA, determinism.

    glibc returns freed memory at every step by default, and taking it again costs as much as the arithmetic.
    """
    if device.startswith("cuda"):
        os.environ.setdefault(_WORKSPACE, ":4096:2")  # read when CUDA starts; without it cuBLAS may reorder sums
        torch.use_deterministic_algorithms(True)
        # every buffer here is written before it is read
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    m_trim_threshold, m_mmap_threshold = -1, -3
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(m_trim_threshold, 2**31 - 1)
        libc.mallopt(m_mmap_threshold, 32 * 2**20)
    except (OSError, AttributeError):
        pass  # another C library, which does not do this


@contextmanager
def prepared_process(device: str = "cpu") -> Iterator[None]:
    """The process as :func:`prepare_process` makes it, and afterwards with the threads, the arithmetic and the algorithms it had.

    glibc's settings for freed memory stay: it cannot be asked for the old ones, and no number depends on them.
    """
    threads, subnormal = torch.get_num_threads(), _keeps_subnormal()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    workspace = os.environ.get(_WORKSPACE)
    try:
        prepare_process(device)
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(not subnormal)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
        if workspace is None:
            os.environ.pop(_WORKSPACE, None)


def _keeps_subnormal() -> bool:
    """True where this thread computes with numbers below the smallest normal one; torch cannot be asked."""
    return sys.float_info.min / 2 > 0


def _in_processes(
    batches: Sequence[Sequence[Run]], task: Task, data: Data, workers: int, report: Report
) -> Iterator[tuple[int, Result]]:
    # a new process cannot import a user's class by its module's name: it makes the task from the run
    made_here = None if ":" in batches[0][0].task else task
    # spawn: a forked torch may hang in its thread pools
    context = multiprocessing.get_context("spawn")
    messages = context.Queue()
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=_start, initargs=(messages, made_here, data, in_use())
    )
    try:
        futures: dict[Future[list[Outcome]], int] = {
            pool.submit(_train_here, number, batch): number for number, batch in enumerate(batches)
        }
        open_futures = set(futures)
        while open_futures:
            interrupts.check()
            ended, open_futures = wait(open_futures, timeout=0.1, return_when=FIRST_COMPLETED)
            while True:
                try:
                    report(*messages.get_nowait())
                except queue.Empty:
                    break
            for future in ended:
                error = future.exception()
                if error is not None and not isinstance(error, Exception):
                    raise error
                yield futures[future], error if error is not None else future.result()
    finally:
        _stop(pool)
        messages.close()


def _stop(pool: ProcessPoolExecutor) -> None:
    """End the pool now: what is still training is no longer wanted."""
    processes = list((getattr(pool, "_processes", None) or {}).values())
    manager = getattr(pool, "_executor_manager_thread", None)
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(3)
        if process.is_alive():
            process.kill()
            process.join()
    if manager is not None:
        # Python's own exit handler may otherwise write to a pipe while this thread closes it ("Bad file descriptor"). It may wait for
        # ever for the rest of a result that a worker was ended in the middle of.
        manager.join(3)


def _start(messages: Any, task: Task | None, data: Data, code: Code) -> None:
    global _QUEUE, _WORK
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver decides what an interrupt means
    threading.Thread(target=_leave_with_driver, daemon=True).start()
    prepare_process()
    code.use()
    _QUEUE, _WORK = messages, (task, data)


def _leave_with_driver() -> None:
    """A driver that is killed cannot end its workers, so they watch it and exit when it does."""
    driver = multiprocessing.parent_process()
    assert driver is not None
    driver.join()
    os._exit(1)


def _train_here(number: int, batch: Sequence[Run]) -> list[Outcome]:
    assert _WORK is not None
    task, data = _WORK
    try:
        task = task or make_task(batch[0].task, batch[0].setting.options)
        return train(batch, task, data, report=_of(lambda n, progress: _QUEUE.put((n, progress)), number))
    except Exception as error:
        if type(error).__module__ == "__mp_main__" or is_private(type(error)):  # the driver cannot read such a class
            raise RuntimeError(f"{type(error).__name__}: {error}") from None
        raise


def _of(report: Report, number: int) -> Callable[[Progress], None]:
    return lambda progress: report(number, progress)


def default_workers(device: str) -> int:
    """Processes that may run at once: the cores this process may use, and one on a GPU."""
    if device != "cpu":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
