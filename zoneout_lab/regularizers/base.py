"""What a regularizer is: masks at sites of a recurrence and of the stack of layers, noise on weights, a penalty; or several of them."""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.cells import Cell
from zoneout_lab.ops.masks import MaskSpec
from zoneout_lab.parts import Part

#: sites outside the recurrence: a layer's input, the last layer's output, the symbols that are embedded
STACK_SITES = ("input", "top", "embedding")

#: where what is kept is divided by the probability of keeping it, so that evaluation leaves the site alone; at the other sites
#: evaluation uses the mask's mean
INVERTED = (*STACK_SITES, "recurrent")


class Regularizer(Part, ABC):
    """A frozen value that says what is done to a recurrent network in training.

    To write your own, inherit from this class with a frozen dataclass and override what it does: every method here does nothing. In
    training the mask at a site is drawn with its rate. In evaluation the mask's mean, the rate itself, takes its place; at an
    :data:`INVERTED` site nothing does. ``a + b`` applies both.

    >>> from dataclasses import dataclass
    >>> from zoneout_lab import LSTM
    >>> @dataclass(frozen=True)
    ... class HalfZoneout(Regularizer):
    ...     z: float = 0.5
    ...
    ...     def sites(self):
    ...         return {"cell": MaskSpec(self.z), "hidden": MaskSpec(self.z / 2)}
    >>> LSTM(3, 4, regularizer=HalfZoneout(0.2))
    LSTM(3, 4, regularizer=HalfZoneout(z=0.2))
    """

    def sites(self) -> Mapping[str, MaskSpec]:
        """Site → mask, for every site whose rate is not zero: those of cells, and :data:`STACK_SITES`."""
        return {}

    def masks(self, cell: Cell) -> Mapping[str, MaskSpec]:
        """The masks within the recurrence of a cell.

        Raises InputRefusedError where the cell has no such site.
        """
        sites = {site: mask for site, mask in self.sites().items() if site not in STACK_SITES}
        missing = [site for site in sites if site not in cell.sites]
        if missing:
            raise InputRefusedError(
                f"{self} does not work with the {cell.noun}, which has no {WHAT.get(missing[0], f'site {missing[0]!r}')}. "
                f"The {cell.noun} can be regularized at: {', '.join(cell.sites)}."
            )
        return sites

    @property
    def weight_noise(self) -> float:
        """σ of normal noise on every weight matrix in training, drawn once for each update; 0 for none."""
        return 0.0

    def penalty(self, out: Tensor) -> Tensor | None:
        """The term added to a replica's training loss for each layer, a tensor without dimensions; None for no term.

        Args:
            out: the layer's outputs h_1 … h_T of one replica, [T, B, H].
        """
        return None

    def for_training(self, updates: int) -> Regularizer:
        """The regularizer for training of this many updates, with fractions of training turned into updates."""
        return self

    @property
    def parts(self) -> tuple[Regularizer, ...]:
        """The regularizers that it is made of."""
        return (self,)

    def __add__(self, other: Regularizer) -> Combined:
        return Combined((self, other))


def trained_for(regularizer: Regularizer, updates: int) -> Regularizer:
    """What :meth:`Regularizer.for_training` returns, checked.

    Raises InputRefusedError where that is not a regularizer, or its masks are not.
    """
    made: Any = regularizer.for_training(updates)
    if not isinstance(made, Regularizer):
        raise InputRefusedError(
            f"for_training() of {regularizer} returned {made!r}; it has to return a regularizer: itself, where nothing changes."
        )
    for site, mask in made.sites().items():
        if not isinstance(mask, MaskSpec):
            raise InputRefusedError(
                f"{made}: its mask at {site!r} is {mask!r}; give a MaskSpec, such as MaskSpec(0.5)."
            )
    return made


WHAT = {
    "cell": "memory cell to preserve",
    "memory": "memory cell to drop from",
    "update": "gated update to drop (its new state is not a sum)",
    "hidden": "hidden state",
}


@dataclass(frozen=True)
class Combined(Regularizer):
    """Several regularizers at once; ``a + b`` makes it.

    Non-recurrent dropout with zoneout is Krueger et al.'s word-level model, a batch-normalised cell with zoneout their best
    permuted-MNIST model.

    Args:
        parts: the regularizers, each acting at sites of its own.

    Raises:
        InputRefusedError: two parts act at the same site or are of the same kind.

    >>> from zoneout_lab.regularizers import NonRecurrentDropout, Zoneout
    >>> both = NonRecurrentDropout(0.65) + Zoneout(cell=0.25, hidden=0.025)
    >>> sorted(both.sites())
    ['cell', 'hidden', 'input', 'top']
    """

    kind: ClassVar[str] = "combined"

    parts: tuple[Regularizer, ...] = ()  # a field in the property's place

    def __post_init__(self) -> None:
        if not isinstance(self.parts, list | tuple):
            raise InputRefusedError(f"combined's parts are {self.parts!r}; give a list of regularizers.")
        flat: list[Regularizer] = []
        for part in self.parts:
            if not isinstance(part, Regularizer):
                raise InputRefusedError(
                    f"{part!r} cannot be combined with a regularizer; give values such as Zoneout(hidden=0.1)."
                )
            flat += part.parts
        object.__setattr__(self, "parts", tuple(flat))
        for k, part in enumerate(flat):
            for other in flat[:k]:
                _refuse_together(other, part)

    def for_training(self, updates: int) -> Combined:
        return Combined(tuple(part.for_training(updates) for part in self.parts))

    def sites(self) -> Mapping[str, MaskSpec]:
        return {site: mask for part in self.parts for site, mask in part.sites().items()}

    def masks(self, cell: Cell) -> Mapping[str, MaskSpec]:
        found: dict[str, MaskSpec] = {}
        for part in self.parts:
            masks = part.masks(cell)
            if both := sorted(found.keys() & masks.keys()):
                raise InputRefusedError(
                    f"{self} does not work with the {cell.noun}: two parts act at the site {both[0]!r}."
                )
            found |= masks
        return found

    @property
    def weight_noise(self) -> float:
        # independent normal noises add up in variance
        sigmas = [sigma for part in self.parts if (sigma := part.weight_noise)]
        return sigmas[0] if len(sigmas) == 1 else math.hypot(*sigmas)

    def penalty(self, out: Tensor) -> Tensor | None:
        found = [penalty for part in self.parts if (penalty := part.penalty(out)) is not None]
        return sum(found[1:], found[0]) if found else None


def _refuse_together(a: Regularizer, b: Regularizer) -> None:
    both = sorted(a.for_training(1).sites().keys() & b.for_training(1).sites().keys())
    why = f"both act at the site {both[0]!r}" if both else ""
    if a.kind == b.kind and a.kind != "none":
        why = why or "they are of the same kind"
    if why:
        raise InputRefusedError(f"{a} and {b} do not combine: {why}.")
