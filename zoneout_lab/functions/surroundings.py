"""What belongs to a process and not to a run: a training function may change it, and the next run of the process is not to see that."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from zoneout_lab import interrupts
from zoneout_lab.functions.imports import OF_CUDNN, OF_TORCH, folder, threads, watched


@contextmanager
def put_back(lasting: list[str] | None = None, seed: int | None = None) -> Iterator[None]:
    """Afterwards the working folder, environment, paths of imports, umask, signal handlers, warnings and the ways in which NumPy and torch compute are as
    they were.

    Modules and what they hold in variables stay: data that were read once need not be read again.

    Args:
        lasting: in the end it is told of what cannot be put back, so that another run would not find this process as it finds a new one.
        seed: of torch's generator, where torch is imported meanwhile.

    >>> with put_back():
    ...     os.environ["MINE"] = "1"
    ...     _ = np.seterr(all="raise")
    >>> "MINE" in os.environ, np.geterr()["divide"]
    (False, 'warn')
    """
    before, variables, paths, errors, mask = folder(), dict(os.environ), list(sys.path), np.geterr(), _umask()
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    torch = sys.modules.get("torch")
    of_torch = None if torch is None else _of_torch(torch)
    interop = None if torch is None else torch.get_num_interop_threads()
    lasting = [] if lasting is None else lasting
    with warnings.catch_warnings(), watched(seed) as imported:
        try:
            yield
        finally:
            with suppress(OSError):
                os.chdir(before or os.sep)
            variables |= imported.variables
            for name in set(os.environ) - set(variables):
                del os.environ[name]
            os.environ.update({name: value for name, value in variables.items() if os.environ.get(name) != value})
            sys.path[:] = paths
            os.umask(mask)
            np.seterr(**errors)
            _set_handlers(handlers)
            lasting += [_said_of(module, settings) for module, settings in imported.settings.items()]
            torch = sys.modules.get("torch")
            if torch is not None:
                _set_of_torch(torch, of_torch)
                if torch.get_num_interop_threads() != (interop or imported.interop_threads):
                    lasting.append(
                        "The training function calls torch.set_num_interop_threads, which a process takes only once: each run needs a new process, "
                        "which takes seconds. Call it at the top of the study's file."
                    )


def wear_out() -> None:
    """Note that this process is not to train another run."""
    global _worn_out
    _worn_out = True


def worn_out() -> bool:
    """True where this process is not to train another run."""
    return _worn_out


_worn_out = False


def _said_of(module: str, settings: Sequence[str]) -> str:
    return (
        f"{module} is imported inside the training function, and sets {', '.join(settings)} for its whole process: each run that imports it needs a "
        "new process, which takes seconds. Import it at the top of the study's file."
    )


def _set_handlers(handlers: Mapping[signal.Signals, Any]) -> None:
    if threading.current_thread() is not threading.main_thread():
        return  # nor can they have been set
    for number, handler in handlers.items():
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _of_torch(torch: ModuleType) -> dict[str, Any]:
    found = {name: getattr(torch, name)() for name, _, _ in OF_TORCH} | {"threads": torch.get_num_threads()}
    return found | {name: getattr(torch.backends.cudnn, name) for name in OF_CUDNN}


def _set_of_torch(torch: ModuleType, before: dict[str, Any] | None) -> None:
    """Set what differs; without a ``before``, from what an import gives."""
    if before is None:
        before = {name: default for name, _, default in OF_TORCH} | OF_CUDNN | {"threads": threads()}
        before["get_default_dtype"] = torch.float32
        before["get_default_device"] = torch.device("cpu")
    for name, setting, _ in OF_TORCH:
        if getattr(torch, name)() != before[name]:
            # the main memory is the default where none is set
            getattr(torch, setting)(None if before[name] == torch.device("cpu") else before[name])
    for name in OF_CUDNN:
        if getattr(torch.backends.cudnn, name) != before[name]:
            setattr(torch.backends.cudnn, name, before[name])
    if (count := before["threads"]) is not None and torch.get_num_threads() != count:
        torch.set_num_threads(count)


def as_in_a_script() -> None:
    """In a process of ours that calls functions: what such a function starts is started, and ended by signals, as it would be from a script."""
    # a process that was spawned would spawn its own, which cannot import a study's file
    multiprocessing.set_start_method(multiprocessing.get_all_start_methods()[0], force=True)
    os.register_at_fork(before=_block, after_in_parent=_unblock, after_in_child=_signals_of_a_script)


def _block() -> None:
    """A signal to a process that was just forked waits until it has handlers of its own: ours would only note it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, interrupts.SIGNALS)


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, interrupts.SIGNALS)


def _signals_of_a_script() -> None:
    signal.set_wakeup_fd(-1)
    for number in interrupts.SIGNALS:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    _unblock()


def ended_where_forked(call: Callable[[], Any], process: int) -> Any:
    """What a call returns or raises, in the process that made it; another that comes out of it, because the call forked, ends there."""
    try:
        returned = call()
    except BaseException:
        if os.getpid() != process:
            _end()
        raise
    if os.getpid() != process:
        _end()
    return returned


def _end() -> NoReturn:
    os.write(
        2, b"A process that the training function forked came back from it, and was ended: end it with os._exit().\n"
    )
    os._exit(1)
