"""Zoneout and its ablations: which axes the preserve masks vary over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

import numpy as np

from zoneout_lab.checked import rate, rates, whole
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.ops.masks import AXES, MaskSpec, Rate
from zoneout_lab.regularizers.base import Regularizer

Per = Literal["unit", "layer"]
Resample = Literal["step", "sequence", "never"]


@dataclass(frozen=True)
class Zoneout(Regularizer):
    """Randomly preserve previous values: s_t = d ⊙ s_{t−1} + (1 − d) ⊙ s̃_t with d ~ Bernoulli(z) (Krueger et al. 2017, eq. 3).

    Args:
        cell: z for the memory cell, in [0, 1]. LSTM only. A tuple has one z for each unit; two numbers are the first and the last
            unit's, and those between are interpolated.
        hidden: z for the hidden state, likewise.
        share: one mask for cell and hidden state. With unequal rates the smaller set of preserved units lies in the larger.
        per: ``unit``, or ``layer``: all units of a layer are preserved together (stochastic depth in time).
        resample: ``step`` draws anew at every timestep, example and update; ``sequence`` at every example and update, kept for
            the whole sequence; ``never`` fixes one mask over timesteps and units for all of training (static identity
            connections, the paper's §4.5).
        cell_end, hidden_end: the rates at update ``over`` and after, approached in a straight line from ``cell`` and ``hidden`` at
            update 0; None: the rates stay as they are.
        over: how many updates that takes.
        over_share: the same as a fraction of training, in (0, 1]; studies turn it into updates (:meth:`for_training`).

    At evaluation s_t = z ⊙ s_{t−1} + (1 − z) ⊙ s̃_t.

    Raises:
        InputRefusedError: a rate outside [0, 1], an unknown ``per`` or ``resample``, an end without ``over`` or the reverse.

    >>> sorted(Zoneout(cell=0.5, hidden=0.05).sites())
    ['cell', 'hidden']
    >>> sorted(Zoneout(cell=0.5, resample="never").sites()["cell"].varies)
    ['site', 'timestep', 'unit']
    >>> Zoneout(hidden=(0.0, 0.2)).sites()["hidden"].at(0, units=3)
    array([0. , 0.1, 0.2])
    """

    kind: ClassVar[str] = "zoneout"

    cell: Rate = 0.0
    hidden: Rate = 0.0
    share: bool = False
    per: Per = "unit"
    resample: Resample = "step"
    cell_end: Rate | None = None
    hidden_end: Rate | None = None
    over: int | None = None
    over_share: float | None = None

    def __post_init__(self) -> None:
        for state in ("cell", "hidden"):
            object.__setattr__(self, state, rates(getattr(self, state), f"zoneout's {state} rate z"))
            end = getattr(self, f"{state}_end")
            if end is not None:
                object.__setattr__(self, f"{state}_end", rates(end, f"zoneout's last {state} rate z"))
        changes = self.cell_end is not None or self.hidden_end is not None
        if self.over is not None:
            object.__setattr__(
                self, "over", whole(self.over, "zoneout's over (updates until cell_end and hidden_end)", 1)
            )
        if self.over is not None and (not changes or self.over_share is not None):
            raise InputRefusedError(
                f"zoneout's over is {self.over}; it is the number of updates until cell_end and hidden_end are reached: give it with "
                "one of them, and without over_share."
            )
        if self.over_share is not None:
            share = rate(
                self.over_share, "zoneout's over_share (the fraction of training until cell_end and hidden_end)"
            )
            if not changes or share == 0:
                raise InputRefusedError(
                    f"zoneout's over_share is {self.over_share}; it is the fraction of training until cell_end and hidden_end are "
                    "reached, above 0 and at most 1, so it needs one of them."
                )
            if not isinstance(self.over_share, int):  # a study that says 1 keeps its hash
                object.__setattr__(self, "over_share", share)
        if changes and self.over is None and self.over_share is None:
            raise InputRefusedError(
                "zoneout's cell_end and hidden_end need over, the number of updates until they are reached, or in a study over_share."
            )
        for name, value, choices in (("per", self.per, get_args(Per)), ("resample", self.resample, get_args(Resample))):
            if value not in choices:
                raise InputRefusedError(f"zoneout's {name} is {value!r}; choose one of {', '.join(choices)}.")

    def for_training(self, updates: int) -> Zoneout:
        """With ``over`` in place of ``over_share``.

        >>> Zoneout(cell=0.0, cell_end=0.5, over_share=0.25).for_training(1000).over
        250
        """
        if self.over_share is None:
            return self
        return replace(self, over=max(1, round(self.over_share * updates)), over_share=None)

    def sites(self) -> Mapping[str, MaskSpec]:
        if self.over_share is not None:
            raise InputRefusedError(
                f"zoneout's over_share is {self.over_share}, a fraction of training, whose length only a study knows; "
                "give over, a number of updates, or call for_training(updates)."
            )
        fixed = {"step": set(), "sequence": {"timestep"}, "never": {"update", "example"}}[self.resample]
        if self.share:
            fixed = fixed | {"site"}
        if self.per == "layer":
            fixed = fixed | {"unit"}
        varies = frozenset(AXES) - fixed
        each = (("cell", self.cell, self.cell_end), ("hidden", self.hidden, self.hidden_end))
        return {
            site: MaskSpec(z, varies, end, self.over or 0) if end is not None else MaskSpec(z, varies)
            for site, z, end in each
            if np.max(z) > 0 or (end is not None and np.max(end) > 0)
        }
