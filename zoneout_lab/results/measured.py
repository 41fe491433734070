"""Metrics made of what was measured inside the recurrence: one number per run, stored with the measurement or made of its profile."""

from __future__ import annotations

import numpy as np
import xarray as xr

from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError
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
    values = _by_epoch(tree, metric)
    values = values.where(values["epoch"] > 0)
    if -1 in (schema.provenance(tree, "study") or {}).get("gradient_epochs", ()):
        # each run when it ended, which is what was asked for
        last = values["epoch"].where(values.notnull()).max("epoch")
        return values.where(values["epoch"] == last).sum("epoch", min_count=1).reindex_like(finished)
    # one epoch for all: runs that stopped early were measured less often, and a pair is compared at equal training
    # an arm without a single value has a cell of which this cannot be measured, and does not keep the others from being compared
    nowhere = values.isnull().all(["seed", "epoch"])
    everywhere = (values.notnull() | ~finished | nowhere).all(["arm", "seed"])
    common = values["epoch"].where(everywhere & (values["epoch"] > 0)).max()
    if common.isnull():
        return nothing
    return values.sel(epoch=int(common), drop=True).reindex_like(finished)


def _by_epoch(tree: xr.DataTree, metric: str) -> xr.DataArray:
    if metric not in REDUCTIONS:
        return stored_scalars(tree)[metric]
    reduction = REDUCTIONS[metric]
    if reduction.group not in tree.children:
        raise InputRefusedError(f"{metric} needs {reduction.what}, and this study measured none.")
    return reduction.by_epoch(tree[reduction.group].to_dataset(), metric)
