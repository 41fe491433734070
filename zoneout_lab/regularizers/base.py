"""What a regularizer is: masks at sites of a recurrence and of the stack of layers, noise on weights, a penalty, or another cell."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.masks import Mask
from zoneout_lab.ops.reference import CELLS, MORE_SITES
from zoneout_lab.parts import Part

if TYPE_CHECKING:
    from zoneout_lab.regularizers.combined import Combined

CELL_NAMES = {"lstm": "LSTM", "gru": "GRU", "rnn_tanh": "tanh-RNN", "rnn_relu": "relu-RNN"}

#: sites outside the recurrence: a layer's input, the last layer's output, the symbols that are embedded
STACK_SITES = ("input", "top", "embedding")

#: where what is kept is divided by the probability of keeping it, so that evaluation leaves the site alone; at the other sites
#: evaluation uses the mask's mean
INVERTED = (*STACK_SITES, "recurrent")


class Regularizer(Part, ABC):
    """A frozen value that says what is done to a recurrent network in training.

    A member of the list in ``regularizers/__init__.py`` is a frozen dataclass with a ``kind`` and :meth:`sites`. At training a
    site's share is a mask drawn with the rate; at evaluation it is the rate itself, the mask's mean, or nothing at an
    :data:`INVERTED` site. ``cells`` are the cell types that it is defined for. ``a + b`` is both at once.
    """

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
                f"{self} does not work with a {CELL_NAMES[cell]}, which has no {WHAT.get(missing[0], f'site {missing[0]!r}')}. "
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
