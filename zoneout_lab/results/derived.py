"""Metrics that are computed from what was measured inside the recurrence: one number per run for a whole profile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError


@dataclass(frozen=True)
class Derived:
    """A metric made of a profile: where in a study's tree the profile is, and what to call the metric."""

    group: str
    variable: str
    state: str
    point: str | None
    long_name: str
    units: str = "1"


def _early_share(state: str, point: str = "candidate", suffix: str = "") -> Derived:
    where = "before" if point == "candidate" else "after"
    name = f"part of the {state} gradient's norm in the first third of the sequence, {where} zoneout{_noise(suffix)}"
    return Derived("gradients", f"normalised{suffix}", state, point, name)


def _remaining(state: str, suffix: str = "") -> Derived:
    name = f"what is left of a perturbation in the {state} state, mean over the second half of the sequence{_noise(suffix)}"
    return Derived("dynamics", f"growth{suffix}", state, None, name)


def _noise(suffix: str) -> str:
    return ", with every mask replaced by its expectation" if suffix else ""


_SILENT = "_without_noise"

#: The early share is the sum of a normalised gradient over the first ⌊T/3⌋ timesteps; the authors' probe sits on the candidate,
#: before zoneout, and ``_state`` takes the state after it. A perturbation's remainder is the mean of its growth over all lags.
#: ``_without_noise`` is of a pass that draws no masks. All are averaged over layers, at the last epoch measured after training began
#: that all runs have, or where the study measures at −1, at each run's last
DERIVED: dict[str, Derived] = {
    f"{name}_{state}{suffix}": derived
    for state in ("cell", "hidden")
    for name, suffix, derived in (
        ("early_third_mass", "", _early_share(state)),
        ("early_third_mass", "_state", _early_share(state, "state")),
        ("early_third_mass", _SILENT, _early_share(state, suffix=_SILENT)),
        ("perturbation", "", _remaining(state)),
        ("perturbation", _SILENT, _remaining(state, _SILENT)),
    )
}


def derived(tree: xr.DataTree, finished: xr.DataArray, metric: str) -> xr.DataArray:
    """The metric as [arm, seed].

    Args:
        tree: a study's results.
        finished: which runs count, [arm, seed].
        metric: a key of :data:`DERIVED`.

    Raises InputRefusedError where the study did not measure what it takes.
    """
    wanted = DERIVED[metric]
    nothing = xr.full_like(finished, np.nan, dtype=np.float64)
    if not finished.any():
        return nothing
    what = {"gradients": "gradient norms", "dynamics": "perturbations"}[wanted.group]
    if wanted.group not in tree.children:
        raise InputRefusedError(f"{metric} needs {what}, and this study measured none.")
    measured = tree[wanted.group].to_dataset()
    if wanted.variable not in measured:
        raise InputRefusedError(f"{metric} needs {what} taken without noise, and this study measured none.")
    profile = measured[wanted.variable]
    for dim, label in (("state", wanted.state), ("point", wanted.point)):
        if label is not None and label not in profile[dim].values:
            raise InputRefusedError(f"{metric} needs {what} at {dim} {label!r}, which this study did not measure.")
    profile = profile.sel(state=wanted.state)
    values = _early(profile.sel(point=wanted.point), metric) if wanted.point else profile.mean("lag", skipna=False)
    values = values.mean("layer").where(values["epoch"] > 0)
    if -1 in (schema.provenance(tree, "study") or {}).get("gradient_epochs", ()):
        # each run when it ended, which is what was asked for
        last = values["epoch"].where(values.notnull()).max("epoch")
        return values.where(values["epoch"] == last).sum("epoch", min_count=1).reindex_like(finished)
    # one epoch for all: runs that stopped early were measured less often, and a pair is compared at equal training
    everywhere = (values.notnull() | ~finished).all(["arm", "seed"])
    common = values["epoch"].where(everywhere & (values["epoch"] > 0)).max()
    if common.isnull():
        return nothing
    return values.sel(epoch=int(common), drop=True).reindex_like(finished)


def _early(share: xr.DataArray, metric: str) -> xr.DataArray:
    third = share.sizes["time"] // 3
    if third == 0:
        raise InputRefusedError(f"{metric} needs at least three timesteps; there are {share.sizes['time']}.")
    return share.sortby("time").isel(time=slice(third)).sum("time", skipna=False)
