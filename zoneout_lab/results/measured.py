"""Metrics made of what was measured inside the recurrence: one number per run, stored with the measurement or made of its profile."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
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
    finished = finished.transpose("arm", "seed")
    cells = {dim: finished[dim] for dim in ("arm", "seed")}
    nothing = np.full(finished.shape, np.nan)
    if not finished.any():
        return xr.DataArray(nothing, cells, ("arm", "seed"))
    group, by_epoch = _by_epoch(tree, metric)
    epochs, planned = _planned(tree, group, by_epoch["epoch"].values, finished)
    ordered = by_epoch.reindex(cells | {"epoch": epochs}).transpose("arm", "seed", "epoch")
    values: npt.NDArray[np.float64] = np.where(epochs > 0, ordered.values.astype(np.float64), np.nan)
    # where a value was to be and is not a number, an earlier one does not stand in for it
    taken = np.asarray(~np.isnan(values) | planned)
    if -1 in _epochs_asked(tree):
        # each run when it ended, which is what was asked for
        last = len(epochs) - 1 - np.argmax(taken[:, :, ::-1], axis=2)
        found = np.where(taken.any(axis=2), np.take_along_axis(values, last[:, :, None], axis=2)[:, :, 0], np.nan)
    else:
        # one epoch for all: runs that stopped early were measured less often, and a pair is compared at equal training
        # an arm without a single value has a cell of which this cannot be measured, and does not keep the others from being compared
        nowhere = np.asarray(np.isnan(values).all(axis=(1, 2)))
        everywhere = np.asarray(taken | ~finished.values[:, :, None] | nowhere[:, None, None]).all(axis=(0, 1)) & (
            epochs > 0
        )
        found = values[:, :, np.flatnonzero(everywhere)[-1]] if everywhere.any() else nothing
    return xr.DataArray(found, cells, ("arm", "seed"), attrs=by_epoch.attrs)


def _by_epoch(tree: xr.DataTree, metric: str) -> tuple[str, xr.DataArray]:
    """The metric's group, and its values [arm, seed, epoch]."""
    if metric in REDUCTIONS:
        reduction = REDUCTIONS[metric]
        return reduction.group, reduction.by_epoch(tree[reduction.group].to_dataset(), metric)
    group = next(str(label) for label, each in tree.children.items() if label not in _NOT_MEASURED and metric in each)
    return group, stored_scalars(tree)[metric]


def _planned(
    tree: xr.DataTree, group: str, measured_at: npt.NDArray[Any], finished: xr.DataArray
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
    """The epochs, in order, after which runs were measured or were to be; and at which of them each run was to be, [arm, seed, epoch], as far as
    the results say.

    Runs of which nothing of the group was ever measured were trained without it, unless it is on record that it failed.
    """
    at = _epochs_asked(tree)
    cells = {dim: finished[dim] for dim in ("arm", "seed")}
    metrics = tree["metrics"].to_dataset()
    ran = np.full(finished.shape, np.nan)
    if "epochs_run" in metrics:
        ran = metrics["epochs_run"].reindex(cells).transpose("arm", "seed").values
    has = np.zeros(finished.shape, dtype=bool)
    for each in tree[group].to_dataset().reindex(cells).data_vars.values():
        if {"arm", "seed"} <= set(each.dims):
            has |= each.notnull().transpose("arm", "seed", ...).values.reshape(*finished.shape, -1).any(axis=2)
    failed = {
        (each["arm"], each["seed"]) for each in schema.provenance(tree, "unmeasured") or [] if each["group"] == group
    }
    has |= np.array([[(arm, seed) in failed for seed in cells["seed"].values] for arm in cells["arm"].values])
    ends = ran[has & np.isfinite(ran)] if -1 in at else []
    longest = np.nanmax(ran) if np.isfinite(ran).any() else 0
    epochs = np.array(
        sorted({*measured_at.tolist(), *(epoch for epoch in at if 0 < epoch <= longest), *map(int, ends)})
    )
    ran = ran[:, :, None]
    due = (np.isin(epochs, at) & (epochs <= ran)) | ((epochs == ran) & (-1 in at))
    return epochs, due & has[:, :, None]


def _epochs_asked(tree: xr.DataTree) -> list[int]:
    return list((schema.study_of(tree) or {}).get("gradient_epochs", ()))
