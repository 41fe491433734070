"""The LSTM of the permuted-MNIST code: a learned shift inside the output's tanh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from zoneout_lab.ops.masks import Mask
from zoneout_lab.regularizers.base import Regularizer


@dataclass(frozen=True)
class CellShift(Regularizer):
    """h̃_t = o ⊙ tanh(c̃_t + β) with a learned β [H] that starts at zero; LSTM only.

    No regularizer, but a reading: the code behind Krueger et al. 2017, §4.3, comes from recurrent batch normalisation (Cooijmans et
    al. 2017, eq. 8) and keeps its shift of the normalised cell in every arm, where nothing is normalised too. The paper does not
    mention it. ``CellShift() + Zoneout(...)`` is that reading of an arm.

    >>> from zoneout_lab import LSTM
    >>> LSTM(1, 3, regularizer=CellShift()).shift_cell_l0.shape
    torch.Size([3])
    """

    kind: ClassVar[str] = "cell_shift"
    cells: ClassVar[tuple[str, ...]] = ("lstm",)

    def sites(self) -> Mapping[str, Mask]:
        return {}
