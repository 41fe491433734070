"""One number per run: the scalars that hypotheses are about, by metric name."""

from __future__ import annotations

import numpy as np
import xarray as xr

from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError, unknown
from zoneout_lab.results.derived import DERIVED, derived


def scalar(tree: xr.DataTree, metric: str) -> xr.DataArray:
    """One metric as [arm, seed], NaN where the run diverged or is missing, with ``long_name`` and ``units``.

    ``valid_score`` (``test_score``, ``train_eval_score``) is the score of the study's task, whose name the result has:
    ``valid_error``, for example. A metric by epoch is taken at each run's ``best_epoch``. What :data:`DERIVED` names is computed from
    measurements. A known metric of a study without any finished run is NaN throughout.

    Raises UsageError for a metric that is on no list, or a score where no run has one yet; InputRefusedError where an arm or seed appears twice or the study did
    not measure what is asked.

    >>> import numpy as np
    >>> run = schema.run_tree(
    ...     run_id="r",
    ...     arm="lstm",
    ...     seed=0,
    ...     status="finished",
    ...     by_epoch={"valid_error": [0.5, 0.25, 0.375]},
    ...     at_best={},
    ...     best_epoch=2,
    ...     gradients={},
    ...     seconds=1.0,
    ...     provenance={},
    ... )
    >>> study = schema.study_tree([(run, "sha")], arms=["lstm"], seeds=[0, 1], provenance={})
    >>> scalar(study, "valid_error").values
    array([[0.25,  nan]])
    """
    tree = schema.by_arm_and_seed(tree)
    metrics = _metrics(tree)
    metric = _of_task(metrics, metric)
    finished = metrics["status"] == "finished"
    if metric in DERIVED:
        values = derived(tree, finished, metric)
    elif metric in metrics and np.issubdtype(metrics[metric].dtype, np.number):
        values = metrics[metric]
        if "epoch" in values.dims:
            values = values.where(metrics["epoch"] == metrics["best_epoch"]).sum("epoch", min_count=1)
    elif metric in schema.QUANTITIES and not finished.any():
        values = _nothing(finished)
    else:
        numeric = [str(name) for name, v in metrics.data_vars.items() if np.issubdtype(v.dtype, np.number)]
        scores = [name for split in schema.SPLITS if _of_task(metrics, name := f"{split}_score") != name]
        raise unknown("metric", metric, [*numeric, *scores, *DERIVED])
    values = values.where(finished).transpose("arm", "seed").astype(np.float64).rename(metric)
    if metric in DERIVED:
        long_name, units = DERIVED[metric].long_name, DERIVED[metric].units
    else:
        attrs = metrics[metric].attrs if metric in metrics else {}
        long_name, units = schema.description(metric, attrs)
        units = attrs.get("units", units)  # a loss has another unit in another task
    return values.assign_attrs(long_name=long_name, units=units)


def _metrics(tree: xr.DataTree) -> xr.Dataset:
    if tree.attrs.get("kind") != "study" or "metrics" not in tree.children:
        raise InputRefusedError("This is not the results of a study: open a study's folder or its study.nc.")
    metrics = tree["metrics"].to_dataset()
    for dim in ("arm", "seed"):
        index = metrics.indexes[dim]
        if not index.is_unique:
            twice = ", ".join(str(value) for value in index[index.duplicated()].unique())
            raise InputRefusedError(
                f"Runs are paired by seed, so each {dim} appears once; these appear again: {twice}."
            )
    return metrics


def _of_task(metrics: xr.Dataset, metric: str) -> str:
    """``valid_score`` by the name that it has for the study's task; any other name as it is."""
    split, _, last = metric.rpartition("_")
    names = [f"{split}_{score}" for score in schema.SCORES if f"{split}_{score}" in metrics]
    return names[0] if last == "score" and names else metric


def _nothing(finished: xr.DataArray) -> xr.DataArray:
    return xr.full_like(finished, np.nan, dtype=np.float64)
