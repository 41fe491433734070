"""Several regularizers at once, as the literature combines them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.masks import Mask
from zoneout_lab.regularizers.base import STACK_SITES, Regularizer
from zoneout_lab.regularizers.cell_shift import CellShift
from zoneout_lab.regularizers.input_mask import InputMask
from zoneout_lab.regularizers.normalised import LayerNorm, RecurrentBatchNorm

_Part = TypeVar("_Part", bound=Regularizer)

#: what puts another cell in the LSTM's place
OtherCell = CellShift | InputMask | LayerNorm | RecurrentBatchNorm


@dataclass(frozen=True)
class Combined(Regularizer):
    """Several regularizers at once; ``a + b`` makes it.

    Non-recurrent dropout with zoneout is Krueger et al.'s word-level model, recurrent batch normalisation with zoneout their best
    permuted-MNIST model.

    Args:
        parts: the regularizers, each acting at sites of its own.

    Raises:
        InputRefusedError: two parts act at one site or are of one kind, or two replace the cell.

    >>> from zoneout_lab.regularizers import NonRecurrentDropout, Zoneout
    >>> both = NonRecurrentDropout(0.65) + Zoneout(cell=0.25, hidden=0.025)
    >>> sorted(both.sites())
    ['cell', 'hidden', 'input', 'top']
    """

    kind: ClassVar[str] = "combined"

    parts: tuple[Regularizer, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.parts, list | tuple):
            raise InputRefusedError(f"combined's parts are {self.parts!r}; give a list of regularizers.")
        flat: list[Regularizer] = []
        for part in self.parts:
            if not isinstance(part, Regularizer):
                raise InputRefusedError(
                    f"{part!r} cannot be combined with a regularizer; give values such as Zoneout(hidden=0.1)."
                )
            flat += part.parts if isinstance(part, Combined) else [part]
        object.__setattr__(self, "parts", tuple(flat))
        for k, part in enumerate(flat):
            for other in flat[:k]:
                self._refuse(other, part)

    def _refuse(self, a: Regularizer, b: Regularizer) -> None:
        a, b = a.for_training(1), b.for_training(1)
        both = sorted(a.sites().keys() & b.sites().keys())
        why = f"both act at the site {both[0]!r}" if both else ""
        if a.kind == b.kind and a.kind != "none":
            why = why or "they are of one kind"
        if isinstance(a, OtherCell) and isinstance(b, OtherCell):
            why = "each puts another cell in the LSTM's place"
        for one, other in ((a, b), (b, a)):
            if isinstance(one, InputMask) and any(site not in STACK_SITES for site in other.sites()):
                why = f"{one.kind} uses up the masks of its cell"
        if why:
            raise InputRefusedError(f"{a} and {b} do not combine: {why}.")

    def for_training(self, updates: int) -> Combined:
        return Combined(tuple(part.for_training(updates) for part in self.parts))

    def sites(self) -> Mapping[str, Mask]:
        return {site: mask for part in self.parts for site, mask in part.sites().items()}

    def masks(self, cell: str) -> Mapping[str, Mask]:
        return {site: mask for part in self.parts for site, mask in part.masks(cell).items()}


def part_of(regularizer: Regularizer, kind: type[_Part]) -> _Part | None:
    """The part of this type, the regularizer itself where it is one, or None.

    >>> from zoneout_lab.regularizers import WeightNoise, Zoneout
    >>> part_of(WeightNoise(0.075) + Zoneout(hidden=0.1), WeightNoise)
    WeightNoise(sigma=0.075)
    """
    for part in regularizer.parts if isinstance(regularizer, Combined) else (regularizer,):
        if isinstance(part, kind):
            return part
    return None


def cell_of(regularizer: Regularizer) -> OtherCell | None:
    """The part that puts another cell in the LSTM's place, or None."""
    parts = regularizer.parts if isinstance(regularizer, Combined) else (regularizer,)
    return next((part for part in parts if isinstance(part, OtherCell)), None)
