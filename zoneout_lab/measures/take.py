"""Taking a measure of a model: with noise and without, moving nothing; and checking the result, because the measure may be anyone's."""

from __future__ import annotations

import dataclasses
import json
import numbers
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from zoneout_lab.checked import plain
from zoneout_lab.errors import InputRefusedError, LabError, told
from zoneout_lab.measures.base import Batch, Measure, Subject, about
from zoneout_lab.measures.unmoved import as_it_stands, seed_generators, unmoved
from zoneout_lab.metrics import Metric
from zoneout_lab.ops.reference import versions
from zoneout_lab.profiles import both

if TYPE_CHECKING:
    import xarray as xr


def take(measure: Measure, model: Subject, batch: Batch, replicas: int) -> list[xr.Dataset]:
    """What a measure finds in each replica, with its scalars, and where it asks for it without noise too; empty where it finds nothing.

    The model is afterwards as before.

    Raises:
        InputRefusedError: what was measured is not what the measure declares, or the measure failed or changed the model's weights. The
            message names it.
    """
    noisy = _once(measure, model, batch, replicas, noise=True)
    if not measure.without_noise:
        return noisy
    without = _once(measure, model, batch, replicas, noise=False)
    if len(noisy) != len(without):
        raise InputRefusedError(
            f"measure {measure.kind!r} found something only with noise, or only without it; it has to return as many datasets both times."
        )
    for one, other in zip(noisy, without, strict=True):
        refuse_other_labels(measure, one, other, "with noise", "without")
    return [both(*pair) for pair in zip(noisy, without, strict=True)]


def refuse_other_labels(measure: Measure, one: xr.Dataset, other: xr.Dataset, first: str, second: str) -> None:
    """Raise InputRefusedError where two measurements differ in what they are of, or in a dimension's length or labels."""
    for dim in measure.dims:
        if (dim in one.dims) != (dim in other.dims) or (dim in one.dims and not one[dim].equals(other[dim])):
            lengths = " and ".join(str(each.sizes.get(dim, 0)) for each in (one, other))
            raise InputRefusedError(
                f"measure {measure.kind!r} has different labels of {dim!r} {first} and {second} ({lengths} of them): lengths and labels have to "
                "stay the same."
            )


def _once(measure: Measure, model: Subject, batch: Batch, replicas: int, *, noise: bool) -> list[xr.Dataset]:
    put_back = as_it_stands(model) if isinstance(model, nn.Module) else lambda: False
    changed = False
    before = versions((batch.inputs, batch.targets))
    try:
        with _naming(measure), _torch_as_before(), _noise(model, on=noise), unmoved(norms_suffice=True):
            seed_generators()
            found = _by_replica(measure, measure.measure(model, batch), replicas)
            out = [_with_scalars(measure, _checked(measure, dataset)) for dataset in found]
    finally:
        changed = put_back()
    if versions((batch.inputs, batch.targets)) != before:
        raise InputRefusedError(
            f"measure {measure.kind!r} changed its batch in place, which all measures share: let it work on a copy (batch.inputs.clone())."
        )
    if changed:
        raise InputRefusedError(
            f"measure {measure.kind!r} changed the model's weights: let it work on a copy (copy.deepcopy(model))."
        )
    return out


@contextmanager
def _torch_as_before() -> Iterator[None]:
    """torch's default dtype, threads and gradient mode, and NumPy's errors, are put back: training goes on in the same process."""
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    try:
        with torch.set_grad_enabled(torch.is_grad_enabled()), np.errstate():
            yield
    finally:
        torch.set_default_dtype(dtype)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


@contextmanager
def _naming(measure: Measure) -> Iterator[None]:
    """Name the measure in its errors; running out of memory is not its fault, and is raised as it is."""
    try:
        yield
    except LabError as error:
        raise type(error)(f"measure {measure.kind!r}: {error}") from error
    except (Exception, SystemExit) as error:  # exit() in a measure would end the study
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
            raise
        raise InputRefusedError(f"measure {measure.kind!r} failed: {told(error)}") from error


@contextmanager
def _noise(model: Subject, *, on: bool) -> Iterator[None]:
    """Put the model in training mode, or evaluate by expectations; afterwards it is as before."""
    rnn, training = model.rnn, model.training
    evaluation = rnn.evaluation
    model.train(on)
    rnn.evaluation = "expectation"
    try:
        yield
    finally:
        rnn.evaluation = evaluation
        model.train(training)


