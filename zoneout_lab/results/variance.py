"""Where the variance between seeds comes from: arms that differ only in what their seeds vary (after Bouthillier et al. 2021)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from zoneout_lab import schema
from zoneout_lab.results.scalars import scalar
from zoneout_lab.stats.spread import Interval, sd_interval, variance_ratio

#: what randomness comes from, in the order in which studies write it
KINDS = ("init", "data", "masks")


@dataclass(frozen=True)
class Spread:
    """How an arm's metric scatters over its seeds: ``mean`` and ``sd`` (n − 1 in the denominator) in the metric's unit.

    ``varies`` is what its seeds vary. ``relative`` is the arm's variance divided by that of the arm ``whole``, which is trained alike and
    varies more, over the ``n_both`` seeds that both have; without such an arm ``whole`` is empty and ``relative`` NaN. Intervals are those
    of the jackknife (:mod:`zoneout_lab.stats.spread`).
    """

    arm: str
    varies: tuple[str, ...]
    n: int
    mean: float
    sd: float
    sd_interval: Interval
    whole: str = ""
    n_both: int = 0
    relative: float = math.nan
    relative_interval: Interval = (math.nan, math.nan)


def what_varies(study: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Name of an arm → what differs between its seeds, of a recorded study. One that does not say varies everything.

    >>> what_varies({"vary": ["masks"], "arms": [{"name": "a"}, {"name": "b", "vary": ["init"]}]})
    {'a': ('masks',), 'b': ('init',)}
    """
    arms = [arm for arm in study.get("arms") or () if isinstance(arm, Mapping)]
    named = {str(arm.get("name")): arm.get("vary") or study.get("vary") or KINDS for arm in arms}
    return {name: tuple(kind for kind in KINDS if kind in kinds) for name, kinds in named.items()}


def sources_of_variance(tree: xr.DataTree, metric: str, alpha: float = 0.05) -> tuple[Spread, ...]:
    """How the metric scatters in every arm, beside what its seeds vary; empty where all arms vary the same.

    What an arm holds, it holds at the draw of seed 0: its scatter is that at this one draw, and those of several arms need not add
    up to the whole. Runs that diverged or are missing are left out. Raises what :func:`~zoneout_lab.results.scalar` raises.

    Args:
        tree: a study's results, which record the study.
        metric: by name.
        alpha: 1 − level of the intervals.
    """
    study = schema.study_of(tree) or {}
    varies = what_varies(study)
    if len(set(varies.values())) < 2:
        return ()
    values = scalar(tree, metric)
    of = {str(arm): np.asarray(values.sel(arm=arm).values, dtype=np.float64) for arm in values["arm"].values}
    wholes = _wholes(study, varies)
    return tuple(_spread(arm, varies.get(arm, KINDS), of, wholes.get(arm, ""), alpha) for arm in of)


def _wholes(study: Mapping[str, Any], varies: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Arm → the first of those trained alike that vary most, where that is more than the arm itself does."""
    alike: dict[str, list[str]] = {}
    for arm in study.get("arms") or ():
        trained = json.dumps([arm.get("regularizer"), arm.get("change"), arm.get("search")], sort_keys=True)
        alike.setdefault(trained, []).append(str(arm.get("name")))
    found = {}
    for names in alike.values():
        for name in names:
            wider = [other for other in names if set(varies[other]) > set(varies[name])]
            if wider:
                found[name] = max(wider, key=lambda other: len(varies[other]))
    return found


def _spread(arm: str, varies: tuple[str, ...], of: Mapping[str, np.ndarray], whole: str, alpha: float) -> Spread:
    values = of[arm][np.isfinite(of[arm])]
    mean = float(values.mean()) if values.size else math.nan
    sd = float(values.std(ddof=1)) if values.size > 1 else math.nan
    spread = Spread(arm, varies, values.size, mean, sd, sd_interval(values, alpha))
    if whole not in of:
        return spread
    both = np.isfinite(of[arm]) & np.isfinite(of[whole])
    relative, interval = variance_ratio(of[arm][both], of[whole][both], alpha)
    return Spread(arm, varies, values.size, mean, sd, spread.sd_interval, whole, int(both.sum()), relative, interval)
