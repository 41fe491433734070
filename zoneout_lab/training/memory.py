"""Telling whether memory did not suffice."""

from __future__ import annotations

import torch


def out_of_memory(error: Exception) -> bool:
    """True where an error means that memory did not suffice.

    >>> (
    ...     out_of_memory(MemoryError()),
    ...     out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory")),
    ...     out_of_memory(KeyError()),
    ... )
    (True, True, False)
    """
    # the CPU allocator has no exception of its own
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
