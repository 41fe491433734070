"""Two arms side by side: their values of one metric, paired by seed id, with every seed that is lost accounted for."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from zoneout_lab import schema, stats
from zoneout_lab.errors import InputRefusedError, unknown
from zoneout_lab.metrics import Scale
from zoneout_lab.results.scalars import scalar


@dataclass(frozen=True)
class Pairs:
    """Values of ``metric`` for two arms at the same ``seeds``, in ascending order of seed, as measured and ``on`` the ``scale`` they are compared on.

    ``lost`` are the other seeds of these results, where either run is missing, diverged or has no value, and ``absent`` the seeds that
    the study planned and these results do not hold; ``diverged`` names the runs of these two arms that diverged. ``only_diverged`` are
    the seeds at which just the arm's run diverged and the other has a value, just the other's, and both. ``unfit`` says why the scale cannot
    hold the values, of which there are then none here.
    """

    arm: str
    against: str
    metric: str
    long_name: str
    units: str
    noun: str
    better: str
    scale: Scale
    seeds: tuple[int, ...]
    arm_values: tuple[float, ...]
    against_values: tuple[float, ...]
    on: stats.Scaled
    lost: tuple[int, ...]
    absent: tuple[int, ...]
    diverged: tuple[tuple[str, int], ...]
    only_diverged: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    unfit: str = ""

    @property
    def differences(self) -> npt.NDArray[np.float64]:
        """arm − against [n] on the scale."""
        return self.on.differences

    def of_seeds(self, seeds: Iterable[int]) -> Pairs:
        """These pairs with no other seeds than these."""
        wanted = set(seeds)
        at = [k for k, seed in enumerate(self.seeds) if seed in wanted]
        ours, theirs = (tuple(values[k] for k in at) for values in (self.arm_values, self.against_values))
        return dataclasses.replace(
            self,
            seeds=tuple(self.seeds[k] for k in at),
            arm_values=ours,
            against_values=theirs,
            on=stats.scaled(ours, theirs, self.scale),  # what a zero counts as depends on the other values
            lost=tuple(seed for seed in self.lost if seed in wanted),
            diverged=tuple((name, seed) for name, seed in self.diverged if seed in wanted),
            only_diverged=tuple(tuple(seed for seed in each if seed in wanted) for each in self.only_diverged),  # type: ignore[arg-type]
        )


def pairs(
    tree: xr.DataTree,
    arm: str,
    against: str,
    metric: str,
    scale: Scale | None = None,
    margin: float = 0.0,
    values: xr.DataArray | None = None,
    *,
    refuse: bool = True,
) -> Pairs:
    """Pair two arms of a study by seed id; ``scale`` is the metric's own unless another is named.

    ``values`` are those that :func:`~zoneout_lab.results.scalars.scalar` gives of the metric, where they are known already: a family asks for one metric many times.

    Raises UsageError for an unknown arm or metric, InputRefusedError where an arm is paired with itself, a seed appears
    twice, a ``margin`` needs a scale named, or the scale cannot hold the values; without ``refuse`` there are then no pairs, and they say why.
    """
    tree = schema.by_arm_and_seed(tree)
    values = scalar(tree, metric) if values is None else values
    for name in (arm, against):
        if name not in values["arm"].values:
            raise unknown("arm", name, [str(known) for known in values["arm"].values])
    if arm == against:
        raise InputRefusedError(f"An arm cannot be compared with itself: {arm}.")
    ours, theirs = _by_seed(values.sel(arm=arm)), _by_seed(values.sel(arm=against))
    has = (
        {seed for seed, value in ours.items() if math.isfinite(value)},
        {seed for seed, value in theirs.items() if math.isfinite(value)},
    )
    both = sorted(has[0] & has[1])
    arm_values, against_values = tuple(ours[seed] for seed in both), tuple(theirs[seed] for seed in both)
    used, unfit = stats.named_or_own(scale, values.attrs["scale"], margin, metric), ""
    try:
        on = stats.scaled(arm_values, against_values, used)
    except InputRefusedError as error:
        if refuse:
            raise InputRefusedError(
                f"{metric} of {arm} and {against} cannot be compared on the {used} scale. {error}"
            ) from error
        both, arm_values, against_values, unfit = [], (), (), str(error)
        on = stats.scaled((), (), used)
    fell = set(_diverged(tree, arm)), set(_diverged(tree, against))
    return Pairs(
        arm=arm,
        against=against,
        metric=str(values.name),
        long_name=str(values.attrs["long_name"]),
        units=str(values.attrs["units"]),
        noun=str(values.attrs["noun"]),
        better=str(values.attrs["better"]),
        scale=used,
        seeds=tuple(both),
        arm_values=arm_values,
        against_values=against_values,
        on=on,
        lost=() if unfit else tuple(sorted(set(ours) - set(both))),
        absent=_absent(tree, set(ours)),
        diverged=tuple(
            (name, seed) for name, seeds in zip((arm, against), fell, strict=True) for seed in sorted(seeds)
        ),
        only_diverged=(
            tuple(sorted(fell[0] & has[1])),
            tuple(sorted(fell[1] & has[0])),
            tuple(sorted(fell[0] & fell[1])),
        ),
        unfit=unfit,
    )


def _by_seed(values: xr.DataArray) -> dict[int, float]:
    return dict(zip(map(int, values["seed"].values.tolist()), values.values.tolist(), strict=True))


def _absent(tree: xr.DataTree, there: set[int]) -> tuple[int, ...]:
    study = schema.study_of(tree) or {}
    count = (schema.provenance(tree, "reached") if study.get("looks") else None) or study.get("seeds")
    planned = set(range(count)) if isinstance(count, int) else set()
    # other seeds than the study's own: which of them were planned is not known
    return tuple(sorted(planned - there)) if there <= planned else ()


def _diverged(tree: xr.DataTree, arm: str) -> list[int]:
    status = tree["metrics"].to_dataset()["status"].sel(arm=arm)
    return sorted(int(seed) for seed in status["seed"].values[status.values == "diverged"])
