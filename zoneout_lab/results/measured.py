"""Metrics made of what was measured inside the recurrence: one number per run, stored with the measurement or made of its profile."""

from __future__ import annotations

import numpy as np
import xarray as xr

from zoneout_lab import schema
from zoneout_lab.profiles import REDUCTIONS

_NOT_MEASURED = ("metrics", "provenance")


def stored_scalars(tree: xr.DataTree) -> dict[str, xr.DataArray]:
    """Name → values [arm, seed, epoch] of the scalars that measures stored, as :func:`~zoneout_lab.schema.by_arm_and_seed` has them."""
    return {
        str(name): values
        for label, group in tree.children.items()
        if label not in _NOT_MEASURED
        for name, values in group.to_dataset().data_vars.items()
        if set(values.dims) == {"arm", "seed", "epoch"}
    }


def measured(tree: xr.DataTree, finished: xr.DataArray, metric: str) -> xr.DataArray:
    """The metric as [arm, seed], at the last epoch measured after training began that all runs have, or where the study measures at −1,
    at each run's last.

    Args:
        tree: a study's results.
        finished: which runs count, [arm, seed].
        metric: a key of :data:`~zoneout_lab.profiles.REDUCTIONS` or of :func:`stored_scalars`.

    Raises InputRefusedError where the study did not measure what it takes.
    """
    nothing = xr.full_like(finished, np.nan, dtype=np.float64)
    if not finished.any():
        return nothing
    group, values = _by_epoch(tree, metric)
    planned = _planned(tree, group, values)
    values = values.reindex_like(planned)
    values = values.where(values["epoch"] > 0)
    # where a value was to be and is not a number, an earlier one does not stand in for it
    taken = values.notnull() | planned
    if -1 in (schema.provenance(tree, "study") or {}).get("gradient_epochs", ()):
        # each run when it ended, which is what was asked for
        last = values["epoch"].where(taken).max("epoch")
        return values.where(values["epoch"] == last).sum("epoch", min_count=1).reindex_like(finished)
    # one epoch for all: runs that stopped early were measured less often, and a pair is compared at equal training
    # an arm without a single value has a cell of which this cannot be measured, and does not keep the others from being compared
    nowhere = values.isnull().all(["seed", "epoch"])
    everywhere = (taken | ~finished | nowhere).all(["arm", "seed"])
    common = values["epoch"].where(everywhere & (values["epoch"] > 0)).max()
    if common.isnull():
        return nothing
    return values.sel(epoch=int(common), drop=True).reindex_like(finished)


def _by_epoch(tree: xr.DataTree, metric: str) -> tuple[str, xr.DataArray]:
    """The metric's group, and its values [arm, seed, epoch]."""
    if metric in REDUCTIONS:
        reduction = REDUCTIONS[metric]
        return reduction.group, reduction.by_epoch(tree[reduction.group].to_dataset(), metric)
    group = next(str(label) for label, each in tree.children.items() if label not in _NOT_MEASURED and metric in each)
    return group, stored_scalars(tree)[metric]


def _planned(tree: xr.DataTree, group: str, values: xr.DataArray) -> xr.DataArray:
    """At which epochs each run was to be measured, [arm, seed, epoch] as ``values`` or longer, as far as the results say.

    Runs of which nothing of the group was ever measured were trained without it, unless it is on record that it failed.
    """
    at = (schema.study_of(tree) or {}).get("gradient_epochs", ())
    ran = tree["metrics"].to_dataset().get("epochs_run", xr.full_like(values.isel(epoch=0, drop=True), np.nan))
    has = xr.zeros_like(ran, dtype=bool)
    for each in tree[group].to_dataset().data_vars.values():
        has = has | each.notnull().any(set(each.dims) - {"arm", "seed"})
    failed = {
        (each["arm"], each["seed"]) for each in schema.provenance(tree, "unmeasured") or [] if each["group"] == group
    }
    has = has | [[(arm, seed) in failed for seed in ran["seed"].values] for arm in ran["arm"].values]
    ends = [int(end) for end in np.unique(ran.where(has)) if -1 in at and np.isfinite(end)]
    epochs = sorted({*values["epoch"].values.tolist(), *(epoch for epoch in at if 0 < epoch <= ran.max()), *ends})
    epoch = xr.DataArray(epochs, dims="epoch", coords={"epoch": epochs})
    due = (epoch.isin(at) & (epoch <= ran)) | ((epoch == ran) & (-1 in at))
    return (due & has).transpose("arm", "seed", "epoch")
