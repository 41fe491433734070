"""A heat map: one number for each timestep and layer, or timestep and unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize, TwoSlopeNorm
from matplotlib.ticker import MaxNLocator

from zoneout_lab.descriptions import units_of
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.plot.looks import axes_of, height_of, name_axes, nothing, points, words, wrapped
from zoneout_lab.results.legible import label, legible
from zoneout_lab.stats.scales import UNDERFLOW

_MOST_NAMES = 24


def heatmap(
    array: Any, x: str = "", y: str = "", ax: Axes | None = None, *, log: bool | None = None, bar: bool = True
) -> Axes:
    """A heat map of an array along two dimensions, such as gradient norms by timestep and layer, or activity by timestep and unit.

    Values of both signs are drawn about a white zero, others from dark to light (viridis). What is not a number is hatched.

    Args:
        array: an array with two dimensions, or more of length 1; of NumPy [y, x], or of xarray.
        x: the dimension along the horizontal axis, and what that of a NumPy array is called; by default the last, or ``time``.
        y: the same for the vertical axis.
        ax: the axes to draw on; by default those of a new figure.
        log: colours by the logarithm; by default where positive values span more than a factor of 100.
        bar: whether to draw a colour bar, which takes some room from the axes.

    Returns:
        The axes.

    Raises:
        InputRefusedError: an array with other dimensions, or of other things than numbers.

    >>> from matplotlib.figure import Figure
    >>> norms = xr.DataArray([[1.0, 2.0, 3.0], [1.0, 1.5, 2.0]], dims=("layer", "time"), coords={"layer": ["l0", "l1"]})
    >>> axes = heatmap(norms, ax=Figure().add_subplot())
    >>> axes.get_xlabel(), [text.get_text() for text in axes.get_yticklabels()]
    ('time', ['l0', 'l1'])
    """
    grid = _grid(array, x, y)
    across, down = str(grid.dims[1]), str(grid.dims[0])
    axes = axes_of(ax)
    values = grid.values.astype(np.float64)
    values = np.ma.masked_invalid(values)
    _labels(axes.xaxis, grid, across)
    _labels(axes.yaxis, grid, down)
    name_axes(axes, _axis(grid, across), "" if down == "arm" else _axis(grid, down))
    if not values.count():
        nothing(axes, "nothing was measured")
        return axes
    axes.patch.set(hatch="////", edgecolor="#b0b0b0", facecolor="none")
    norm, colours = _norm(values, log)
    mesh = axes.pcolormesh(
        _edges(grid, across), _edges(grid, down), values, norm=norm, cmap=colours, rasterized=True, shading="flat"
    )
    if bar:
        drawn = axes.get_figure(root=True).colorbar(mesh, ax=axes, pad=0.02, fraction=0.06, aspect=25)  # type: ignore[union-attr]
        drawn.outline.set_visible(False)
        drawn.set_label(wrapped(_called(grid), height_of(axes) * 1.1, points("medium"), 2), parse_math=False)
    return axes


def _grid(array: Any, x: str, y: str) -> xr.DataArray:
    """The array as [y, x]."""
    if isinstance(array, xr.Dataset):
        names = ", ".join(map(str, array.data_vars))
        raise InputRefusedError(
            f"A heat map is of one array, and this dataset has several: {names}. Take one: dataset[{str(next(iter(array.data_vars), ''))!r}]."
        )
    if not isinstance(array, xr.DataArray):
        try:
            values = np.asarray(array, np.float64)
        except (TypeError, ValueError) as error:
            raise InputRefusedError("A heat map is of numbers, and this array holds other things.") from error
        if values.ndim != 2:
            raise InputRefusedError(f"A heat map has two dimensions, and this array has {values.ndim}: {values.shape}.")
        return xr.DataArray(values, dims=(y or "y", x or "x"))
    if array.dtype.kind not in "biuf":
        raise InputRefusedError(f"A heat map is of numbers, and this array is of type {array.dtype}.")
    named = [dim for dim in (x, y) if dim]
    if lacking := [dim for dim in named if dim not in array.dims]:
        raise InputRefusedError(f"The array has no dimension {lacking[0]!r}; it has {', '.join(map(str, array.dims))}.")
    grid = array.squeeze(
        [dim for dim in array.dims if array.sizes[dim] == 1 and dim not in named][: max(0, array.ndim - 2)]
    )
    if grid.ndim != 2:
        more = [str(dim) for dim in grid.dims if dim not in (x, y)]
        raise InputRefusedError(
            f"A heat map has two dimensions, and this array has {grid.ndim}: {', '.join(map(str, grid.dims))}. "
            f"Select one of the others, or average: array.mean({more[-1] if more else 'dim'!r})."
        )
    across = x or next((str(dim) for dim in grid.dims if dim in ("time", "lag", "epoch") and dim != y), "")
    across = across or next(str(dim) for dim in reversed(grid.dims) if dim != y)
    return grid.transpose(..., across)


def _numeric(grid: xr.DataArray, dim: str) -> npt.NDArray[np.float64]:
    """Where the labels of a dimension stand: at themselves where they are evenly spaced numbers, else in order."""
    if dim in grid.coords and grid[dim].dtype.kind in "iuf":
        at = np.asarray(grid[dim].values, np.float64)
        if at.size == 1 or (np.allclose(np.diff(at), at[1] - at[0]) and at[1] > at[0]):
            return at
    return np.arange(grid.sizes[dim], dtype=np.float64)


def _edges(grid: xr.DataArray, dim: str) -> npt.NDArray[np.float64]:
    at = _numeric(grid, dim)
    step = at[1] - at[0] if at.size > 1 else 1.0
    return np.append(at - step / 2, at[-1] + step / 2)


def _labels(axis: Any, grid: xr.DataArray, dim: str) -> None:
    at, count = _numeric(grid, dim), grid.sizes[dim]
    own = dim in grid.coords and (grid[dim].dtype.kind not in "iuf" or (at != grid[dim].values).any())
    if own:
        every = -(-count // _MOST_NAMES)
        called = grid.coords.get(f"{dim}_label", grid[dim])
        names = (called if called.dims == (dim,) else grid[dim]).values
        axis.set_ticks(at[::every], [words(label(each)) for each in names[::every]], parse_math=False)
        if axis.axis_name == "y" and dim != "layer":  # as they are listed; deeper layers stand above
            axis.set_inverted(True)
    elif count <= 8:
        axis.set_ticks(at, [f"{each:g}" for each in at])
    else:
        axis.set_major_locator(MaxNLocator("auto", integer=bool((at == np.round(at)).all()), steps=[1, 2, 5, 10]))


def _axis(grid: xr.DataArray, dim: str) -> str:
    return legible(grid[dim].attrs.get("long_name") or dim) if dim in grid.coords else dim


def _called(grid: xr.DataArray) -> str:
    name = str(grid.attrs.get("long_name") or grid.name or "").replace("_", " ")
    units = units_of(grid.attrs)
    return legible(name + (f" ({units})" if units not in ("", "1") else ""))


def _norm(values: Any, log: bool | None) -> tuple[Normalize, str]:
    low, high = float(values.min()), float(values.max())
    if low < 0 < high:
        reach = max(-low, high)
        return TwoSlopeNorm(0.0, -reach, reach), "RdBu_r"
    if log is None:
        log = low > UNDERFLOW and high > 100 * low
    if log and high > 0:
        least = float(values[values > UNDERFLOW].min()) if (values > UNDERFLOW).any() else high
        return LogNorm(least, max(high, least * 1.0001)), "viridis"
    return Normalize(low, high if high > low else low + 1.0), "viridis"
