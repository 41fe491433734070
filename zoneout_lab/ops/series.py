"""Which recurrence a call belongs to: one that has been recorded and goes on from its last state, or a new one."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

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
        """Whether these are the very states it began from, unchanged since."""
        pairs = zip(given, self.began or (), self.versions, strict=False)
        return any(_same(a, b) and _version(a) == version for a, b, version in pairs)

    def stands_at(self, given: States) -> bool:
        """Whether these are the very states of its last timestep, detached or not."""
        return any(_same(a, b) for a, b in zip(given, self.last, strict=False))

    def leads_to(self, given: States) -> bool:
        """Whether these were computed from the states of its last timestep, as far as autograd knows."""
        targets = [last.grad_fn for last in self.last]
        return any(_reaches(state, targets) for state in given)


@dataclass
class AllSeries:
    """The recurrences of one recording, in the order in which they began."""

    every: list[Series] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def of(self, owner: object, label: str, given: States | None, *, when_unsure: bool) -> Series:
        """The recurrence that a call of ``owner`` with the states ``given`` goes on with, or a new one.

        Args:
            owner: the module that is called.
            label: what the recurrences of one name have in common; they are counted under it.
            given: the states it is called with; None, and it starts from its own.
            when_unsure: whether a call goes on with the owner's latest recurrence where no gradient is recorded that would tell.
        """
        mine = [series for series in self.every if series.owner is owner]
        found = _continued(mine, given, when_unsure=when_unsure) if mine and given else None
        if found is None:
            number = self.numbers[label] = self.numbers.get(label, 0) + 1
            found = Series(owner, number, given, tuple(map(_version, given or ())))
            self.every.append(found)
        return found


def _continued(mine: Sequence[Series], given: States, *, when_unsure: bool) -> Series | None:
    newest = mine[::-1]
    if at := next((series for series in newest if series.stands_at(given)), None):
        return at
    if any(series.began_from(given) for series in newest):
        return None
    if not torch.is_grad_enabled():
        # states of zero are a beginning
        return newest[0] if when_unsure and any(state.any() for state in given) else None
    if not any(state.requires_grad for state in given):
        return None
    return next((series for series in newest if series.leads_to(given)), None)


def _same(a: Tensor, b: Tensor) -> bool:
    return a is b or (a.data_ptr() == b.data_ptr() and a.shape == b.shape and a.stride() == b.stride())


def _version(state: Tensor) -> int:
    """How often it was written to; inference tensors do not count that."""
    return 0 if state.is_inference() else state._version


def _reaches(state: Tensor, targets: Sequence[Any]) -> bool:
    """Whether the graph of a tensor has one of these nodes, nearest nodes first."""
    waiting, seen = deque([state.grad_fn]), {None}
    while waiting:
        node: Any = waiting.popleft()
        if node in seen:
            continue
        if any(node is target for target in targets):
            return True
        seen.add(node)
        waiting += [after for after, _ in node.next_functions]
    return False
