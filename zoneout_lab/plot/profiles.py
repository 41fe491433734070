"""Gradient flow: the norm of the loss gradient at each timestep."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from zoneout_lab.errors import InputRefusedError, unknown
from zoneout_lab.plot.lines import Line, draw
from zoneout_lab.plot.looks import Look, arms_of, axes_of
from zoneout_lab.results.legible import label, legible
from zoneout_lab.stats.scales import UNDERFLOW

_MOST_LINES = 16
_ALWAYS = ("seed", "time")  # runs are thin lines


def gradient_flow(
    flow: xr.Dataset | xr.DataTree,
    ax: Axes | None = None,
    *,
    quantity: str = "normalised",
    log: bool | None = None,
    **select: Any,
) -> Axes:
    """The norm of the loss gradient at each timestep: a line for each arm, layer and state there is, runs at several seeds thin and their mean bold.

    Args:
        flow: what :func:`~zoneout_lab.gradient_flow` gives; several of them stacked along ``seed`` or ``arm`` by :func:`~zoneout_lab.stack`; or the results of a
            study, of which by default the last epoch is drawn, at the first layer and state.
        ax: the axes to draw on; by default those of a new figure.
        quantity: ``normalised`` (the norm divided by its sum over time), ``norm``, or either ``_without_noise``.
        log: a logarithmic axis; by default where values span more than a factor of 20.
        select: labels to draw, ``state="cell"`` or ``layer=["l0", "l1"]``; the ``point`` is the candidate, before zoneout, unless another is named.

    Returns:
        The axes.

    Raises:
        UsageError: a quantity or label that is not there.
        InputRefusedError: no gradient flow, or more lines than can be told apart.

    >>> from matplotlib.figure import Figure
    >>> from zoneout_lab.profiles import gradient_dataset
    >>> flow = gradient_dataset([[[[1.0, 3.0]] * 2] * 2], layers=["l0"], states=["cell", "hidden"])
    >>> axes = gradient_flow(flow, Figure().add_subplot())
    >>> [text.get_text() for text in axes.get_legend().get_texts()], axes.get_xlabel()
    (['cell', 'hidden'], 'timestep')
    """
    dataset, looks = _dataset(flow)
    if quantity not in dataset:
        raise unknown("quantity", quantity, [str(name) for name in dataset.data_vars])
    if looks:  # a study has many lines
        select = {dim: dataset[dim].values[0].item() for dim in ("layer", "state") if dim in dataset.coords} | select
    values = _selected(dataset[quantity], select)
    along = [str(dim) for dim in values.dims if dim not in _ALWAYS]
    places = list(itertools.product(*(range(values.sizes[dim]) for dim in along)))
    varied = [dim for dim in along if values.sizes[dim] > 1]
    if len(places) > _MOST_LINES:
        sizes = ", ".join(f"{values.sizes[dim]} of {dim}" for dim in varied)
        raise InputRefusedError(
            f"That would be {len(places)} lines ({sizes}), more than can be told apart; name some: gradient_flow(…, {varied[0]}=…)."
        )
    lines = []
    for number, place in enumerate(places):
        one = values.isel(dict(zip(along, place, strict=True)))
        names = [
            looks.get(str(one[dim].item()), (label(one[dim].item()), None))[0]
            if dim in one.coords
            else f"{dim} {one_at}"
            for dim, one_at in zip(along, place, strict=True)
            if dim in varied
        ]
        own = looks.get(str(one["arm"].item()), ("", None))[1] if varied == ["arm"] and "arm" in one.coords else None
        runs = one.transpose("seed", "time") if "seed" in one.dims else one.expand_dims("seed")
        if np.isfinite(runs).any():  # a layer without that state has no line
            lines.append(
                Line(", ".join(names), own or Look(number if len(places) > 1 else 1), runs.values.astype(float))
            )
    axes = axes_of(ax)
    steps = values["time"].values if "time" in values.coords else np.arange(values.sizes["time"])
    if log is None:
        positive = values.values[values.values > UNDERFLOW]  # a norm may well be zero at some step
        log = bool(positive.size) and bool(positive.max() > 20 * positive.min())
    draw(axes, np.asarray(steps), lines, ("timestep", _called(quantity, values)), log=log)
    return axes


def _dataset(flow: Any) -> tuple[xr.Dataset, dict[str, tuple[str, Look]]]:
    """The dataset, and the arms of a study."""
    if isinstance(flow, xr.Dataset) and "time" in flow.dims:
        return flow, {}
    if isinstance(flow, xr.DataTree) and "gradients" in flow.children:
        return flow["gradients"].to_dataset(), arms_of(flow)
    raise InputRefusedError(
        "There is no gradient flow in this: give the dataset of zl.gradient_flow, or the results of a study that measured it (gradient_epochs)."
    )


def _selected(values: xr.DataArray, select: dict[str, Any]) -> xr.DataArray:
    for dim, wanted in select.items():
        if dim not in values.dims or dim not in values.coords:
            raise unknown("dimension", dim, [str(each) for each in values.dims if each not in _ALWAYS])
        there = values[dim].values.tolist()
        some = wanted if isinstance(wanted, list | tuple | np.ndarray) else [wanted]
        for each in some:
            if each not in there:
                raise unknown(dim, str(each), [str(one) for one in there])
        values = values.sel({dim: list(some)})
    if "point" in values.dims and "point" not in select and values.sizes["point"] > 1:
        points = values["point"].values.tolist()
        values = values.sel(point=["candidate" if "candidate" in points else points[0]])
    if "epoch" in values.dims and "epoch" not in select:
        values = values.isel(epoch=[-1])
    return values


def _called(quantity: str, values: xr.DataArray) -> str:
    silent = ", without noise" if quantity.endswith("_without_noise") else ""
    kind = quantity.removesuffix("_without_noise")
    if kind == "normalised":
        return f"share of gradient norm{silent}"
    if kind == "norm":
        return f"norm of the loss gradient{silent}"
    return legible(values.attrs.get("long_name") or quantity.replace("_", " "))
