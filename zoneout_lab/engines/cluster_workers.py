"""The workers of a Dask cluster that can train: which there are, what each says of itself, and which are lost."""

from __future__ import annotations

import operator
import pickle  # nosec B403 # of what our own workers are sent
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from distributed import Client, Future
from distributed.scheduler import KilledWorker

from zoneout_lab import interrupts
from zoneout_lab.engines import cluster_task
from zoneout_lab.engines.cluster_silence import Silence
from zoneout_lab.engines.kept import difference
from zoneout_lab.errors import TryAgainError, told

#: what a worker says of itself: as ``describe`` of :class:`Workers` has it, and ``computed_by``
About = Mapping[str, Any]

_LOOKS_EVERY = 1.0  # seconds between two looks at which workers there are
_ANSWER = 10.0  # seconds for the scheduler to answer


@dataclass(eq=False)
class Member:
    """A worker process of the cluster: what it says of itself once it has, the trainer that it holds with its digest, and the batch
    that it trains.

    ``directory`` tells it from another that takes its place at the same address.
    """

    address: str
    directory: str
    host: str
    hello: Future[About]
    about: About = field(default_factory=dict)
    takes_tasks: bool = True
    trainer: Future[Any] | None = None
    digest: str = ""
    number: int | None = None
    key: str = ""
    job: Future[Any] | None = None


class ClosingClient(Client):  # type: ignore[misc]  # distributed has no types
    """A client that leaves nothing behind where it cannot connect. Dask's leaves a thread, and an error of its own at exit."""

    def start(self, **how: Any) -> None:
        try:
            super().start(**how)
        except BaseException:
            with suppress(OSError):
                self.close(timeout=2)
            self._loop_runner.stop()
            raise


