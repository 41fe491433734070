"""The device a study trains on: whether it is here, and how much fits it."""

from __future__ import annotations

import gc

import torch

from zoneout_lab.errors import UsageError


def out_of_memory(error: Exception) -> bool:
    """Whether an error says that memory did not suffice."""
    # the CPU allocator has no exception of its own
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def give_back_memory(error: Exception) -> None:
    """Let go of what an error's traceback holds: the model that did not fit."""
    error.__traceback__ = error.__context__ = error.__cause__ = None
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def device_memory(device: str) -> int | None:
    """Bytes of a GPU's memory that batches may use; None on a CPU."""
    if not device.startswith("cuda"):
        return None
    free, _ = torch.cuda.mem_get_info(torch.device(device))
    return int(free * 0.8)


def check_device(device: str) -> str:
    """The device's name, checked. Raises UsageError where it does not exist here.

    >>> check_device("cpu")
    'cpu'
    """
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise UsageError(f"There is no device {device!r}. Known: cpu, cuda, cuda:0, …") from error
    if kind == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            f"The device {device!r} is not here: torch sees no CUDA GPU. Use --device cpu, or see `zoneout-lab doctor`."
        )
    if kind not in ("cpu", "cuda"):
        raise UsageError(f"The device {device!r} is not supported. Known: cpu, cuda, cuda:0, …")
    return device
