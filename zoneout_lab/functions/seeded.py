"""The global generators of Python, NumPy and torch, seeded before a training function is called."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

import numpy as np


def seed_generators(seed: int) -> None:
    """Seed them; torch's as soon as it is imported, so that it makes no difference whether an earlier run imported it.

    >>> seed_generators(1)
    >>> first = random.random(), float(np.random.rand())
    >>> seed_generators(1)
    >>> first == (random.random(), float(np.random.rand()))
    True
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, _SeedsTorch)]
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(seed)
    else:
        sys.meta_path.insert(0, _SeedsTorch(seed))


@contextmanager
def generators_kept() -> Iterator[None]:
    """In somebody else's process: afterwards these generators are as they were."""
    before, numbers = random.getstate(), np.random.get_state()
    torch = sys.modules.get("torch")
    tensors = None if torch is None else torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(before)
        np.random.set_state(numbers)
        sys.meta_path[:] = [each for each in sys.meta_path if not isinstance(each, _SeedsTorch)]
        if torch is not None:
            torch.set_rng_state(tensors)


class _SeedsTorch(MetaPathFinder):
    """Finds torch as it is found without this, and has it seeded once it is imported."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "torch" or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        spec = find_spec("torch")
        if spec is not None and spec.loader is not None:
            spec.loader = _Seeding(spec.loader, self.seed)
        return spec


class _Seeding(Loader):
    def __init__(self, loader: Loader, seed: int) -> None:
        self.loader, self.seed = loader, seed

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is not None:
            spec.loader = self.loader
        module.__loader__ = self.loader
        self.loader.exec_module(module)
        module.manual_seed(self.seed)
