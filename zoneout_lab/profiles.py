"""The two profiles that every study's files may hold, gradient norms by timestep and what is left of a perturbation by lag: their
quantities, their datasets, and the scalars that are made of them when results are read.

Without torch, so that results can be read where it is not installed. Other measures store their scalars when they are taken;
these two are reduced when they are read, because published files hold only the profiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.metrics import METRICS, Metric

if TYPE_CHECKING:
    import xarray as xr

GRADIENTS, DYNAMICS = "gradients", "dynamics"  # groups of a result file
_SILENT = {"long_name": ", with every mask replaced by its expectation", "noun": " without noise"}
WITHOUT_NOISE = "_without_noise"  # ends the name of what was measured with every mask replaced by its expectation

GRADIENT_QUANTITIES: dict[str, Metric] = {
    "norm": Metric("mean over examples of the L2 norm over units of the loss gradient", "unit of the loss"),
    "normalised": Metric("the norm divided by its sum over time"),
}
GROWTH_QUANTITIES: dict[str, Metric] = {
    "growth": Metric("distance from the unperturbed states as a share of the perturbation, mean over examples"),
}
#: both, with and without noise
QUANTITIES: dict[str, Metric] = {
    **GRADIENT_QUANTITIES,
    "norm_without_noise": Metric("the norm with every mask replaced by its expectation", "unit of the loss"),
    "normalised_without_noise": Metric("the norm without noise divided by its sum over time"),
    **GROWTH_QUANTITIES,
    "growth_without_noise": Metric("the same with every mask replaced by its expectation"),
}


def states_in_order(states: Iterable[str]) -> list[str]:
    """The names of states in the order that every dataset has: the memory cell, the hidden state, others by name.

    >>> states_in_order(["hidden", "stabiliser", "cell"])
    ['cell', 'hidden', 'stabiliser']
    """
    first = ("cell", "hidden")
    return sorted(states, key=lambda state: (first.index(state) if state in first else len(first), state))


def gradient_dataset(
    norms: npt.ArrayLike,
    *,
    layers: Sequence[str],
    states: Sequence[str],
    points: Sequence[str] = ("candidate", "state"),
) -> xr.Dataset:
    """Gradient norms [layer, state, point, time] as a labelled dataset, raw and normalised over time.

    >>> gradient_dataset([[[[1.0, 3.0], [2.0, 2.0]]]], layers=["l0"], states=["hidden"]).normalised.sel(
    ...     point="candidate"
    ... ).values
    array([[[0.25, 0.75]]])
    """
    values = np.asarray(norms, dtype=np.float64)
    total = values.sum(-1, keepdims=True)
    with np.errstate(invalid="ignore"):  # of a diverged model both may be infinite
        normalised = np.divide(values, total, out=np.full_like(values, np.nan), where=total > 0)
    coords = {"layer": list(layers), "state": list(states), "point": list(points), "time": np.arange(values.shape[-1])}
    return _labelled(("layer", "state", "point", "time"), {"norm": values, "normalised": normalised}, coords)


def perturbation_dataset(growth: npt.ArrayLike, *, layers: Sequence[str], states: Sequence[str]) -> xr.Dataset:
    """What is left of a perturbation [layer, state, lag] as a labelled dataset; lags count from 1.

    >>> perturbation_dataset([[[0.9, 0.8]]], layers=["l0"], states=["hidden"]).growth.sel(lag=2).item()
    0.8
    """
    ordered = states_in_order(states)
    values = np.asarray(growth, dtype=np.float64)[:, [list(states).index(state) for state in ordered]]
    coords = {"layer": list(layers), "state": ordered, "lag": np.arange(1, values.shape[-1] + 1)}
    return _labelled(("layer", "state", "lag"), {"growth": values}, coords)


def _labelled(dims: tuple[str, ...], values: Mapping[str, Any], coords: Mapping[str, Any]) -> xr.Dataset:
    import xarray as xr  # here: a gradient flow needs it only when it is measured

    dataset = xr.Dataset({name: (dims, each) for name, each in values.items()}, coords)
    for name, variable in dataset.variables.items():
        about = QUANTITIES.get(str(name)) or METRICS[str(name)]
        variable.attrs.update(long_name=about.long_name, units=about.unit)
    return dataset


@dataclass(frozen=True)
class Reduction:
    """A metric made of a profile: where in a study's tree the profile is, and how the metric is described."""

    group: str
    variable: str
    state: str
    point: str | None
    about: Metric

    @property
    def what(self) -> str:
        """What it is made of, in words."""
        return {GRADIENTS: "gradient norms", DYNAMICS: "perturbations"}[self.group]

    def by_epoch(self, measured: xr.Dataset, metric: str) -> xr.DataArray:
        """The metric at every epoch measured, averaged over layers.

        Args:
            measured: the group of a study's or a run's tree.
            metric: its name, for error messages.

        Raises InputRefusedError where the profile was not measured, or is too short.
        """
        if self.variable not in measured:
            raise InputRefusedError(f"{metric} needs {self.what} taken without noise, and this study measured none.")
        profile = measured[self.variable]
        for dim, label in (("state", self.state), ("point", self.point)):
            if label is not None and label not in profile[dim].values:
                raise InputRefusedError(
                    f"{metric} needs {self.what} at {dim} {label!r}, which this study did not measure."
                )
        profile = profile.sel(state=self.state)
        values = _early(profile.sel(point=self.point), metric) if self.point else profile.mean("lag", skipna=False)
        return values.mean("layer")


