"""What training some runs is expected to cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """Wall time in seconds; peak memory of the largest batch in bytes, None where it is not known."""

    seconds: float
    memory: int | None
