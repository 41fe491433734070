"""Work on a server that may never answer: waited for as long as answers come, and left to itself where none does.

No timeout of a client covers all of its calls: names are looked up by the system's resolver, a server that was stopped still acknowledges
what it is sent, drivers wait in C. So the work is done in a thread, which is waited for.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Engine, event

from zoneout_lab import interrupts

#: seconds that one answer may take. Optuna and MLflow are each given as many at a time, so that two servers that hang cost twice this
PATIENCE = 10.0
#: bytes a second that an upload has at least
_SLOWEST = 500_000
_LOOK = 0.1

# set where the user has not: threads that are waited for no longer are not to wait for minutes themselves, and stdout is ours
_LIMITS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "9",
    "PGCONNECT_TIMEOUT": "9",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

T = TypeVar("T")
Answered = Callable[..., None]


class GivenUpError(Exception):
    """Raised in the thread of work that is waited for no longer, when an answer comes after all: so that it writes nothing more."""


class _Waiting:
    def __init__(self) -> None:
        self.until = time.monotonic() + PATIENCE
        self.given_up = False

    def answered(self, sending: int = 0) -> None:
        """An answer came; the next is to a request of so many bytes."""
        if self.given_up:
            raise GivenUpError
        self.until = time.monotonic() + PATIENCE + sending / _SLOWEST


def nobody_waits(sending: int = 0) -> None:
    """What is called at each answer where nobody waits for it."""


def with_patience(work: Callable[[Answered], T]) -> T:
    """What ``work`` returns; it calls what it is given whenever an answer has come, which SQL statements do by themselves.

    Raises TimeoutError where no answer comes for :data:`PATIENCE` seconds, and what ``work`` raises.

    >>> with_patience(lambda answered: 3)
    3
    """
    waiting = _Waiting()
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
            if time.monotonic() > waiting.until:
                raise TimeoutError(f"no answer in {PATIENCE:.0f} s")
    finally:
        waiting.given_up = True
        event.remove(Engine, "after_cursor_execute", statement_done)
        for name in limits:
            os.environ.pop(name, None)
    if errors:
        raise errors[0]
    return results[0]
