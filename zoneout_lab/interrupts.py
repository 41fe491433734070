"""Signals that ask a process to stop: noted at once, acted on where nothing is lost by it, and within seconds.

An exception raised inside a signal handler lands anywhere: in an import, in a library's callback that swallows it, in the middle of a
training update. So no handler here raises. A thread reads which signals came (Python's C handler writes their numbers into a pipe, also
while the main thread is inside foreign code) and ends the process there and then, unless the main thread has said that it is doing
something to be ended with care. Then the thread leaves a note, for which that code looks at points of its own choosing, and ends the
process only if nothing has come of the note for :data:`PATIENCE` seconds. A second signal always ends it at once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

#: seconds that code which ends with care is given
PATIENCE = 8.0
#: signals that ask to stop
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

STOPPED = "Stopped."
#: what is said after it, such as what is kept and how to go on
and_then = ""

_asked: int | None = None
_asked_of: dict[int, int] = {}  # a thread that alone is to stop → the number
_careful = 0
_pipe: tuple[int, int] | None = None


class Stopped(KeyboardInterrupt):
    """A signal asked to stop, and the code that is running was at a point where it can."""


def check() -> None:
    """Raise :class:`Stopped` if a signal has asked to stop. To be called where nothing is half done."""
    if asked() is not None:
        raise Stopped


def asked() -> int | None:
    """The number of the signal that asked to stop, if one has: this process, or this thread alone."""
    return _asked if _asked is not None else _asked_of.get(threading.get_ident())


def ask(number: int, thread: int | None = None) -> None:
    """Note a request to stop, as a signal would; with a ``thread``'s identifier, one to that thread alone."""
    global _asked
    if thread is None:
        _asked = number
    else:
        _asked_of[thread] = number


def take_back() -> None:
    """Forget a request to this thread alone: what it was for has ended."""
    _asked_of.pop(threading.get_ident(), None)


def exit_code(number: int) -> int:
    """What a shell expects of a process that a signal stopped: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP."""
    return 128 + number


@contextmanager
def careful() -> Iterator[None]:
    """What runs in this block is not ended in the middle by a first signal: it has to call :func:`check`, or to be quick.

    A signal that came meanwhile is acted on at the end of the outermost block. Where :func:`listen` has not been called, as in a
    notebook, Ctrl-C is put off in the same way, and raises KeyboardInterrupt in the end.
    """
    global _careful
    with _interrupts_deferred():
        _careful += 1
        try:
            yield
        finally:
            _careful -= 1
        if not _careful:
            check()


@contextmanager
def _interrupts_deferred() -> Iterator[None]:
    """In a process whose signals are its own affair: put Python's KeyboardInterrupt off; a second one comes at once."""
    global _asked
    here = threading.current_thread() is threading.main_thread()
    if _careful or not here or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def first(number: int, _frame: FrameType | None) -> None:
        ask(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _asked = None


def listen() -> None:
    """From here on, signals are heard as this module says. For a process of our own: the command line calls it first of all.

    Again, it forgets what was asked before and what was to be said.
    """
    global _pipe, _asked, _careful, and_then
    _asked, _careful, and_then = None, 0, ""
    if _pipe is None:
        _pipe = os.pipe()
        os.set_blocking(_pipe[1], False)
        threading.Thread(target=_read, args=(_pipe[0], _heard), daemon=True).start()
    signal.set_wakeup_fd(_pipe[1], warn_on_full_buffer=False)
    for number in SIGNALS:  # last: one that came before somebody reads the pipe would be lost
        # what nohup or a shell's background job ignores stays ignored
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _noted)


def listen_quietly(act: Callable[[int], None]) -> None:
    """In a worker process: SIGINT, which reaches all of a terminal's processes, is left to the driver; ``act`` hears the others."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in SIGNALS:  # after it, as in listen
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else _noted)
    threading.Thread(target=_read, args=(reader, act), daemon=True).start()


def _noted(_number: int, _frame: FrameType | None) -> None:
    """What Python calls; its C handler has told the thread already."""


def _read(pipe: int, act: Callable[[int], None]) -> None:
    while byte := os.read(pipe, 1):
        # another handler may have been set since, which then is the one that acts
        if byte[0] in SIGNALS and signal.getsignal(byte[0]) is _noted:
            act(byte[0])


def _heard(number: int) -> None:
    if _asked is not None or not _careful:
        leave(_asked or number)
    ask(number)
    _print("Stopping; what is being trained is saved. Once more stops at once." if and_then else "Stopping.")
    deadline = threading.Timer(PATIENCE, leave, [number])
    deadline.daemon = True
    deadline.start()


def leave(number: int) -> None:
    """Say that the process stops, and end it here and now."""
    _print(farewell())
    with suppress(Exception):
        # whoever writes to stdout just now may hold it for longer
        threading.Timer(0.5, os._exit, [exit_code(number)]).start()
        sys.stdout.flush()
    os._exit(exit_code(number))


def farewell() -> str:
    """What is said last."""
    return f"{STOPPED} {and_then}" if and_then else STOPPED


def _print(text: str) -> None:
    """A line on stderr from any thread, without the locks that the main thread may hold; on a terminal, below a progress bar."""
    with suppress(OSError):
        before = "\r\x1b[2K\x1b[?25h" if os.isatty(2) else ""
        os.write(2, f"{before}{text}\n".encode(errors="replace"))
