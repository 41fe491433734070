"""Every arm by itself: its runs' values of a metric and their mean with an interval. Arms are compared elsewhere, in pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import xarray as xr

from zoneout_lab import stats
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.metrics import Scale
from zoneout_lab.results.compared import Interval
from zoneout_lab.results.comparison import Comparison
from zoneout_lab.results.family import compare
from zoneout_lab.results.scalars import scalar


@dataclass(frozen=True)
class ArmValues:
    """The runs of ``arm`` that have a value: ``values`` at ``seeds``, as measured, and their mean.

    On a ratio's scale the ``mean`` is that of the logs, put back (a geometric mean), and so is the ``interval``: the t interval at 95%, which assumes
    that the values on the scale are normal. NaN: no value, or too few.
    """

    arm: str
    seeds: tuple[int, ...]
    values: tuple[float, ...]
    mean: float
    interval: Interval


def arm_values(tree: xr.DataTree, metric: str, scale: Scale | None = None) -> tuple[ArmValues, ...]:
    """The values of a metric by arm, in the order of the study; ``scale`` is the metric's own unless another is given. Raises as :func:`~zoneout_lab.results.scalars.scalar` does.

    >>> from zoneout_lab import schema
    >>> def run(seed, error):
    ...     return schema.run_tree(
    ...         run_id=f"{seed}",
    ...         arm="lstm",
    ...         seed=seed,
    ...         status="finished",
    ...         by_epoch={"valid_error": [error]},
    ...         at_best={},
    ...         best_epoch=1,
    ...         seconds=1.0,
    ...         provenance={},
    ...     )
    >>> runs = [(run(0, 0.25), ""), (run(1, 0.5), "")]
    >>> (lstm,) = arm_values(schema.study_tree(runs, arms=["lstm"], seeds=range(3), provenance={}), "valid_error")
    >>> lstm.seeds, lstm.mean
    ((0, 1), 0.375)
    """
    values = scalar(tree, metric)
    seeds = [int(seed) for seed in values["seed"].values]
    return tuple(
        _summary(str(arm), dict(zip(seeds, row, strict=True)), scale or values.attrs["scale"])
        for arm, row in zip(values["arm"].values, values.values, strict=True)
    )


def _summary(arm: str, row: dict[int, float], scale: Scale) -> ArmValues:
    known = {seed: float(value) for seed, value in row.items() if math.isfinite(value)}
    values = tuple(known.values())
    # what has no log is shown as it is
    used: Scale = scale if scale == "linear" or all(value > 0 for value in values) else "linear"
    used = "linear" if used == "logit" and any(value >= 1 for value in values) else used
    on, n = stats.scaled(values, values, used).arm, len(values)
    mean = float(on.mean()) if n else math.nan
    interval = stats.t_interval(on) if n > 1 else (math.nan, math.nan)
    back = stats.back(used, [mean, *interval])
    return ArmValues(arm, tuple(known), values, float(back[0]), (float(back[1]), float(back[2])))


def largest_difference(tree: xr.DataTree, metric: str, baseline: str, alpha: float = 0.05) -> Comparison | None:
    """The arm that differs most from the baseline on a metric, compared; None where no arm differs or has two pairs.

    "Most" is the largest mean paired difference on the metric's scale. It was chosen among all arms because it is large, so its interval is at
    1 − ``alpha`` divided by the number of arms (Bonferroni). It is exploratory.
    """
    found: list[tuple[float, str]] = []
    rows = {row.arm: dict(zip(row.seeds, row.values, strict=True)) for row in arm_values(tree, metric)}
    scale: Scale = scalar(tree, metric).attrs["scale"]
    ours = rows.pop(baseline, {})
    for arm, values in rows.items():
        seeds = sorted(ours.keys() & values.keys())
        if len(seeds) < 2:
            continue
        pair = ([values[seed] for seed in seeds], [ours[seed] for seed in seeds])
        try:
            found.append((abs(float(stats.scaled(*pair, scale).differences.mean())), arm))
        except InputRefusedError:
            return None  # values that the score's scale does not have
    if not found:
        return None
    size, arm = max(found, key=lambda each: each[0])
    return compare(tree, arm, baseline, metric=metric, alpha=alpha / len(found)) if size > 0 else None