def _early(profile: xr.DataArray, metric: str) -> xr.DataArray:
    third = profile.sizes["time"] // 3
    if third == 0:
        raise InputRefusedError(f"{metric} needs at least three timesteps; there are {profile.sizes['time']}.")
    return profile.sortby("time").isel(time=slice(third)).sum("time", skipna=False)


def _early_share(state: str, point: str = "candidate", suffix: str = "") -> Reduction:
    where = "before" if point == "candidate" else "after"
    name = f"part of the {state} gradient's norm in the first third of the sequence, {where} zoneout{_noise(suffix)}"
    noun = f"early-third gradient share{' without noise' if suffix else ''} ({state}, {point})"
    return Reduction(GRADIENTS, f"normalised{suffix}", state, point, Metric(name, noun=noun, scale="log"))


def _remaining(state: str, suffix: str = "") -> Reduction:
    name = f"what is left of a perturbation in the {state} state, mean over the second half of the sequence{_noise(suffix)}"
    noun = f"remaining perturbation{' without noise' if suffix else ''} ({state})"
    return Reduction(DYNAMICS, f"growth{suffix}", state, None, Metric(name, noun=noun, scale="log"))


def _noise(suffix: str) -> str:
    return _SILENT["long_name"] if suffix else ""


#: The early share is the sum of a normalised gradient over the first ⌊T/3⌋ timesteps; the authors' probe sits on the candidate,
#: before zoneout, and ``_state`` takes the state after it. A perturbation's remainder is the mean of its growth over all lags.
#: ``_without_noise`` is of a pass that draws no masks.
REDUCTIONS: dict[str, Reduction] = {
    f"{name}_{state}{suffix}": reduction
    for state in ("cell", "hidden")
    for name, suffix, reduction in (
        ("early_third_mass", "", _early_share(state)),
        ("early_third_mass", "_state", _early_share(state, "state")),
        ("early_third_mass", WITHOUT_NOISE, _early_share(state, suffix=WITHOUT_NOISE)),
        ("perturbation", "", _remaining(state)),
        ("perturbation", WITHOUT_NOISE, _remaining(state, WITHOUT_NOISE)),
    )
}


def scalars_of(group: str) -> dict[str, Metric]:
    """The scalars made of the profile in a group.

    >>> list(scalars_of("dynamics"))[:2]
    ['perturbation_cell', 'perturbation_cell_without_noise']
    """
    return {name: reduction.about for name, reduction in REDUCTIONS.items() if reduction.group == group}


def both(noisy: xr.Dataset, silent: xr.Dataset) -> xr.Dataset:
    """What was measured under the masks of training, and beside it under its name ``…_without_noise`` what was measured without.

    >>> growth = perturbation_dataset([[[0.9]]], layers=["l0"], states=["hidden"])
    >>> list(both(growth, growth))
    ['growth', 'growth_without_noise']
    """
    renamed = silent.rename({name: f"{name}{WITHOUT_NOISE}" for name in silent.data_vars})
    for name, variable in renamed.data_vars.items():
        words = {key: f"{variable.attrs[key]}{more}" for key, more in _SILENT.items() if key in variable.attrs}
        if str(name) in QUANTITIES:
            words = {"long_name": QUANTITIES[str(name)].long_name}
        variable.attrs = variable.attrs | words
    return noisy.merge(renamed, join="exact", combine_attrs="override")
