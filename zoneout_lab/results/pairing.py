"""Two arms side by side: their values of one metric, paired by seed id, with every seed that is lost accounted for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import xarray as xr

from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError, unknown
from zoneout_lab.results.scalars import scalar


@dataclass(frozen=True)
class Pairs:
    """Values of ``metric`` for two arms at the same ``seeds``, in ascending order of seed.

    ``lost`` are the other seeds of these results, where either run is missing, diverged or has no value, and ``absent`` the seeds that
    the study planned and these results do not hold; ``diverged`` names the runs of these two arms that diverged.
    """

    arm: str
    against: str
    metric: str
    long_name: str
    units: str
    noun: str
    better: str
    seeds: tuple[int, ...]
    arm_values: tuple[float, ...]
    against_values: tuple[float, ...]
    lost: tuple[int, ...]
    absent: tuple[int, ...]
    diverged: tuple[tuple[str, int], ...]

    @property
    def differences(self) -> npt.NDArray[np.float64]:
        """arm − against [n]."""
        return np.array(self.arm_values, dtype=np.float64) - np.array(self.against_values, dtype=np.float64)

    @property
    def sizes(self) -> npt.NDArray[np.float64]:
        """The larger of |arm| and |against| [n], whose rounding the differences carry."""
        ours, theirs = (np.abs(np.array(v, dtype=np.float64)) for v in (self.arm_values, self.against_values))
        sizes: npt.NDArray[np.float64] = np.maximum(ours, theirs)
        return sizes


def pairs(tree: xr.DataTree, arm: str, against: str, metric: str) -> Pairs:
    """Pair two arms of a study by seed id.

    Raises UsageError for an unknown arm or metric, InputRefusedError where an arm is paired with itself or a seed appears
    twice.
    """
    tree = schema.by_arm_and_seed(tree)
    values = scalar(tree, metric)
    for name in (arm, against):
        if name not in values["arm"].values:
            raise unknown("arm", name, [str(known) for known in values["arm"].values])
    if arm == against:
        raise InputRefusedError(f"An arm cannot be compared with itself: {arm}.")
    ours, theirs = _by_seed(values.sel(arm=arm)), _by_seed(values.sel(arm=against))
    both = sorted(seed for seed in ours if np.isfinite(ours[seed]) and np.isfinite(theirs[seed]))
    return Pairs(
        arm=arm,
        against=against,
        metric=str(values.name),
        long_name=str(values.attrs["long_name"]),
        units=str(values.attrs["units"]),
        noun=str(values.attrs["noun"]),
        better=str(values.attrs["better"]),
        seeds=tuple(both),
        arm_values=tuple(ours[seed] for seed in both),
        against_values=tuple(theirs[seed] for seed in both),
        lost=tuple(sorted(set(ours) - set(both))),
        absent=_absent(tree, set(ours)),
        diverged=tuple((name, seed) for name in (arm, against) for seed in _diverged(tree, name)),
    )


def _by_seed(values: xr.DataArray) -> dict[int, float]:
    return {int(seed): float(value) for seed, value in zip(values["seed"].values, values.values, strict=True)}


def _absent(tree: xr.DataTree, there: set[int]) -> tuple[int, ...]:
    study = schema.study_of(tree) or {}
    count = (schema.provenance(tree, "reached") if study.get("looks") else None) or study.get("seeds")
    planned = set(range(count)) if isinstance(count, int) else set()
    # other seeds than the study's own: which of them were planned is not known
    return tuple(sorted(planned - there)) if there <= planned else ()


def _diverged(tree: xr.DataTree, arm: str) -> list[int]:
    status = tree["metrics"].to_dataset()["status"].sel(arm=arm)
    return sorted(int(seed) for seed in status["seed"].values[status.values == "diverged"])
