"""One number per run: the scalars that hypotheses are about, by metric name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import xarray as xr

from zoneout_lab import schema
from zoneout_lab.descriptions import QUANTITIES, description, units_of
from zoneout_lab.errors import InputRefusedError, unknown
from zoneout_lab.metrics import SCORES, SPLITS, Metric
from zoneout_lab.profiles import REDUCTIONS
from zoneout_lab.results.measured import measured, stored_scalars


def scalar(tree: xr.DataTree, metric: str) -> xr.DataArray:
    """One metric as [arm, seed], NaN where the run diverged or is missing, with ``long_name``, ``units``, ``noun``, ``better`` and ``scale``.

    ``valid_score`` (``test_score``, ``train_eval_score``) is the score of the study's task, whose name the result has:
    ``valid_error``, for example. A metric by epoch is taken at each run's ``best_epoch``, or where runs have none at
    the last epoch with a value. A measure's scalar is
    taken at the last epoch measured. A known metric of a study without any finished run is NaN throughout, and so is one that a declared
    hypothesis is about and no run has.

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
    ...     seconds=1.0,
    ...     provenance={},
    ... )
    >>> study = schema.study_tree([(run, "sha")], arms=["lstm"], seeds=[0, 1], provenance={})
    >>> scalar(study, "valid_error").values
    array([[0.25,  nan]])
    """
    tree = schema.by_arm_and_seed(tree)
    metrics = _metrics(tree)
    metric = _of_task(tree, metrics, metric)
    finished = metrics["status"] == "finished"
    stored = stored_scalars(tree)
    declared = metric in metrics and metric in schema.own_metrics(tree)
    if not declared and (metric in stored or (metric in REDUCTIONS and REDUCTIONS[metric].group in tree.children)):
        values = measured(tree, finished, metric)
    elif metric in metrics and np.issubdtype(metrics[metric].dtype, np.number):
        values = metrics[metric]
        if "epoch" in values.dims:
            # a training function of somebody's own selects no epoch
            taken = metrics.get("best_epoch", values["epoch"].where(values.notnull()).max("epoch"))
            values = values.where(metrics["epoch"] == taken).sum("epoch", min_count=1)
    elif metric in (QUANTITIES | schema.own_metrics(tree) | REDUCTIONS) and not finished.any():
        values = _nothing(finished)
    elif metric in _declared(tree):
        values = _nothing(finished)  # what was to be measured failed in every run
    elif metric in REDUCTIONS:
        failed = [e for e in schema.provenance(tree, "unmeasured") or [] if e["group"] == REDUCTIONS[metric].group]
        why = f"measuring them failed: {failed[0]['error']}" if failed else "this study measured none."
        raise InputRefusedError(f"{metric} needs {REDUCTIONS[metric].what}, and {why}")
    else:
        numeric = [str(name) for name, v in metrics.data_vars.items() if np.issubdtype(v.dtype, np.number)]
        scores = [name for split in SPLITS if _of_task(tree, metrics, name := f"{split}_score") != name]
        measured_here = [name for name, each in REDUCTIONS.items() if each.group in tree.children]
        raise unknown("metric", metric, [*numeric, *scores, *stored, *measured_here])
    values = values.where(finished).transpose("arm", "seed").astype(np.float64).rename(metric)
    about = described(tree, metric)
    return values.assign_attrs(
        long_name=about.long_name, units=about.unit, noun=about.noun, better=about.better or "", scale=about.scale
    )


def described(tree: xr.DataTree, metric: str) -> Metric:
    """What a metric of a study is: from the task's recorded score, the list of ours, its measure, or its own attributes."""
    own = schema.own_metrics(tree)
    if metric in REDUCTIONS and metric not in own:
        return REDUCTIONS[metric].about
    here = tree["metrics"].to_dataset().data_vars if metric in tree["metrics"] else stored_scalars(tree)
    attrs = here[metric].attrs if metric in here else {}
    theirs = metric in tree["metrics"] and schema.describes_its_own(tree)
    about = own.get(metric) or (Metric(str(attrs["long_name"]), "") if theirs else description(metric, attrs))
    # a loss has another unit in another task
    return dataclasses.replace(about, unit=about.counts or units_of(attrs, about.unit))


def _declared(tree: xr.DataTree) -> set[str]:
    """The metrics of the study's hypotheses, which were checked to be among its own before it ran."""
    hypotheses = (schema.study_of(tree) or {}).get("hypotheses") or ()
    return {str(each.get("metric")) for each in hypotheses if isinstance(each, Mapping)}


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


def _of_task(tree: xr.DataTree, metrics: xr.Dataset, metric: str) -> str:
    """``valid_score`` by the name that it has for the study's task; any other name as it is."""
    split, _, last = metric.rpartition("_")
    if last != "score" or split not in SPLITS or metric in metrics:  # a table may have a column of that name
        return metric
    recorded = schema.score_of(tree)
    names = [f"{split}_{score}" for score in ([recorded.name] if recorded else SCORES)]
    return next((name for name in names if name in metrics), metric)


def _nothing(finished: xr.DataArray) -> xr.DataArray:
    return xr.full_like(finished, np.nan, dtype=np.float64)
