"""What is said of a table from elsewhere: which columns its runs are told apart by, and that every argument is of the kind that it should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.results.legible import legible


def paired_columns(arm: Any, seed: Any, block: Any, *, average: bool = False, paired: bool = True) -> list[str]:
    """The columns that runs are paired by: those of a ``block``, or the ``seed``. None where they are not ``paired``: which run is which does not matter then,
    unless rows are averaged.

    Raises InputRefusedError for what is no name of a column, UsageError where one is named for two things, or none for pairs.

    >>> paired_columns("arm", "seed", ()), paired_columns("arm", "seed", ("data", "fold"))
    (['seed'], ['data', 'fold'])
    >>> paired_columns("arm", "seed", (), paired=False)
    []
    >>> paired_columns(3, "seed", ())
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: arm is 3; give the name of a column.
    """
    column(arm, "arm")
    if seed is not None:
        column(seed, "seed")
    if not isinstance(block, Sequence) or not all(isinstance(each, str) for each in block):
        raise InputRefusedError(f"block is {block!r}; give the name of a column, or a list of names.")
    by = pair_columns(seed, block)
    if not paired and not average:
        by = []
    if twice := [each for each, n in Counter([arm, *by]).items() if n > 1]:
        raise UsageError(f"The column {legible(twice[0])!r} is named for two things.")
    if paired and not by:
        raise UsageError("Say what runs are paired by: seed=, or block=. To compare them without pairs: paired=False.")
    return by


def pair_columns(seed: str | None, block: str | Sequence[str]) -> list[str]:
    """The columns that say which pair a run is of, whether it is paired or not."""
    return [block] if isinstance(block, str) else list(block) or ([] if seed is None else [seed])


def check_kinds(long: Any, state: Any, hypotheses: Any, title: Any) -> None:
    """Refuse with InputRefusedError what is not of the kind that ``results_from`` says."""
    if long is not None and not (
        isinstance(long, list | tuple) and len(long) == 2 and all(isinstance(each, str) for each in long)
    ):
        raise InputRefusedError(
            f"long is {long!r}; give two names of columns, that of metrics' names and that of their values."
        )
    if state is not None:
        column(state, "state")
    if not isinstance(hypotheses, Sequence) or isinstance(hypotheses, str):
        raise InputRefusedError(f"hypotheses is {hypotheses!r}; give a list of them.")
    if not isinstance(title, str):
        raise InputRefusedError(f"title is {title!r}; give a text.")


def column(given: Any, what: str) -> None:
    """Refuse what is no name of a column."""
    if not isinstance(given, str):
        raise InputRefusedError(f"{what} is {given!r}; give the name of a column.")
