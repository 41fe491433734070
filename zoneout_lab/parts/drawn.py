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
from types import ModuleType
from typing import Any

import numpy as np

#: runs a module inside it
Around = Callable[[ModuleType], AbstractContextManager[None]]

_running: list[int] = []  # the seeds of modules that are being run, the innermost last
_spare: list[np.random.MT19937] = []  # NumPy's generators, one for each of them


@contextmanager
def drawing_the_same(name: str) -> Iterator[None]:
    """While a module of this name is run, the generators are seeded with it; afterwards they are as they were. Torch's is where torch is imported.

    >>> with drawing_the_same("tables"):
    ...     first = random.random()
    >>> with drawing_the_same("tables"):
    ...     first == random.random()
    True
    """
    seed, tensors = zlib.crc32(name.encode("utf-8", "surrogatepass")), _generator(torch_imported())
    before, drawn = random.getstate(), None if tensors is None else tensors.get_state()
    random.seed(seed)
    if tensors is not None:
        tensors.manual_seed(seed)
    try:
        with _another_of_numpy():
            np.random.seed(seed)
            _running.append(seed)
            try:
                yield
            finally:
                _running.pop()
    finally:
        random.setstate(before)
        if tensors is not None:
            tensors.set_state(drawn)
        elif _running and (tensors := _generator(torch_imported(name))) is not None:
            tensors.manual_seed(_running[-1])  # torch came with this module, and begins with a seed of chance


@contextmanager
def _another_of_numpy() -> Iterator[None]:
    """Another global generator of NumPy for the time being. To write its state down takes longer than most modules: that is done for the outermost."""
    kept = np.random.get_bit_generator()  # type: ignore[attr-defined]
    state = None if _running else np.random.get_state()
    while len(_spare) <= len(_running):
        _spare.append(np.random.MT19937())
    np.random.set_bit_generator(_spare[len(_running)])  # type: ignore[attr-defined]
    try:
        yield
    finally:
        np.random.set_bit_generator(kept)  # type: ignore[attr-defined]
        if state is not None:
            np.random.set_state(state)  # with the normal number that may be left over from a pair


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
