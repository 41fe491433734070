"""What is waited for on a Dask cluster: said, once each, where nothing has come from any worker for a while."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from distributed import Client

AFTER = 5.0  # seconds without a word
_ANSWER = 10.0  # seconds for the scheduler to answer


class Silence:
    """Tells a person what no worker says.

    Args:
        client: connected to the scheduler.
        start: the command that starts a worker.
        warn: told when there is no worker that can be used.
        say: told what workers do meanwhile.
    """

    def __init__(self, client: Client, start: str, warn: Callable[[str], None], say: Callable[[str], None]) -> None:
        self._client, self._start, self._warn, self._say = client, start, warn, say
        self._since = time.monotonic()
        self._trains = False
        self._missing = ""
        self._said = set[str]()

    def end(self, *, trains: bool = False) -> None:
        """Something came: with ``trains``, from a worker that trains."""
        self._since = time.monotonic()
        self._trains = self._trains or trains

    def none(self, why: str) -> None:
        """There is no worker, and why. It is said again where there has been one since."""
        if time.monotonic() >= self._since + AFTER and why != self._missing:
            self._missing = why
            self._warn(f"{why} Waiting for one; this starts one: {self._start}")

    def some(self, found: Mapping[str, Any], waiting: Mapping[str, str], *, training: bool) -> None:
        """There are workers: what the scheduler says of all, and the keys of the tasks that some have been given, to begin with or to train."""
        self._missing = ""
        said_all = self._trains and "busy" in self._said
        if time.monotonic() < self._since + AFTER or not waiting or said_all:
            return
        busy = self._busy(found, waiting)
        number, scheduler = len(waiting), self._client.scheduler.address
        if busy == number:
            self._once(
                "busy",
                f"All workers of the scheduler {scheduler} ({number}) are busy with other tasks. Waiting for one to be free; this starts "
                f"another: {self._start}",
            )
        elif not self._trains:
            others = f" {busy} of them are busy with other tasks." if busy else ""
            what = (
                "each is sent the data and gets ready to train"
                if training
                else "each imports torch first, which can take a minute"
            )
            self._once(what, f"Waiting for the workers of the scheduler {scheduler} ({number}): {what}.{others}")

    def _busy(self, found: Mapping[str, Any], waiting: Mapping[str, str]) -> int:
        """How many of the workers have tasks of others in all their threads."""
        try:
            tasks = self._client.sync(self._client.scheduler.processing, workers=None, callback_timeout=_ANSWER)
        except OSError:
            return 0
        return sum(
            sum(not str(task).startswith(key) for task in tasks.get(address, ())) >= found[address]["nthreads"]
            for address, key in waiting.items()
            if address in found
        )

    def _once(self, what: str, text: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self._say(text)
