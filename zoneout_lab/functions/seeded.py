"""The global generators of Python, NumPy and torch, seeded before a training function is called."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


def seed_generators(seed: int) -> None:
    """Seed them; torch's where it is imported.

    >>> seed_generators(1)
    >>> first = random.random(), float(np.random.rand())
    >>> seed_generators(1)
    >>> first == (random.random(), float(np.random.rand()))
    True
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(seed)


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
        if torch is not None:
            torch.set_rng_state(tensors)
