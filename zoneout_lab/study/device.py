"""The device a study trains on: whether it exists here, and how much fits on it."""

from __future__ import annotations

import gc
import sys

from zoneout_lab.errors import UsageError
from zoneout_lab.report.text import count


def give_back_memory(error: Exception) -> None:
    """Let go of what an error's traceback holds: the model that did not fit."""
    error.__traceback__ = error.__context__ = error.__cause__ = None
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def device_memory(device: str) -> int | None:
    """Bytes of a GPU's memory that batches may use; None on a CPU."""
    if not device.startswith("cuda"):
        return None
    import torch

    free, _ = torch.cuda.mem_get_info(torch.device(device))
    return int(free * 0.8)


def check_device(device: str) -> str:
    """The device's name, checked. Raises UsageError where it does not exist here.

    >>> check_device("cpu")
    'cpu'
    """
    if (missing := why_missing(device)) is not None:
        raise UsageError(missing)
    return device


def why_missing(device: str) -> str | None:
    """Why a GPU that may exist on another machine is missing; None where the device exists. Raises UsageError for an unknown device.

    >>> why_missing("cpu") is None
    True
    """
    if device == "cpu":
        return None
    try:
        import torch
    except ImportError:
        raise UsageError(f"The device {device!r} is looked for with PyTorch, which is not installed here.") from None
    try:
        named = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"There is no device {device!r}. Known: cpu, cuda, cuda:0, …") from error
    if named.type not in ("cpu", "cuda"):
        raise UsageError(f"The device {device!r} is not supported. Known: cpu, cuda, cuda:0, …")
    found = torch.cuda.device_count() if named.type == "cuda" and torch.cuda.is_available() else 0
    if named.type == "cpu" or (named.index or 0) < found:
        return None
    seen = "no CUDA GPU" if found == 0 else f"{count(found, 'CUDA GPU')}, cuda:0 to cuda:{found - 1}"
    return f"The device {device!r} is not here: torch sees {seen}. Use --device cpu, or see `zoneout-lab doctor`."
