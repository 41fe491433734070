"""Telling whether memory did not suffice."""

from __future__ import annotations

#: in the words of the CPU's allocator, of CUDA and Triton, and of cuBLAS, which have no exception of their own; the last where it cannot even begin
_WORDS = ("can't allocate memory", "out of memory", "STATUS_ALLOC_FAILED", "CUBLAS_STATUS_NOT_INITIALIZED")


def out_of_memory(error: Exception) -> bool:
    """True where an error means that memory did not suffice.

    >>> (
    ...     out_of_memory(MemoryError()),
    ...     out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory")),
    ...     out_of_memory(RuntimeError("Triton Error [CUDA]: out of memory")),
    ...     out_of_memory(KeyError()),
    ... )
    (True, True, True, False)
    """
    # torch's own, which is known by its name: not everything that trains needs torch
    named = any(each.__name__ == "OutOfMemoryError" for each in type(error).__mro__)
    return named or isinstance(error, MemoryError) or any(word in str(error) for word in _WORDS)
