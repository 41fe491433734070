"""Interleaved rounds: every peer once in each, so that what slows the machine for a while slows all of them."""

from __future__ import annotations

import gc
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

#: one training step: forward, backward; gives the outputs and the gradients of all parameters
Step = Callable[[], Sequence[Tensor]]
#: seconds that a number of calls takes
Timer = Callable[[Step, int], float]
_LEAST = 0.02  # seconds: a shorter timing is of several calls
_MOST_CALLS = 200


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of a quantity over rounds."""

    median: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        return {"median": self.median, "q1": self.low, "q3": self.high}


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles, between values in a straight line.

    >>> spread([3.0, 1.0, 2.0, 5.0])
    Spread(median=2.5, low=1.75, high=3.5)
    """
    low, median, high = np.percentile(np.asarray(values, dtype=np.float64), [25, 50, 75])
    return Spread(float(median), float(low), float(high))


def ratio(values: Sequence[float], against: Sequence[float]) -> Spread:
    """Median and quartiles of the ratio *within each round*: a slow round slows both, and the ratio stays.

    >>> ratio([2.0, 30.0, 2.2], [1.0, 10.0, 1.0])
    Spread(median=2.2, low=2.1, high=2.6)
    """
    return spread([value / other for value, other in zip(values, against, strict=True)])


def interleaved(
    steps: Mapping[str, Step],
    rounds: int,
    timer: Timer,
    *,
    calls: Mapping[str, int],
    done: Callable[[int], None] = lambda _: None,
) -> dict[str, list[float]]:
    """Seconds of one call of every step in every round, in a new random order each round: none always follows the same other.

    Args:
        steps: what is timed, warm.
        rounds: how often.
        timer: what times it.
        calls: how many calls of a step one timing is of.
        done: called with the number of rounds done.

    >>> order = []
    >>> steps = {name: (lambda name=name: order.append(name) or ()) for name in "abc"}
    >>> times = interleaved(steps, 2, on_cpu, calls={"a": 1, "b": 1, "c": 1})
    >>> sorted(order), len(times["a"])
    (['a', 'a', 'b', 'b', 'c', 'c'], 2)
    """
    names = list(steps)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    order = random.Random(0)  # noqa: S311 # nosec B311 # an order, not a secret
    for number in range(rounds):
        for name in order.sample(names, len(names)):
            seconds[name].append(timer(steps[name], calls[name]) / calls[name])
        done(number + 1)
    return seconds


def warm(step: Step, timer: Timer, times: int = 2) -> int:
    """Call a step until it is warm, and say how many calls of it make one timing long enough to be read."""
    last = 0.0
    for _ in range(max(1, times)):
        last = timer(step, 1)
    return min(_MOST_CALLS, max(1, math.ceil(_LEAST / max(last, 1e-9))))


def on_cpu(step: Step, calls: int) -> float:
    """Seconds by the clock. As in :mod:`timeit`, Python collects no garbage meanwhile."""
    collects = gc.isenabled()
    gc.disable()
    try:
        started = time.perf_counter()
        for _ in range(calls):
            step()
        return time.perf_counter() - started
    finally:
        if collects:
            gc.enable()


def on_cuda(step: Step, calls: int) -> float:
    """Seconds by the GPU's own events, after everything before has ended."""
    started, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    collects = gc.isenabled()
    gc.disable()
    try:
        torch.cuda.synchronize()
        started.record()
        for _ in range(calls):
            step()
        ended.record()
        torch.cuda.synchronize()
        return float(started.elapsed_time(ended)) / 1e3
    finally:
        if collects:
            gc.enable()
