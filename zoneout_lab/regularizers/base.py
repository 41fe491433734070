"""What a regularizer is: masks at sites of a recurrence and of the stack of layers, noise on weights, a penalty, or another cell."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.masks import Mask, Rate
from zoneout_lab.ops.reference import CELLS, MORE_SITES

if TYPE_CHECKING:
    from zoneout_lab.regularizers.combined import Combined

CELL_NAMES = {"lstm": "LSTM", "gru": "GRU", "rnn_tanh": "tanh-RNN", "rnn_relu": "relu-RNN"}

#: sites outside the recurrence: a layer's input, the last layer's output, the symbols that are embedded
STACK_SITES = ("input", "top", "embedding")

#: where what is kept is divided by the probability of keeping it, so that evaluation leaves the site alone; at the other sites
#: evaluation uses the mask's mean
INVERTED = (*STACK_SITES, "recurrent")


class Regularizer(ABC):
    """A frozen value that says what is done to a recurrent network in training.

    A member of the list in ``regularizers/__init__.py`` is a frozen dataclass with a ``kind`` and :meth:`sites`. At training a
    site's share is a mask drawn with the rate; at evaluation it is the rate itself, the mask's mean, or nothing at an
    :data:`INVERTED` site. ``cells`` are the cell types that it is defined for. ``a + b`` is both at once.
    """

    kind: ClassVar[str]
    cells: ClassVar[tuple[str, ...]] = tuple(CELLS)

    @abstractmethod
    def sites(self) -> Mapping[str, Mask]:
        """Site → mask, for every site whose rate is not zero."""

    def masks(self, cell: str) -> Mapping[str, Mask]:
        """The masks within the recurrence of a cell type (``lstm``, ``gru``, ``rnn_tanh``, ``rnn_relu``).

        Raises InputRefusedError where the cell has no such site.
        """
        if cell not in self.cells:
            raise InputRefusedError(
                f"{self} does not work with a {CELL_NAMES[cell]}: it is defined for {', '.join(CELL_NAMES[c] for c in self.cells)}."
            )
        sites = {site: mask for site, mask in self.sites().items() if site not in STACK_SITES}
        known = (*CELLS[cell][2], *MORE_SITES)
        missing = [site for site in sites if site not in known]
        if missing:
            raise InputRefusedError(
                f"{self} does not work with a {CELL_NAMES[cell]}, which has no {WHAT[missing[0]]}. "
                f"A {CELL_NAMES[cell]} can be regularized at: {', '.join(known)}."
            )
        return sites

    def for_training(self, updates: int) -> Regularizer:
        """The regularizer for a training of so many updates: what it gives as a share of training becomes updates."""
        return self

    def __add__(self, other: Regularizer) -> Combined:
        from zoneout_lab.regularizers.combined import Combined

        return Combined((self, other))


WHAT = {
    "cell": "memory cell to preserve",
    "memory": "memory cell to drop from",
    "update": "gated update to drop (its new state is not a sum)",
    "hidden": "hidden state",
}


def rate(value: Any, what: str) -> float:
    """A probability, checked.

    >>> rate(1.5, "zoneout's cell rate")
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: zoneout's cell rate is 1.5; it is a probability and must lie in [0, 1].
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not 0 <= number <= 1:
        raise InputRefusedError(f"{what} is {value}; it is a probability and must lie in [0, 1].")
    return number


def rates(value: Any, what: str) -> Rate:
    """A probability, or a sequence of them as a tuple: one for each unit, or the first and the last unit's.

    >>> rates([0, 0.5], "z")
    (0.0, 0.5)
    """
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) < 2:
            raise InputRefusedError(
                f"{what} is {value}; give one number, or at least two: the first and the last unit's."
            )
        return tuple(rate(each, what) for each in value)
    return rate(value, what)


def strength(value: Any, what: str) -> float:
    """A finite number of at least 0, checked.

    >>> strength(-1, "the norm stabilizer's beta")
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: the norm stabilizer's beta is -1; it must be a finite number of at least 0.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not (0 <= number < math.inf):
        raise InputRefusedError(f"{what} is {value}; it must be a finite number of at least 0.")
    return number
