"""Looks that came before: what another judgement of the same runs does to the chance of a false verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: what of a hypothesis is prose: two that differ in nothing else ask the same
_PROSE = frozenset({"name", "statement", "claims", "reason"})
_OUTCOME = frozenset({"verdict", "p"})

#: numbers of seeds looked at → chance of a false verdict at one of them where each is tested at α = .05: exact sign-flip tests of one
#: hypothesis, by simulation of normal differences
MEASURED: Mapping[tuple[int, ...], float] = {(10, 20): 0.084, (6, 10, 20): 0.104}


def asked(hypotheses: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What hypotheses ask: the fields that decide, without prose and without what came of them.

    >>> asked([{"name": "h", "statement": "It helps.", "arm": "b", "against": "a", "verdict": "supported", "p": 0.01}])
    [{'arm': 'b', 'against': 'a'}]
    """
    return [{key: value for key, value in each.items() if key not in _PROSE | _OUTCOME} for each in hypotheses]


def error_of_looks(looks: Sequence[int], alpha: float) -> str:
    """What looking at so many numbers of seeds does to the chance of a false verdict, in words: measured, or as an example of it.

    >>> print(error_of_looks([20, 10], 0.05))
    Looking twice raises the chance of a false verdict from .05 to about .08 (one hypothesis, by simulation).
    >>> print(error_of_looks([8, 20], 0.05))
    Looking twice raises the chance of a false verdict above α = 0.05: with looks at 10 and 20 seeds it is about .08 instead of .05 (one hypothesis, by simulation).
    >>> error_of_looks([10], 0.05)
    ''
    """
    times = tuple(sorted(set(looks)))
    if len(times) < 2:
        return ""
    often = {2: "twice", 3: "three times"}.get(len(times), f"{len(times)} times")
    if times in MEASURED and alpha == 0.05:
        return f"Looking {often} raises the chance of a false verdict from .05 to about {_short(MEASURED[times])} (one hypothesis, by simulation)."
    example = (10, 20) if len(times) == 2 else (6, 10, 20)
    *most, last = example
    return (
        f"Looking {often} raises the chance of a false verdict above α = {alpha:g}: with looks at {', '.join(map(str, most))} and {last} seeds it is "
        f"about {_short(MEASURED[example])} instead of .05 (one hypothesis, by simulation)."
    )


def _short(chance: float) -> str:
    return f"{chance:.2f}".removeprefix("0")
