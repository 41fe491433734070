"""What belongs to a process and not to a run: a training function may change it, and the next run of the process is not to see that."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from zoneout_lab import interrupts

#: of torch: what is asked for, how it is set, and what it is where torch was just imported
_OF_TORCH: tuple[tuple[str, str, Any], ...] = (
    ("get_default_dtype", "set_default_dtype", "float32"),
    ("get_default_device", "set_default_device", "cpu"),
    ("is_grad_enabled", "set_grad_enabled", True),
    ("is_anomaly_enabled", "set_anomaly_enabled", False),
    ("get_float32_matmul_precision", "set_float32_matmul_precision", "highest"),
    ("get_deterministic_debug_mode", "set_deterministic_debug_mode", 0),
)
_OF_CUDNN = {"deterministic": False, "benchmark": False}


@contextmanager
def put_back() -> Iterator[None]:
    """Afterwards the working folder, environment, paths of imports, umask, warnings and the ways in which NumPy and torch compute are as they were.

    Modules and what they hold in variables stay: data that were read once need not be read again.

    >>> with put_back():
    ...     os.environ["MINE"] = "1"
    ...     _ = np.seterr(all="raise")
    >>> "MINE" in os.environ, np.geterr()["divide"]
    (False, 'warn')
    """
    folder, variables, paths, errors, mask = _folder(), dict(os.environ), list(sys.path), np.geterr(), _umask()
    torch = sys.modules.get("torch")
    before = None if torch is None else _of_torch(torch)
    with warnings.catch_warnings():
        try:
            yield
        finally:
            with suppress(OSError):
                os.chdir(folder or os.sep)
            for name in set(os.environ) - set(variables):
                del os.environ[name]
            os.environ.update({name: value for name, value in variables.items() if os.environ.get(name) != value})
            sys.path[:] = paths
            os.umask(mask)
            np.seterr(**errors)
            torch = sys.modules.get("torch")
            if torch is not None:
                _set_of_torch(torch, before)


def _folder() -> Path | None:
    with suppress(OSError):  # somebody deleted it
        return Path.cwd()
    return None


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _of_torch(torch: ModuleType) -> dict[str, Any]:
    found = {name: getattr(torch, name)() for name, _, _ in _OF_TORCH}
    return found | {name: getattr(torch.backends.cudnn, name) for name in _OF_CUDNN}


def _set_of_torch(torch: ModuleType, before: dict[str, Any] | None) -> None:
    """Set what differs; without a ``before``, from what an import gives."""
    if before is None:
        before = {name: default for name, _, default in _OF_TORCH} | _OF_CUDNN
        before["get_default_dtype"] = torch.float32
        before["get_default_device"] = torch.device("cpu")
    for name, setting, _ in _OF_TORCH:
        if getattr(torch, name)() != before[name]:
            # the main memory is the default where none is set
            getattr(torch, setting)(None if before[name] == torch.device("cpu") else before[name])
    for name in _OF_CUDNN:
        if getattr(torch.backends.cudnn, name) != before[name]:
            setattr(torch.backends.cudnn, name, before[name])


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