def _by_replica(measure: Measure, found: Any, replicas: int) -> list[Any]:
    import xarray as xr

    if isinstance(found, xr.Dataset):  # as gradient_flow returns it
        found = (
            [found.isel(replica=r, drop=True) for r in range(found.sizes["replica"])]
            if "replica" in found.dims
            else [found]
        )
    if not isinstance(found, Sequence) or not all(isinstance(each, xr.Dataset) for each in found):
        raise InputRefusedError(
            f"it returned {_kind(found)}; it has to return a list of xarray Datasets, one for each replica."
        )
    if len(found) not in (0, replicas):
        raise InputRefusedError(f"it returned {len(found)} datasets for {replicas} replicas; one for each is needed.")
    return list(found)


def _kind(found: Any) -> str:
    inside = {type(each).__name__ for each in found} if isinstance(found, list | tuple) else set()
    return f"a {type(found).__name__}" + (f" of {', '.join(sorted(inside))}" if inside else "")


def _checked(measure: Measure, found: xr.Dataset) -> xr.Dataset:
    """The dataset with its quantities as declared, described, and a coordinate for every dimension."""
    import xarray as xr

    names, declared = [str(name) for name in found.data_vars], list(measure.quantities)
    if strange := sorted(set(names) - set(declared)):
        raise InputRefusedError(
            f"it returned {strange[0]!r}, which is not among its quantities: {', '.join(declared)}."
        )
    if absent := sorted(set(declared) - set(names)):
        raise InputRefusedError(f"it did not return {absent[0]!r}, which it declares.")
    variables = {name: _quantity(measure, name, found[name]) for name in declared}
    used = [dim for dim in measure.dims if any(dim in variable.dims for variable in variables.values())]
    coords = {dim: _labels(dim, found) for dim in used}
    described = {name: (v.dims, v.values, _attrs(measure.quantities[name])) for name, v in variables.items()}
    return xr.Dataset(described, coords, {"measure": json.dumps(_recorded(measure), sort_keys=True)})


def _recorded(measure: Measure) -> dict[str, Any]:
    """What a report says of a measure, whose class it may not have."""
    fields = dataclasses.asdict(measure)  # type: ignore[call-overload]
    return {"kind": measure.kind, "fields": plain(fields), "title": measure.title, "about": about(measure)}


def _quantity(measure: Measure, name: str, values: xr.DataArray) -> xr.DataArray:
    strange = [str(dim) for dim in values.dims if dim not in measure.dims]
    if strange:
        raise InputRefusedError(
            f"{name!r} has dimensions ({', '.join(map(str, values.dims))}), but the measure declares ({', '.join(measure.dims)})."
        )
    if values.dtype.kind not in "biuf":
        raise InputRefusedError(f"{name!r} is of type {values.dtype}; a quantity has to be real numbers.")
    if not values.dims:
        raise InputRefusedError(
            f"{name!r} has no dimension; make it a scalar, which reduce() returns, or give it one of ({', '.join(measure.dims)})."
        )
    if values.size == 0:
        raise InputRefusedError(f"{name!r} is empty, of shape {list(values.shape)}.")
    return values.transpose(*(dim for dim in measure.dims if dim in values.dims)).astype(np.float64)


def _labels(dim: str, found: xr.Dataset) -> Any:
    if dim not in found.coords:
        return np.arange(found.sizes[dim])
    labels = found[dim].values
    if labels.dtype.kind == "O":
        labels = np.array([str(label) for label in labels])
    if labels.dtype.kind not in "biufU":
        raise InputRefusedError(f"the labels of {dim!r} are of type {labels.dtype}; give numbers or texts.")
    if len(set(labels.tolist())) < labels.size:
        raise InputRefusedError(f"two labels of {dim!r} are equal.")
    return labels


def _with_scalars(measure: Measure, found: xr.Dataset) -> xr.Dataset:
    if measure.reduced_when_read:
        return found
    values = dict(measure.reduce(found))
    if set(values) != set(measure.scalars):
        raise InputRefusedError(
            f"reduce() returned {', '.join(sorted(map(str, values))) or 'nothing'}, but the declared scalars are "
            f"{', '.join(sorted(measure.scalars)) or 'none'}."
        )
    return found.assign(
        {name: ((), _number(name, values[name]), _attrs(what)) for name, what in measure.scalars.items()}
    )


def _number(name: str, value: Any) -> float:
    one = hasattr(value, "item") and getattr(value, "size", 1) == 1 and not np.ma.is_masked(value)
    number = value.item() if one else value
    if isinstance(number, bool) or not isinstance(number, numbers.Real):
        raise InputRefusedError(f"the scalar {name!r} is {value!r}; it has to be one number.")
    return float(number)


def _attrs(what: Metric) -> dict[str, str]:
    attrs = {"long_name": what.long_name, "units": what.unit, "noun": what.noun, "better": what.better or ""}
    return {name: text for name, text in attrs.items() if text or name in ("long_name", "units")}
