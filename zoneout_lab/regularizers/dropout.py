"""Dropout that draws anew at every timestep: on the update, on a state itself, or up the stack only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from zoneout_lab.checked import rate
from zoneout_lab.ops.masks import MaskSpec
from zoneout_lab.regularizers.base import Regularizer


@dataclass(frozen=True)
class RecurrentDropout(Regularizer):
    """Drop the update, not the memory: c_t = f ⊙ c_{t−1} + d ⊙ i ⊙ g with d ~ Bernoulli(1 − p) (Semeniuta et al. 2016, eq. 15).

    For a GRU the candidate is dropped: h_t = k ⊙ h_{t−1} + (1 − k) ⊙ d ⊙ n. A plain RNN has no such sum and is refused. At
    evaluation the update is multiplied by 1 − p.

    Args:
        p: probability of *dropping*, in [0, 1].

    Raises:
        InputRefusedError: ``p`` outside [0, 1].

    >>> RecurrentDropout(0.25).sites()["update"].rate
    0.25
    """

    kind: ClassVar[str] = "recurrent_dropout"

    p: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "p", rate(self.p, "recurrent dropout's p"))

    @classmethod
    def keeping(cls, q: float) -> RecurrentDropout:
        """With q the probability of *keeping*: the other reading of a paper's "p".

        >>> RecurrentDropout.keeping(0.25)
        RecurrentDropout(p=0.75)
        """
        return cls(1 - rate(q, "recurrent dropout's probability of keeping"))

    def sites(self) -> Mapping[str, MaskSpec]:
        return {"update": MaskSpec(self.p)} if self.p > 0 else {}


@dataclass(frozen=True)
class CellDropout(Regularizer):
    """Naive dropout on the memory cell: c_t = d ⊙ (f ⊙ c_{t−1} + i ⊙ g) with d ~ Bernoulli(1 − p); LSTM only.

    The arm whose gradient vanishes in Krueger et al. 2017, Figure 6. h_t is made from the dropped cell. At evaluation the cell is
    multiplied by 1 − p at every timestep, so that memory decays with it: no inverted scaling is used.

    Args:
        p: probability of *dropping*, in [0, 1].

    Raises:
        InputRefusedError: ``p`` outside [0, 1].

    >>> CellDropout(0.5).sites()["memory"].rate
    0.5
    """

    kind: ClassVar[str] = "cell_dropout"

    p: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "p", rate(self.p, "cell dropout's p"))

    def sites(self) -> Mapping[str, MaskSpec]:
        return {"memory": MaskSpec(self.p)} if self.p > 0 else {}


@dataclass(frozen=True)
class HiddenDropout(Regularizer):
    """Naive dropout on the hidden state: h_t = d ⊙ h̃_t with d ~ Bernoulli(1 − p), seen by the readout and the next timestep.

    One reading of the "dropout" of Krueger et al. 2017, Figure 6. At evaluation h̃ is multiplied by 1 − p.

    Args:
        p: probability of *dropping*, in [0, 1].

    Raises:
        InputRefusedError: ``p`` outside [0, 1].

    >>> HiddenDropout(0.5).sites()["output"].rate
    0.5
    """

    kind: ClassVar[str] = "hidden_dropout"

    p: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "p", rate(self.p, "hidden dropout's p"))

    def sites(self) -> Mapping[str, MaskSpec]:
        return {"output": MaskSpec(self.p)} if self.p > 0 else {}


@dataclass(frozen=True)
class NonRecurrentDropout(Regularizer):
    """Fresh dropout at every timestep, up the stack only: on each layer's input and the last one's output (Zaremba et al. 2014).

    Layer l sees D(h^{l−1}_t) and its own h^l_{t−1} whole, with D(a) = d ⊙ a / (1 − p) and d ~ Bernoulli(1 − p). So evaluation leaves
    everything alone, and nothing acts from one timestep to the next.

    Args:
        p: probability of *dropping*, in [0, 1].

    Raises:
        InputRefusedError: ``p`` outside [0, 1].

    >>> sorted(NonRecurrentDropout(0.65).sites())
    ['input', 'top']
    """

    kind: ClassVar[str] = "non_recurrent_dropout"

    p: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "p", rate(self.p, "non-recurrent dropout's p"))

    def sites(self) -> Mapping[str, MaskSpec]:
        return dict.fromkeys(("input", "top"), MaskSpec(self.p)) if self.p > 0 else {}
