"""What a layer is given, checked: sizes, choices, a regularizer and a mask seed for each replica."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from zoneout_lab.checked import rate, strength, whole
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.cells import Cell, as_cell
from zoneout_lab.regularizers import STACK_SITES, NoRegularizer, Regularizer, separated

Regularizers = Regularizer | Sequence[Regularizer | None] | None


class Sizes(NamedTuple):
    """A layer's sizes as Python's own numbers."""

    input: int
    hidden: int
    layers: int
    dropout: float
    replicas: int | None


def sizes(input_size: int, hidden_size: int, num_layers: int, dropout: float, replicas: int | None) -> Sizes:
    """Sizes, checked: they must be at least 1 (inputs: 0) and dropout must lie in [0, 1]. Warn where a dropout does nothing."""
    found = Sizes(
        whole(input_size, "input_size", 0),
        whole(hidden_size, "hidden_size", 1),
        whole(num_layers, "num_layers", 1),
        rate(dropout, "dropout"),
        None if replicas is None else whole(replicas, "replicas", 1),
    )
    if found.dropout > 0 and found.layers == 1:
        warnings.warn(
            "dropout is applied between layers, so it does nothing with num_layers=1; for dropout in the recurrence use regularizer=",
            stacklevel=4,
        )
    return found


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise InputRefusedError unless a value is one of the choices."""
    if value not in choices:
        raise InputRefusedError(f"{name} is {value!r}; choose one of {', '.join(choices)}.")


def cell_and_regularizers(cell: Any, given: Regularizers, replicas: int) -> tuple[Cell, tuple[Regularizer, ...]]:
    """The cell, and a regularizer for each replica.

    Raises InputRefusedError where they do not fit together, or where old regularizers name different cells.
    """
    pairs = [separated(as_cell(cell), regularizer) for regularizer in one_each(given, replicas)]
    cells = list(dict.fromkeys(one for one, _ in pairs))
    if len(cells) > 1:
        raise InputRefusedError(
            f"The replicas' regularizers put different cells in the LSTM's place ({', '.join(map(repr, cells))}); give each cell a layer "
            "of its own."
        )
    _check_sites(cells[0])
    for _, regularizer in pairs:
        strength(regularizer.weight_noise, f"The weight noise of {regularizer}")
        regularizer.masks(cells[0])  # refuses by name what this cell cannot do
    return cells[0], tuple(regularizer for _, regularizer in pairs)


def _check_sites(cell: Cell) -> None:
    for state, site in cell.states.items():
        if site and site not in cell.sites:
            raise InputRefusedError(
                f"The state {state!r} of {cell} is preserved at the site {site!r}, which is not among its sites ({', '.join(cell.sites)}): "
                "add it, or give '' for a state that nothing preserves."
            )
    if taken := sorted(set(cell.sites) & set(STACK_SITES)):
        raise InputRefusedError(
            f"{cell} has a site {taken[0]!r}, which is the name of a site outside the recurrence; give it another."
        )


def refuse_penalty(regularizer: Regularizer, penalty: Any) -> None:
    """Raise InputRefusedError for a penalty that is not one number: in a sum over replicas it would count for others too."""
    if penalty is not None and not (isinstance(penalty, Tensor) and penalty.dim() == 0 and penalty.is_floating_point()):
        found = f"shape {list(penalty.shape)}" if isinstance(penalty, Tensor) else f"type {type(penalty).__name__}"
        raise InputRefusedError(
            f"The penalty of {regularizer} has {found}; it has to be a tensor with one number and no dimensions: reduce it with mean() or "
            "sum()."
        )


def one_each(regularizer: Regularizers, replicas: int) -> tuple[Regularizer, ...]:
    """A regularizer for each replica, from one for all or a list. Raises InputRefusedError where it is neither."""
    given: Any = regularizer  # a string is a sequence too
    each = given if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    if strange := [one for one in each if not (one is None or isinstance(one, Regularizer))]:
        raise InputRefusedError(
            f"regularizer is {strange[0]!r}; give a value such as Zoneout(cell=0.5, hidden=0.05), or one for each replica."
        )
    if regularizer is None or isinstance(regularizer, Regularizer):
        return (regularizer or NoRegularizer(),) * replicas
    if len(regularizer) != replicas:
        raise InputRefusedError(f"{len(regularizer)} regularizers for {replicas} replicas; give one, or one for each.")
    return tuple(each or NoRegularizer() for each in regularizer)


def mask_seeds(given: Any, cell: Cell, regularizers: Sequence[Regularizer], dropout: float) -> tuple[int, ...]:
    """A mask seed for each replica: as :func:`seeds_for`, or None for torch's generator to draw them."""
    R = len(regularizers)
    if given is not None:
        return seeds_for(given, R)
    # torch's own generator decides, so that torch.manual_seed governs; without anything to draw it is left alone,
    # and a model built after this one gets the weights that it would get after torch's layer
    if dropout == 0 and not any(each.sites() or each.masks(cell) or each.weight_noise for each in regularizers):
        return (0,) * R
    return tuple(int(seed) for seed in torch.randint(2**62, (R,)))


def seeds_for(given: Any, replicas: int) -> tuple[int, ...]:
    """A mask seed for each replica, from one for all or a sequence. Raises InputRefusedError for too few or too many, or for values that are not whole numbers."""
    array = np.asarray(given) if hasattr(given, "__array__") else None
    several = isinstance(given, Iterable) if array is None else array.ndim > 0
    several = several and not isinstance(given, str | bytes | Mapping | Set)
    seeds = tuple(whole(seed, "mask_seed") for seed in given) if several else (whole(given, "mask_seed"),) * replicas
    if len(seeds) != replicas:
        raise InputRefusedError(f"{len(seeds)} mask seeds for {replicas} replicas; give one for each.")
    return seeds


def counter(value: Any, name: str) -> int | Tensor:
    """A counter of updates or draws: a whole number of at least 0, or an integer tensor, which is kept as a tensor."""
    if not isinstance(value, Tensor):
        return whole(value, name, 0)
    if value.dim() > 0 or value.is_floating_point() or value.is_complex() or value.dtype == torch.bool:
        raise InputRefusedError(
            f"{name} is a tensor of shape {list(value.shape)} and type {value.dtype}; give a whole number, or an integer tensor "
            "without dimensions."
        )
    return value
