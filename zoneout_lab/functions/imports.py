"""What a module does to its whole process when a training function imports it.

A process imports a module once, in the first run that wants it, and no run's numbers are to depend on whether it was the first. So what a
module draws from global generators is the same whichever run imports it, and what it sets is noted: the process that has the module, and has
it no longer as it was just imported, is not to train another run.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from zoneout_lab.parts.drawn import around_imports, drawing_the_same, torch_imported
from zoneout_lab.parts.private import space_of

#: of torch: what is asked for, how it is set, and what it is where torch was just imported
OF_TORCH: tuple[tuple[str, str, Any], ...] = (
    ("get_default_dtype", "set_default_dtype", "float32"),
    ("get_default_device", "set_default_device", "cpu"),
    ("is_grad_enabled", "set_grad_enabled", True),
    ("is_anomaly_enabled", "set_anomaly_enabled", False),
    ("get_float32_matmul_precision", "set_float32_matmul_precision", "highest"),
    ("get_deterministic_debug_mode", "set_deterministic_debug_mode", 0),
)
OF_CUDNN = {"deterministic": False, "benchmark": False}
_VARIABLE = "os.environ"


@dataclass
class Imported:
    """What imports did to their process.

    Attributes:
        variables: which installed packages added to its environment.
        settings: what else was set, by module.
        interop_threads: of torch as it was just imported, where it was imported meanwhile.
    """

    variables: dict[str, str] = field(default_factory=dict)
    settings: dict[str, list[str]] = field(default_factory=dict)
    interop_threads: int | None = None

    def note(self, module: ModuleType, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """Note how the process differs since a module was imported."""
        unknown = {name for name, value in before.items() if value is None}
        changed = [name for name in {**before, **after} if name not in unknown and before.get(name) != after.get(name)]
        # many packages do so, some whenever torch is used, and as long as their modules stay it may stay with them
        added = [name for name in changed if name.startswith(_VARIABLE) and name not in before and _installed(module)]
        self.variables |= {name.partition(" ")[2]: after[name] for name in added}
        if settings := [name for name in changed if name not in added]:
            self.settings[_name(module)] = settings


@contextmanager
def watched(seed: int | None = None) -> Iterator[Imported]:
    """While this is open, imports are watched, and what they draw from the global generators is as in :func:`~zoneout_lab.parts.drawn.drawing_the_same`.

    Args:
        seed: of torch's generator, once torch is imported.

    >>> with watched():
    ...     import this  # doctest: +ELLIPSIS
    The Zen of Python, by Tim Peters...
    """
    watching = _Watching(seed)
    with around_imports(watching.around):
        yield watching.imported


class _Watching:
    """Looks at the process before and after a module is run with all that it imports."""

    def __init__(self, seed: int | None) -> None:
        self.seed, self.imported, self._inside = seed, Imported(), False

    @contextmanager
    def around(self, module: ModuleType) -> Iterator[None]:
        if self._inside:
            with drawing_the_same(_name(module)):
                yield
            return
        self._inside = True  # first: looking imports more of torch
        torch = torch_imported()
        before = _seen(torch)
        try:
            with drawing_the_same(_name(module)):
                yield
        finally:
            came = torch_imported(module.__name__)
            self.imported.note(module, before, _seen(came))
            self._inside = False
            if torch is None and (torch := came) is not None:
                self.imported.interop_threads = torch.get_num_interop_threads()
                if self.seed is not None:
                    torch.manual_seed(self.seed)


def _name(module: ModuleType) -> str:
    """A module's name as the files that import it have it."""
    space = space_of(module.__name__)
    return module.__name__.removeprefix(f"{space.name}." if space else "")


def _seen(torch: ModuleType | None) -> dict[str, Any]:
    """What a module may have set, named as it is set."""
    return {
        **{f"{_VARIABLE} {name}": value for name, value in os.environ.items()},
        "sys.path": list(sys.path),
        "the working folder": folder(),
        "numpy.seterr": np.geterr(),
        **{f"torch.{setting}": _of_torch(torch, name, default) for name, setting, default in OF_TORCH},
        **{
            f"torch.backends.cudnn.{name}": default if torch is None else getattr(torch.backends.cudnn, name)
            for name, default in OF_CUDNN.items()
        },
        "torch.set_num_threads": threads() if torch is None else torch.get_num_threads(),
        "torch.set_num_interop_threads": None if torch is None else torch.get_num_interop_threads(),
    }


def _of_torch(torch: ModuleType | None, name: str, default: Any) -> str:
    return str(default if torch is None else getattr(torch, name)()).removeprefix("torch.")


def folder() -> Path | None:
    """The working folder; None where somebody has deleted it."""
    with suppress(OSError):
        return Path.cwd()
    return None


def threads() -> int | None:
    """The threads that torch computes with where it was just imported; None where that is not known."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    return int(said) if said.isdecimal() else None


def _installed(module: ModuleType) -> bool:
    """True where a module comes with Python or from an installed package, and is nobody's own."""
    path = Path(getattr(module, "__file__", None) or "")
    own = {"site-packages", "dist-packages"}.isdisjoint(path.parts)
    return not own or path.is_relative_to(sysconfig.get_path("stdlib"))
