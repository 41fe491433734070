"""What a process computes with while it trains: one thread, no subnormal numbers, memory that is kept."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


def prepare_process(device: str = "cpu") -> None:
    """One thread, subnormal numbers as zero, and memory kept for the next step rather than given back; on CUDA, determinism.

    glibc returns freed memory at every step by default, and taking it again costs as much as the arithmetic.
    """
    if device.startswith("cuda"):
        os.environ.setdefault(_WORKSPACE, ":4096:2")  # read when CUDA starts; without it cuBLAS may reorder sums
        torch.use_deterministic_algorithms(True)
        # every buffer here is written before it is read
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    m_trim_threshold, m_mmap_threshold = -1, -3
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(m_trim_threshold, 2**31 - 1)
        libc.mallopt(m_mmap_threshold, 32 * 2**20)
    except (OSError, AttributeError):
        pass  # another C library, which does not do this


@contextmanager
def prepared_process(device: str = "cpu") -> Iterator[None]:
    """The process as :func:`prepare_process` makes it, and afterwards with the threads, the arithmetic and the algorithms it had.

    glibc's settings for freed memory stay: it cannot be asked for the old ones, and no number depends on them.
    """
    threads, subnormal = torch.get_num_threads(), _keeps_subnormal()
    deterministic, warn_only = _determinism()
    fill = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    workspace = os.environ.get(_WORKSPACE)
    try:
        prepare_process(device)
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(not subnormal)
        # only where it was changed: the first call of it imports torch's compiler, which takes seconds
        if _determinism() != (deterministic, warn_only):
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]
        if workspace is None:
            os.environ.pop(_WORKSPACE, None)


def _determinism() -> tuple[bool, bool]:
    """Whether torch is to use deterministic algorithms alone, and whether it only warns where there is none."""
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _keeps_subnormal() -> bool:
    """True where this thread computes with numbers below the smallest normal one; torch cannot be asked."""
    return sys.float_info.min / 2 > 0
