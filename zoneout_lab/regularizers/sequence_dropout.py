"""Dropout whose masks are drawn once for a sequence: rnnDrop, and Gal's variational dropout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from zoneout_lab.checked import rate
from zoneout_lab.ops.masks import AXES, MaskSpec
from zoneout_lab.regularizers.base import Regularizer

_KEPT = frozenset(AXES) - {"timestep"}


@dataclass(frozen=True)
class RnnDrop(Regularizer):
    """Naive dropout on the memory cell, one mask per sequence: c_t = m ⊙ (f ⊙ c_{t−1} + i ⊙ g) with m ~ Bernoulli(1 − p) (Moon et al. 2015, eq. 8); LSTM only.

    At evaluation the cell is multiplied by 1 − p at every timestep, so there the past decays exponentially, as Krueger et al. 2017,
    section 3.2, say it does in expectation. Under the masks themselves it does not: a unit is kept at every timestep or at none, so
    the mean of mᵏ is 1 − p for every k.

    Args:
        p: probability of *dropping*, in [0, 1].

    Raises:
        InputRefusedError: ``p`` outside [0, 1].

    >>> "timestep" in RnnDrop(0.5).sites()["memory"].varies
    False
    """

    kind: ClassVar[str] = "rnn_drop"

    p: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "p", rate(self.p, "rnnDrop's p"))

    def sites(self) -> Mapping[str, MaskSpec]:
        return {"memory": MaskSpec(self.p, _KEPT)} if self.p > 0 else {}


@dataclass(frozen=True)
class VariationalDropout(Regularizer):
    """Masks fixed for a sequence on what goes into the gates (Gal & Ghahramani 2016, eq. 7, with one mask for all four gates).

    The gates see W (m_x ⊙ x_t) + U (m_h ⊙ h_{t−1}), with m = d / (1 − p) and d ~ Bernoulli(1 − p), one draw for all t. So
    evaluation leaves everything alone; ``evaluation="sampled"`` draws masks there too, which averaged is Gal's Monte-Carlo dropout. On
    one-hot inputs ``input`` drops whole symbols for a sequence, which is what ``embedding`` does where symbols are embedded.

    Args:
        input: probability of dropping a feature of each layer's input.
        recurrent: of dropping a unit of h_{t−1} on its way into the products.
        output: of dropping a unit of the last layer's output on its way to the readout.
        embedding: of dropping a symbol's embedding wherever it stands in the sequence.

    Raises:
        InputRefusedError: a probability outside [0, 1].

    >>> sorted(VariationalDropout(input=0.25, recurrent=0.25).sites())
    ['input', 'recurrent']
    """

    kind: ClassVar[str] = "variational_dropout"

    input: float = 0.0
    recurrent: float = 0.0
    output: float = 0.0
    embedding: float = 0.0

    def __post_init__(self) -> None:
        for name in ("input", "recurrent", "output", "embedding"):
            object.__setattr__(self, name, rate(getattr(self, name), f"variational dropout's {name}"))

    def sites(self) -> Mapping[str, MaskSpec]:
        each = {"input": self.input, "recurrent": self.recurrent, "top": self.output, "embedding": self.embedding}
        return {site: MaskSpec(p, _KEPT) for site, p in each.items() if p > 0}
