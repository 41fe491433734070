"""Recurrent dropout whose mask also acts on the output gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from zoneout_lab.checked import rate
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.masks import Mask
from zoneout_lab.regularizers.base import Regularizer

Reading = Literal["printed", "intended"]


@dataclass(frozen=True)
class InputMask(Regularizer):
    """c_t = f ⊙ c_{t−1} + d ⊙ i ⊙ g, and one mask mixes o_t with o_{t−1} (Krueger et al. 2017, section 3.3); LSTM only.

    With d ~ Bernoulli(1 − p), h_t = (d ⊙ o_t + (1 − d) ⊙ o_{t−1}) ⊙ tanh(c_t) as intended and h_t = (d ⊙ o_{t−1} + (1 − d) ⊙ o_t) ⊙
    tanh(c_t) as printed. At evaluation d is its mean 1 − p.

    Args:
        p: probability of *dropping* the update, in [0, 1].
        reading: ``intended`` keeps the old output gate where the update is dropped, as the text says; ``printed`` where it is
            kept, as the formula does. With p = 0 the printed formula still uses o_{t−1} everywhere.

    Raises:
        InputRefusedError: ``p`` outside [0, 1], an unknown reading.

    >>> InputMask(0.25).reading
    'intended'
    """

    kind: ClassVar[str] = "input_mask"
    cells: ClassVar[tuple[str, ...]] = ("lstm",)

    p: float = 0.0
    reading: Reading = "intended"

    def __post_init__(self) -> None:
        object.__setattr__(self, "p", rate(self.p, "the input mask's p"))
        if self.reading not in get_args(Reading):
            raise InputRefusedError(
                f"the input mask's reading is {self.reading!r}; choose one of {', '.join(get_args(Reading))}."
            )

    def sites(self) -> Mapping[str, Mask]:
        return {"update": Mask(self.p)} if self.p > 0 else {}
