"""What a regularizer is: masks at sites of the recurrence. Nothing else distinguishes one from another."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.masks import Mask
from zoneout_lab.ops.reference import CELLS

CELL_NAMES = {"lstm": "LSTM", "gru": "GRU", "rnn_tanh": "tanh-RNN", "rnn_relu": "relu-RNN"}


class Regularizer(ABC):
    """A frozen value that names the masks it puts on a cell type.

    A member of the list in ``regularizers/__init__.py`` is a frozen dataclass with a ``kind`` and :meth:`sites`. At training a
    site's share is a mask drawn with the rate; at evaluation it is the rate itself, the mask's mean.
    """

    kind: ClassVar[str]

    @abstractmethod
    def sites(self) -> Mapping[str, Mask]:
        """Site → mask, for every site whose rate is not zero."""

    def masks(self, cell: str) -> Mapping[str, Mask]:
        """The masks for a cell type (``lstm``, ``gru``, ``rnn_tanh``, ``rnn_relu``).

        Raises InputRefusedError where the cell has no such site.
        """
        sites = self.sites()
        missing = [site for site in sites if site not in CELLS[cell][2]]
        if missing:
            raise InputRefusedError(
                f"{self} does not work with a {CELL_NAMES[cell]}, which has no {WHAT[missing[0]]}. "
                f"A {CELL_NAMES[cell]} can be regularized at: {', '.join(CELLS[cell][2])}."
            )
        return sites


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
