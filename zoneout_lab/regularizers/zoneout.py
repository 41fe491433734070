"""Zoneout and its ablations: which axes the preserve masks vary over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.masks import AXES, Mask
from zoneout_lab.regularizers.base import Regularizer, rate

Per = Literal["unit", "layer"]
Resample = Literal["step", "sequence", "never"]


@dataclass(frozen=True)
class Zoneout(Regularizer):
    """Randomly preserve previous values: s_t = d ⊙ s_{t−1} + (1 − d) ⊙ s̃_t with d ~ Bernoulli(z) (Krueger et al. 2017, eq. 3).

    Args:
        cell: z for the memory cell, in [0, 1]. LSTM only.
        hidden: z for the hidden state, in [0, 1].
        share: one mask for cell and hidden state. With unequal rates the smaller set of preserved units lies in the larger.
        per: ``unit``, or ``layer``: all units of a layer are preserved together (stochastic depth in time).
        resample: ``step`` draws anew at every timestep, example and update; ``sequence`` at every example and update, kept for
            the whole sequence; ``never`` fixes one mask over timesteps and units for all of training (static identity
            connections, the paper's §4.5).

    At evaluation s_t = z ⊙ s_{t−1} + (1 − z) ⊙ s̃_t.

    Raises:
        InputRefusedError: a rate outside [0, 1], or an unknown ``per`` or ``resample``.

    >>> sorted(Zoneout(cell=0.5, hidden=0.05).sites())
    ['cell', 'hidden']
    >>> sorted(Zoneout(cell=0.5, resample="never").sites()["cell"].varies)
    ['site', 'timestep', 'unit']
    """

    kind: ClassVar[str] = "zoneout"

    cell: float = 0.0
    hidden: float = 0.0
    share: bool = False
    per: Per = "unit"
    resample: Resample = "step"

    def __post_init__(self) -> None:
        object.__setattr__(self, "cell", rate(self.cell, "zoneout's cell rate z"))
        object.__setattr__(self, "hidden", rate(self.hidden, "zoneout's hidden rate z"))
        for name, value, choices in (("per", self.per, get_args(Per)), ("resample", self.resample, get_args(Resample))):
            if value not in choices:
                raise InputRefusedError(f"zoneout's {name} is {value!r}; choose one of {', '.join(choices)}.")

    def sites(self) -> Mapping[str, Mask]:
        fixed = {"step": set(), "sequence": {"timestep"}, "never": {"update", "example"}}[self.resample]
        if self.share:
            fixed = fixed | {"site"}
        if self.per == "layer":
            fixed = fixed | {"unit"}
        varies = frozenset(AXES) - fixed
        return {site: Mask(z, varies) for site, z in (("cell", self.cell), ("hidden", self.hidden)) if z > 0}
