"""What modules draw from the global generators of Python, NumPy and torch while they are imported: the same in every process.

A process imports a module once, whatever it was doing then. A table that a module draws at its top is to be the same for the run that
imported it, for the next one, and in every other process.
"""

from __future__ import annotations

import random
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.machinery import ModuleSpec
from threading import get_ident
from types import ModuleType
from typing import Any

import numpy as np

#: runs a module inside it
Around = Callable[[ModuleType], AbstractContextManager[None]]

_running: list[tuple[int, str, int]] = []  # modules that are being run, the innermost last: thread, name, seed


@contextmanager
def drawing_the_same(name: str) -> Iterator[None]:
    """While a module of this name is run, the generators are seeded with it; afterwards they are as they were. Torch's is where torch is imported.

    Of two threads that import at once, this is so for the one that began first.

    >>> with drawing_the_same("tables"):
    ...     first = random.random()
    >>> with drawing_the_same("tables"):
    ...     first == random.random()
    True
    """
    thread = get_ident()
    if _running and _running[-1][0] != thread:
        yield
        return
    seed, tensors = zlib.crc32(name.encode("utf-8", "surrogatepass")), _generator(torch_imported())
    before, drawn = random.getstate(), None if tensors is None else tensors.get_state()
    random.seed(seed)
    if tensors is not None:
        tensors.manual_seed(seed)
    try:
        with _numpy_seeded(name, seed):
            _running.append((thread, name, seed))
            try:
                yield
            finally:
                _running.pop()
    finally:
        random.setstate(before)
        if tensors is not None:
            tensors.set_state(drawn)
        elif _running and (tensors := _generator(torch_imported(name))) is not None:
            tensors.manual_seed(_running[-1][2])  # torch came with this module, and begins with a seed of chance


@contextmanager
def _numpy_seeded(name: str, seed: int) -> Iterator[None]:
    """NumPy's global generator, where it is of the kind that takes a seed. To write its state down takes longer than most modules do: that is done for each
    package, and not for the modules in it."""
    kept = np.random.get_bit_generator()  # type: ignore[attr-defined]
    within = bool(_running) and _running[-1][1].partition(".")[0] == name.partition(".")[0]
    if within or not isinstance(kept, np.random.MT19937):
        yield
        return
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_bit_generator(kept)  # type: ignore[attr-defined] # the module may have set another
        np.random.set_state(state)


@contextmanager
def around_imports(around: Around) -> Iterator[None]:
    """While this is open, each module that is imported is run inside ``around(module)``, those that it imports too."""
    finder = _Finder(around)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        # by itself: another thread may have put its own before it
        sys.meta_path[:] = [each for each in sys.meta_path if each is not finder]


class _Finder:
    """Finds modules as they are found without it and its like."""

    def __init__(self, around: Around) -> None:
        self._around = around

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        # the first of its kind is asked, and asks none of the others
        others = (each for each in list(sys.meta_path) if not isinstance(each, _Finder))
        spec = next((spec for each in others if (spec := each.find_spec(fullname, path, target)) is not None), None)
        loader = None if spec is None else spec.loader
        # those of modules that come with the interpreter are classes
        if loader is not None and not isinstance(loader, type) and hasattr(loader, "exec_module"):
            own: dict[str, Any] = getattr(loader, "__dict__", {})

            def exec_module(module: ModuleType) -> None:
                own.pop("exec_module", None)
                with self._around(module):
                    loader.exec_module(module)

            # in the loader itself: who asks what kind it is finds what is expected
            own["exec_module"] = exec_module
        return spec


def torch_imported(ended: str = "") -> ModuleType | None:
    """Torch, where it is imported: not while it is only half so, when to use it may end the process. ``ended`` is a module that has just run."""
    torch = sys.modules.get("torch")
    half = getattr(getattr(torch, "__spec__", None), "_initializing", False) and ended != "torch"
    return None if half else torch


def _generator(torch: ModuleType | None) -> Any:
    """Its generator on the CPU."""
    return getattr(torch, "default_generator", None)
