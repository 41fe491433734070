"""Every two settings together at least once, instead of every combination of all of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any


def pairwise(*factors: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Combinations, one value of each factor, in which any two values of any two factors meet: few, chosen greedily, always the same.

    >>> pairwise("ab", "xy", "01")
    [('a', 'x', '0'), ('a', 'y', '1'), ('b', 'x', '1'), ('b', 'y', '0')]
    """
    every = list(itertools.product(*(range(len(factor)) for factor in factors)))
    open_pairs = set().union(*map(_pairs, every))
    chosen = []
    while open_pairs:
        best = max(every, key=lambda combination: len(open_pairs & _pairs(combination)))
        open_pairs -= _pairs(best)
        chosen.append(best)
    return [tuple(factor[k] for factor, k in zip(factors, one, strict=True)) for one in sorted(chosen)]


def _pairs(combination: tuple[int, ...]) -> set[tuple[tuple[int, int], ...]]:
    return set(itertools.combinations(enumerate(combination), 2))
