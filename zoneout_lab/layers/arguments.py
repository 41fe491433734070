"""What a layer is given, checked: sizes, choices, a regularizer and a mask seed for each replica."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.regularizers import NoRegularizer, Regularizer, WeightNoise, part_of

Regularizers = Regularizer | Sequence[Regularizer | None] | None


def check_sizes(hidden_size: int, num_layers: int, dropout: float, replicas: int | None) -> None:
    """Raise InputRefusedError for sizes below 1 or a dropout that is no probability; warn where a dropout does nothing."""
    if isinstance(dropout, bool) or not 0 <= dropout <= 1:
        raise InputRefusedError(f"dropout is {dropout}; it is a probability and must lie in [0, 1].")
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            "dropout is applied between layers, so it does nothing with num_layers=1; for dropout in the recurrence use regularizer=",
            stacklevel=4,
        )
    for name, value in (("hidden_size", hidden_size), ("num_layers", num_layers), ("replicas", replicas)):
        if value is not None and value < 1:
            raise InputRefusedError(f"{name} is {value}; it must be at least 1.")


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise InputRefusedError unless a value is one of the choices."""
    if value not in choices:
        raise InputRefusedError(f"{name} is {value!r}; choose one of {', '.join(choices)}.")


def one_each(regularizer: Regularizers, replicas: int) -> tuple[Regularizer, ...]:
    """A regularizer for each replica, from one for all or a list. Raises InputRefusedError where it is neither."""
    each = regularizer if isinstance(regularizer, Sequence) else [regularizer]
    if strange := [one for one in each if not (one is None or isinstance(one, Regularizer))]:
        raise InputRefusedError(
            f"regularizer is {strange[0]!r}; give a value such as Zoneout(cell=0.5, hidden=0.05), or one for each replica."
        )
    if regularizer is None or isinstance(regularizer, Regularizer):
        return (regularizer or NoRegularizer(),) * replicas
    if len(regularizer) != replicas:
        raise InputRefusedError(f"{len(regularizer)} regularizers for {replicas} replicas; give one, or one for each.")
    return tuple(each or NoRegularizer() for each in regularizer)


def mask_seeds(
    given: int | Sequence[int] | None, regularizers: Sequence[Regularizer], dropout: float
) -> tuple[int, ...]:
    """A mask seed for each replica, from one for all, a list, or torch's generator. Raises InputRefusedError for too few or many."""
    R = len(regularizers)
    if given is None:
        # torch's own generator decides, so that torch.manual_seed governs; without anything to draw it is left alone,
        # and a model built after this one gets the weights that it would get after torch's layer
        if dropout == 0 and not any(each.sites() or part_of(each, WeightNoise) for each in regularizers):
            return (0,) * R
        return tuple(int(seed) for seed in torch.randint(2**62, (R,)))
    seeds = (given,) * R if isinstance(given, int) else tuple(given)
    if len(seeds) != R:
        raise InputRefusedError(f"{len(seeds)} mask seeds for {R} replicas; give one for each.")
    return seeds
