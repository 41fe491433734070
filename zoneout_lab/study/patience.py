"""Work on a server that may never answer: waited for as long as answers come, and left to itself where none does.

No timeout of a client covers all of its calls: names are looked up by the system's resolver, a server that was stopped still acknowledges
what it is sent, drivers wait in C. So the work is done in a thread, which is waited for.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Engine, event

from zoneout_lab import interrupts

#: seconds that one answer may take. Optuna and MLflow are each given as many once, so that two servers that hang cost about twice this
PATIENCE = 9.0
#: seconds that any answer may take. What slower ones take beyond it is counted: a server is given :data:`SLOW` seconds of that in all,
#: after which it has to be quick, so that one that takes nine seconds for each of a thousand answers holds no study for hours
QUICK, SLOW = 1.0, 60.0
#: bytes a second that an upload has at least
_SLOWEST = 500_000
_LOOK = 0.1

# set where the user has not: threads that are waited for no longer are not to wait for minutes themselves, and stdout is ours
_LIMITS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "8",
    "PGCONNECT_TIMEOUT": "8",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

T = TypeVar("T")
Answered = Callable[..., None]


class GivenUpError(Exception):
    """Raised in the thread of work that is waited for no longer, when an answer comes after all: so that it writes nothing more."""


class Allowance:
    """What is left of the seconds that a server's answers may take beyond quick ones; to be kept for as long as a study runs."""

    def __init__(self) -> None:
        self.left = SLOW


class _Waiting:
    def __init__(self, allowance: Allowance) -> None:
        self.allowance = allowance
        self.given_up = False
        self.wait(0)

    def wait(self, sending: float) -> None:
        self.since = time.monotonic() + sending / _SLOWEST
        self.seconds = min(PATIENCE, QUICK + self.allowance.left)

    @property
    def over(self) -> bool:
        return time.monotonic() > self.since + self.seconds

    def count(self) -> None:
        self.allowance.left = max(0.0, self.allowance.left - max(0.0, time.monotonic() - self.since - QUICK))

    def answered(self, sending: float = 0) -> None:
        """An answer came; the next is to a request of so many bytes."""
        if self.given_up:
            raise GivenUpError
        self.count()
        self.wait(sending)


def nobody_waits(sending: float = 0) -> None:
    """What is called at each answer where nobody waits for it."""


@contextmanager
def own_work(answered: Answered) -> Iterator[None]:
    """Work of this process between two requests, such as reading files: no server is waited for while the ``with`` block runs."""
    answered(math.inf)
    yield
    answered()


def with_patience(work: Callable[[Answered], T], allowance: Allowance | None = None) -> T:
    """What ``work`` returns; it calls what it is given whenever an answer has come, which SQL statements do by themselves.

    Raises TimeoutError where no answer comes for :data:`PATIENCE` seconds, or for less where the ``allowance`` is used up, and what ``work``
    raises.

    >>> with_patience(lambda answered: 3)
    3
    """
    waiting = _Waiting(allowance or Allowance())
    done = threading.Event()
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work(waiting.answered))
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            errors.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=run, daemon=True, name="zoneout-lab mirror")

    def statement_done(*_: Any) -> None:
        if threading.current_thread() is thread:
            waiting.answered()

    limits = {name: value for name, value in _LIMITS.items() if name not in os.environ}
    os.environ.update(limits)
    event.listen(Engine, "after_cursor_execute", statement_done)
    try:
        thread.start()
        while not done.wait(_LOOK):
            interrupts.check()
            if waiting.over:
                waiting.allowance.left = 0.0  # one that hangs is not waited for so long again
                slow = ", after slow ones" if waiting.seconds < PATIENCE else ""
                raise TimeoutError(f"no answer in {waiting.seconds:.0f} s{slow}")
    finally:
        waiting.given_up = True
        event.remove(Engine, "after_cursor_execute", statement_done)
        for name in limits:
            os.environ.pop(name, None)
    if errors:
        raise errors[0]
    return results[0]
