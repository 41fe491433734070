"""Learning curves: a metric over epochs, arm by arm."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from zoneout_lab import schema
from zoneout_lab.descriptions import units_of
from zoneout_lab.errors import InputRefusedError, unknown
from zoneout_lab.plot.lines import Line, draw
from zoneout_lab.plot.looks import Look, arms_of, axes_of
from zoneout_lab.results.legible import label, legible
from zoneout_lab.results.measured import stored_scalars
from zoneout_lab.results.scalars import described
from zoneout_lab.results.shown import on_axis, unit_of


def curves(
    results: xr.DataTree | xr.DataArray, metric: str = "", ax: Axes | None = None, *, log: bool | None = None
) -> Axes:
    """A metric over epochs: every run as a thin line, the mean over runs in bold, and the runs that diverged ending in a cross.

    A mean is drawn where all of its runs have a value. Fractions of a study's metrics are in percent.

    Args:
        results: of a study, as :func:`~zoneout_lab.open_results` gives them; or an array with a dimension ``epoch``, and ``arm`` and ``seed`` where it has
            several.
        metric: a metric that has a value at each epoch: ``valid_error``. Not needed for an array.
        ax: the axes to draw on; by default those of a new figure.
        log: a logarithmic axis; by default where positive values span more than a factor of 20.

    Returns:
        The axes.

    Raises:
        UsageError: a metric that is not there, or has one value for each run.
        InputRefusedError: other things than results, or an array with other dimensions.

    >>> from matplotlib.figure import Figure
    >>> loss = xr.DataArray([[2.0, 1.0], [2.2, 1.1]], dims=("seed", "epoch"), coords={"epoch": [1, 2]}, name="loss")
    >>> axes = curves(loss, ax=Figure().add_subplot())
    >>> axes.get_xlabel(), axes.get_ylabel(), len(axes.lines)
    ('epoch', 'loss', 3)
    """
    if isinstance(results, xr.DataArray):
        values, y, lines = _of_array(results)
    else:
        values, y, lines = _of_study(results, metric)
    axes = axes_of(ax)
    epochs = values["epoch"].values if "epoch" in values.coords else np.arange(values.sizes["epoch"])
    draw(axes, np.asarray(epochs), lines, ("epoch", y), log=log)
    return axes


def _of_study(results: Any, metric: str) -> tuple[xr.DataArray, str, list[Line]]:
    looks = arms_of(results)
    tree = schema.by_arm_and_seed(results)
    metrics = tree["metrics"].to_dataset()
    known = {
        str(name): each for name, each in metrics.data_vars.items() if set(each.dims) == {"arm", "seed", "epoch"}
    } | stored_scalars(tree)
    if metric not in known:
        raise unknown("metric with a value at each epoch", metric, sorted(known))
    about = described(tree, metric)
    factor = unit_of(metric, about.unit)[0]
    values = factor * known[metric].transpose("arm", "seed", "epoch")
    ended = (metrics["status"] == "diverged").transpose("arm", "seed").values
    lines = [
        Line(*looks[str(arm)], values.sel(arm=arm).values, ended[row]) for row, arm in enumerate(values["arm"].values)
    ]
    return values, on_axis(metric, about.unit, legible(about.noun), legible(about.long_name)), lines


def _of_array(values: xr.DataArray) -> tuple[xr.DataArray, str, list[Line]]:
    if "epoch" not in values.dims or (more := set(values.dims) - {"arm", "seed", "epoch"}):
        what = (
            "has no dimension epoch"
            if "epoch" not in values.dims
            else f"has {', '.join(sorted(map(str, more)))} too: select one of each"
        )
        raise InputRefusedError(
            f"Curves are of an array along epoch, and arm and seed where there are several; this one {what}."
        )
    whole = values.expand_dims([dim for dim in ("arm", "seed") if dim not in values.dims]).transpose(
        "arm", "seed", "epoch"
    )
    names = whole["arm"].values if "arm" in whole.coords and whole["arm"].ndim else [""] * whole.sizes["arm"]
    lines = [
        Line(label(name), Look(row if len(names) > 1 else 1), whole.isel(arm=row).values.astype(float))
        for row, name in enumerate(names)
    ]
    name = str(values.attrs.get("long_name") or values.name or "value").replace("_", " ")
    units = units_of(values.attrs)
    return whole, legible(name + (f" ({units})" if units not in ("", "1") else "")), lines
