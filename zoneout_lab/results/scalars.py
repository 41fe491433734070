"""One number per run: the scalars that hypotheses are about, by metric name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError, unknown


@dataclass(frozen=True)
class EarlyShare:
    """The part of a gradient's norm that lies in the first third of the sequence: where it is taken, and what to call it."""

    state: str
    point: str
    variable: str
    long_name: str
    units: str = "1"


def _early(state: str, point: str = "candidate", suffix: str = "") -> EarlyShare:
    where = "before" if point == "candidate" else "after"
    noise = ", with every mask replaced by its expectation" if suffix else ""
    return EarlyShare(
        state,
        point,
        f"normalised{suffix}",
        f"part of the {state} gradient's norm in the first third of the sequence, {where} zoneout{noise}",
    )


#: metrics computed from gradient flow. The authors' probe sits on the candidate, before zoneout; ``_state`` takes the state after
#: it, and ``_without_noise`` the candidate in a pass that draws no masks
DERIVED: dict[str, EarlyShare] = {
    f"early_third_mass_{state}{suffix}": early
    for state in ("cell", "hidden")
    for suffix, early in (
        ("", _early(state)),
        ("_state", _early(state, "state")),
        ("_without_noise", _early(state, suffix="_without_noise")),
    )
}


def scalar(tree: xr.DataTree, metric: str) -> xr.DataArray:
    """One metric as [arm, seed], NaN where the run diverged or is missing, with ``long_name`` and ``units``.

    A metric by epoch is taken at each run's ``best_epoch``. The derived metrics (:data:`DERIVED`) are the sum of
    a normalised gradient over the first ⌊T/3⌋ timesteps, averaged over layers, at the run's last measured epoch after training
    began. A known metric of a study without any finished run is NaN throughout.

    Raises UsageError for a metric that is on no list, InputRefusedError where an arm or seed appears twice or the study did
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
    metrics = _metrics(tree)
    finished = metrics["status"] == "finished"
    if metric in DERIVED:
        values = _early_third_mass(tree, finished, metric)
    elif metric in metrics and np.issubdtype(metrics[metric].dtype, np.number):
        values = metrics[metric]
        if "epoch" in values.dims:
            values = values.where(metrics["epoch"] == metrics["best_epoch"]).sum("epoch", min_count=1)
    elif metric in schema.QUANTITIES and not finished.any():
        values = _nothing(finished)
    else:
        numeric = [str(name) for name, v in metrics.data_vars.items() if np.issubdtype(v.dtype, np.number)]
        raise unknown("metric", metric, [*numeric, *DERIVED])
    values = values.where(finished).transpose("arm", "seed").astype(np.float64).rename(metric)
    long_name, units = (
        (DERIVED[metric].long_name, DERIVED[metric].units) if metric in DERIVED else schema.QUANTITIES[metric]
    )
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


def _nothing(finished: xr.DataArray) -> xr.DataArray:
    return xr.full_like(finished, np.nan, dtype=np.float64)


def _early_third_mass(tree: xr.DataTree, finished: xr.DataArray, metric: str) -> xr.DataArray:
    wanted = DERIVED[metric]
    if not finished.any():
        return _nothing(finished)
    if "gradients" not in tree.children:
        raise InputRefusedError(f"{metric} needs gradient norms, and this study measured none.")
    gradients = tree["gradients"].to_dataset()
    if wanted.variable not in gradients:
        raise InputRefusedError(f"{metric} needs gradients taken without noise, and this study measured none.")
    share = gradients[wanted.variable]
    for dim, label in (("state", wanted.state), ("point", wanted.point)):
        if label not in share[dim].values:
            raise InputRefusedError(
                f"{metric} needs the gradient at {dim} {label!r}, which this study did not measure."
            )
    third = share.sizes["time"] // 3
    if third == 0:
        raise InputRefusedError(f"{metric} needs at least three timesteps; there are {share.sizes['time']}.")
    share = share.sel(state=wanted.state, point=wanted.point).sortby("time").isel(time=slice(third))
    mass = share.sum("time", skipna=False).mean("layer")
    mass = mass.where(mass["epoch"] > 0)
    # one epoch for all: runs that stopped early were measured less often, and a pair is compared at equal training
    everywhere = (mass.notnull() | ~finished).all(["arm", "seed"])
    common = mass["epoch"].where(everywhere & (mass["epoch"] > 0)).max()
    if common.isnull():
        return _nothing(finished)
    return mass.sel(epoch=int(common), drop=True).reindex_like(finished)