class Workers:
    """The workers of a cluster that can train on a device and compute what this process would.

    Args:
        client: connected to the scheduler.
        device: where they are to train. For ``cuda`` only those are asked that offer the resource ``GPU``.
        describe: called with the device on each worker, once. It returns ``missing``, why it cannot train there, or ``""``; ``memory``,
            bytes for what trains there at once on its host; and what else is of use, such as ``origin``, for the record of a run.
        computed_by: what numbers depend on, of a device: called here and on each worker, and to be the same.
        warn: told of workers that cannot be used, and when there are none.
        say: told what is waited for, where nothing comes from any worker for a while.
    """

    def __init__(
        self,
        client: Client,
        device: str,
        describe: Callable[[str], About],
        computed_by: Callable[[str], Mapping[str, str]],
        warn: Callable[[str], None],
        say: Callable[[str], None],
    ) -> None:
        self.client, self.device, self.warn = client, device, warn
        self.members: dict[str, Member] = {}
        self.topic = f"zoneout-lab-{uuid.uuid4().hex}"
        self._describe, self._computed_by, self._unfit = describe, computed_by, set[tuple[str, str]]()
        self._events: deque[list[Any]] = deque()
        self._news = threading.Event()
        self._looked = 0.0
        start = f"dask worker {client.scheduler.address} --nthreads 1{' --resources GPU=1' if self._on_gpu else ''}"
        self._silence = Silence(client, start, warn, say)
        client.subscribe_topic(self.topic, self._hear)

    @property
    def ready(self) -> list[Member]:
        """Those that have said what they are, and take tasks."""
        return [member for member in self.members.values() if member.about and member.takes_tasks]

    def wait(self) -> None:
        """Return once a worker is ready, and all that there are have answered or had ten seconds for it."""
        since = None
        while since is None or (
            time.monotonic() < since + _ANSWER and any(not each.about for each in self.members.values())
        ):
            interrupts.check()
            self.look()
            since = since or (time.monotonic() if self.ready else None)
            self._news.wait(0.1)
            self._news.clear()

    def memory(self) -> int:
        """Bytes that each of the ready workers can use at least: those on one host share its memory. 0 where none is ready."""
        beside = Counter(member.host for member in self.ready)
        free = (int(each.about["memory"]) // (1 if self._on_gpu else beside[each.host]) for each in self.ready)
        return min(free, default=0)

    def look(self, *, at_once: bool = False) -> list[Member]:
        """See which workers there are, ``at_once`` or if the last time was a second ago; those that are lost are returned.

        Raises TryAgainError where the scheduler is gone.
        """
        if self.client.status in ("closing", "closed"):
            raise TryAgainError(
                "The connection to the Dask scheduler is lost. Finished runs are kept, and what was being trained goes on from its last "
                "checkpoint: see that the scheduler and its workers run, and start the same command again."
            )
        for member in list(self.members.values()):
            if not member.about and member.hello.done():
                self._take_in(member)
        now = time.monotonic()
        if self.client.status != "running" or (now < self._looked + _LOOKS_EVERY and not at_once):
            return []
        self._looked = now
        try:
            found = self.client.sync(self.client.scheduler.identity, n_workers=-1, callback_timeout=_ANSWER)["workers"]
        except (OSError, TimeoutError):
            return []  # the client connects again, and is closed where it cannot
        lost = [each for each in self.members.values() if _gone(each, found)]
        for each in lost:
            del self.members[each.address]
        for address, state in found.items():
            if address in self.members:
                self.members[address].takes_tasks = state["status"] == "running"
            elif (address, state["local_directory"]) not in self._unfit:
                self._greet(address, state)
        if lost:
            self._silence.end()  # others may take their places in a moment
        self._say_what_is_waited_for(found)
        return lost

    def leave_out(self, member: Member) -> None:
        """Know a worker no longer; if it is there, it is greeted anew."""
        if self.members.get(member.address) is member:
            del self.members[member.address]

    def submit(self, address: str, call: Callable[..., Any], *held: Future[Any], key: str) -> Future[Any]:
        """Have a worker, and no other, call something with what it holds.

        The call goes as bytes, and is read there as a task of its own: a scheduler reads all else, and need not have this package.
        """
        where = {"workers": [address], "allow_other_workers": False}
        sent: Future[Any] = self.client.submit(pickle.loads, pickle.dumps(call), key=f"{key}-sent", **where)
        resources = {"GPU": 1} if self._on_gpu else None
        future: Future[Any] = self.client.submit(operator.call, sent, *held, key=key, resources=resources, **where)
        future.add_done_callback(lambda _: self._news.set())
        return future

    def events(self) -> Iterator[list[Any]]:
        """What workers have told since this was last asked. Waits a moment for something to happen."""
        self._news.wait(0.1)
        self._news.clear()
        while self._events:
            yield self._events.popleft()

    def close(self) -> None:
        """Let go of them: what they still train is saved, and stops."""
        with suppress(OSError, TimeoutError):
            self.client.close(timeout=2)

    @property
    def _on_gpu(self) -> bool:
        return self.device.startswith("cuda")

    def _greet(self, address: str, state: Mapping[str, Any]) -> None:
        if state["status"] != "running" or (self._on_gpu and not state["resources"].get("GPU")):
            return
        key = f"zoneout-lab-hello-{uuid.uuid4().hex}"
        hello = self.submit(
            address, partial(cluster_task.about, self.device, self._describe, self._computed_by), key=key
        )
        self.members[address] = Member(address, state["local_directory"], state["host"], hello)

    def _take_in(self, member: Member) -> None:
        """Take in a worker that has answered, or leave it out and say why."""
        try:
            about: About = member.hello.result(timeout=_ANSWER)
            why = about["missing"] or _differs(about["computed_by"], self._computed_by(self.device), self.device)
        except Exception as error:  # noqa: BLE001 - whatever it cannot even say
            if member.hello.cancelled() or isinstance(error, KilledWorker | TimeoutError | OSError):
                self.leave_out(member)  # it, or the connection, was lost meanwhile
                return
            missing = isinstance(error, ModuleNotFoundError) and "zoneout_lab" in str(error)
            why = "zoneout_lab is not installed there" if missing else f"it cannot say what it is ({told(error)})"
        self._silence.end()
        if not why:
            member.about = about
            return
        self.leave_out(member)
        self._unfit.add((member.address, member.directory))
        self.warn(f"The worker {member.address} is not used: {why.rstrip('.')}.")

    def _say_what_is_waited_for(self, found: Mapping[str, Any]) -> None:
        if self.members:
            training = {each.address: each.key for each in self.members.values() if each.job is not None}
            asked = {each.address: each.hello.key for each in self.members.values() if not each.about}
            if training or not self.ready:  # with one that is ready, nothing is waited for
                self._silence.some(found, training or asked, training=bool(training))
            return
        scheduler = self.client.scheduler.address
        why = f"None of the workers of the scheduler {scheduler} {'offers a GPU' if self._on_gpu else 'can be used'}."
        self._silence.none(why if found else f"The scheduler {scheduler} has no workers.")

    def _hear(self, event: tuple[float, list[Any]]) -> None:
        self._events.append(list(event[1]))
        self._silence.end(trains=True)
        self._news.set()


def _gone(member: Member, found: Mapping[str, Any]) -> bool:
    state = found.get(member.address)
    return state is None or state["local_directory"] != member.directory


def _differs(theirs: Mapping[str, str], ours: Mapping[str, str], device: str) -> str:
    """Why a worker's numbers may be others than this process's; empty where they are the same."""
    here, theirs = dict(ours), dict(theirs)
    if device.startswith("cuda"):
        # a driver without a GPU may have torch's build for the CPU, and no path on a GPU
        here.pop("recurrences", None)
        for each in (here, theirs):
            each.update({"torch": each["torch"].partition("+")[0]} if "torch" in each else {})
    found = difference(theirs, here)
    return found and f"its numbers may be others, since it has {found}"
