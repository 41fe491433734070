"""The numbers of a comparison of two arms: everything its verdict rests on, and no more."""

from __future__ import annotations

import math
from dataclasses import dataclass

from zoneout_lab import stats
from zoneout_lab.metrics import Scale

Interval = tuple[float, float]


@dataclass(frozen=True)
class Compared:
    """What a :class:`~zoneout_lab.results.comparison.Comparison` holds, which says what each of these is."""

    arm: str
    against: str
    metric: str
    long_name: str
    units: str
    scale: Scale
    direction: stats.Direction
    margin: float
    bound: float
    declared: bool
    alpha: float
    family: int
    family_alpha: float
    correction: stats.Family
    seeds: tuple[int, ...]
    lost: tuple[int, ...]
    absent: tuple[int, ...]
    diverged: tuple[tuple[str, int], ...]
    arm_values: tuple[float, ...]
    against_values: tuple[float, ...]
    replaced: int
    differences: tuple[float, ...]
    mean_difference: float
    constant: bool
    interval: Interval
    inner: Interval
    inner_alpha: float
    t_interval: Interval
    p: float
    p_error: float
    method: str
    p_verdict: float
    p_adjusted: float
    p_holm: float
    p_wilcoxon: float
    wilcoxon_method: str
    p_sign: float
    median_interval: Interval
    smallest_p: float
    d_z: float
    d_z_interval: Interval
    hodges_lehmann: float
    cautions: tuple[stats.Caution, ...]
    p_worst: float
    verdict_worst: stats.Verdict | None
    verdict: stats.Verdict
    chance: float | None = None
    seeds_to_decide: int | None = None
    looks: tuple[int, ...] = ()
    look: int | None = None
    spent: float | None = None
    declared_as: str = ""
    unfit: str = ""
    noun: str = ""
    better: str = ""
    paired: bool = True
    at_judging: bool = False
    by: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    lost_blocks: tuple[str, ...] = ()
    groups: int = 0
    p_groups: float = math.nan
    sentence: str = ""
    short: str = ""
    arm_label: str = ""
    against_label: str = ""

    @property
    def measured(self) -> bool:
        """True where there is something to compare: a pair, or a value of each arm."""
        return bool(self.seeds) if self.paired else bool(self.arm_values and self.against_values)
