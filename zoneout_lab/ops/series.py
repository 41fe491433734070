"""Which recurrence a call belongs to: one that has been recorded and goes on from its last state, or a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.autograd.graph import Node, get_gradient_edge

States = tuple[Tensor, ...]


@dataclass
class Series:
    """One recurrence: whose it is, its number under that label, the states it began from and those it stands at."""

    owner: object
    number: int
    began: States | None
    versions: tuple[int, ...]
    last: States = ()

    def began_from(self, given: States) -> bool:
        """True where these are the very states it began from, unchanged since."""
        pairs = zip(given, self.began or (), self.versions, strict=False)
        return any(_same(a, b) and _version(a) == version for a, b, version in pairs)

    def stands_at(self, given: States) -> bool:
        """True where these are the very states of its last timestep, detached or not."""
        return any(_same(a, b) for a, b in zip(given, self.last, strict=False))


@dataclass
class AllSeries:
    """The recurrences of one recording, in the order in which they began.

    ``untold`` are those that may go on from an earlier one: no gradient is recorded that would tell. ``searched`` are for each owner
    the nodes behind which none of its recurrences stands; none ever will, for what is computed later is not behind them.
    """

    every: list[Series] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    untold: list[Series] = field(default_factory=list)
    searched: dict[int, set[Node]] = field(default_factory=dict)

    def of(self, owner: object, label: str, given: States | None) -> Series:
        """The recurrence that a call of ``owner`` with the states ``given`` goes on with, or a new one.

        Args:
            owner: the module that is called.
            label: what the recurrences of one name have in common; they are counted under it.
            given: the states it is called with; None, and it starts from its own.
        """
        mine = [series for series in self.every if series.owner is owner]
        found = None
        if mine and given:
            found = _continued(mine, given, self.searched.setdefault(id(owner), set()))
        if found is None:
            number = self.numbers[label] = self.numbers.get(label, 0) + 1
            found = Series(owner, number, given, tuple(map(_version, given or ())))
            self.every.append(found)
            if mine and given and not torch.is_grad_enabled() and not _is_beginning(mine, given):
                self.untold.append(found)
        return found


def _continued(mine: Sequence[Series], given: States, searched: set[Node]) -> Series | None:
    if at := next((series for series in reversed(mine) if series.stands_at(given)), None):
        return at
    return None if _is_beginning(mine, given) else _computed_from(mine, given, searched)


def _is_beginning(mine: Sequence[Series], given: States) -> bool:
    """True where these are zeros outside of any graph, or the states that an earlier recurrence began from."""
    zeros = not any(state.requires_grad or state.any() for state in given)
    return zeros or any(series.began_from(given) for series in mine)


def _same(a: Tensor, b: Tensor) -> bool:
    return a is b or (a.data_ptr() == b.data_ptr() and a.shape == b.shape and a.stride() == b.stride())


def _version(state: Tensor) -> int:
    """How often it was written to; inference tensors do not count that."""
    return 0 if state.is_inference() else state._version


def _computed_from(mine: Sequence[Series], given: States, searched: set[Node]) -> Series | None:
    """The series from whose last states these were computed, as far as autograd knows; of several the newest."""
    ends = {node: place for place, series in enumerate(mine) for node in _nodes(series.last)}
    places = _reached(_nodes(given), ends, searched) if ends else set()
    return mine[max(places)] if places else None


def _nodes(states: States) -> set[Node]:
    return {get_gradient_edge(state).node for state in states if state.requires_grad and not state.is_inference()}


def _reached(begin: set[Node], ends: Mapping[Node, int], searched: set[Node]) -> set[int]:
    """Which ends the graph of these nodes has; what lies behind an end, or was searched without finding one, is not looked at."""
    waiting = list(begin - searched)
    seen, found = set(waiting), set()
    while waiting:
        node = waiting.pop()
        if node in ends:
            found.add(ends[node])
            continue
        after = {one for one, _ in node.next_functions if one is not None} - seen - searched
        seen |= after
        waiting += after
    if not found:
        searched |= seen
    return found
