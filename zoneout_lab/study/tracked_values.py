"""The numbers of each run that MLflow shows as the run's own: those that the report uses."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from zoneout_lab import schema
from zoneout_lab.errors import LabError
from zoneout_lab.metrics import BY_EPOCH
from zoneout_lab.netcdf import Group, Variable
from zoneout_lab.profiles import REDUCTIONS
from zoneout_lab.results.measured import stored_scalars
from zoneout_lab.results.open import from_export, open_runs
from zoneout_lab.results.scalars import scalar

Values = dict[str, float]
#: metrics by epoch: name, value and epoch, of each name in the order of the epochs; finite values only
Curves = tuple[tuple[str, float, int], ...]
#: what is recorded of a run, and how; raised when that changes, so that records of an earlier version are made again
LAYOUT = 2
#: what curves are called: their last value is not the value of the selected checkpoint, and MLflow shows the last of each name
CURVE = "curve"
#: of the types of numbers
_KINDS = "iuf"
_LONGEST_NAME = 150  # so that it may be a part of another


def results_of(folder: Path) -> xr.DataTree:
    """The study's results, from ``study.nc`` where it is of just the runs in the manifest. Raises as :func:`~zoneout_lab.results.open_results`."""
    return from_export(folder, hashed=False) or open_runs(folder)


def values_by_run(tree: xr.DataTree) -> dict[str, Values]:
    """Every metric of a study that has one number per run, by the runs' ids: at the selected checkpoint, and of what was measured, as
    :func:`~zoneout_lab.results.scalar` has it. Finite values only: a run that diverged has none but its ``seconds``."""
    record = tree["provenance"].to_dataset()
    if "run_id" not in record:
        return {}
    columns = {"seconds": record["seconds"]} if "seconds" in record else {}
    for name in _metrics(tree):
        with suppress(LabError):  # what cannot be made one number per run
            columns[name] = scalar(tree, name)
    ids = record["run_id"].transpose("arm", "seed").values
    stacked = {as_key(name): values.transpose("arm", "seed").values for name, values in columns.items()}
    return {
        str(ids[cell]): {name: float(values[cell]) for name, values in stacked.items() if np.isfinite(values[cell])}
        for cell in np.ndindex(ids.shape)
        if ids[cell]
    }


def own_values(groups: Mapping[str, Group]) -> Values:
    """The same of a run that the report does not show, as one of a search: its metrics at the selected checkpoint alone."""
    metrics = groups["/metrics"].variables
    found = {"seconds": float(groups["/provenance"].variables["seconds"][1])}
    if metrics["status"][1].item() == "finished":
        for name in _numbers({name: values.dtype for name, (_, values, _) in metrics.items()}):
            dims, values, _ = metrics[name]
            if name not in dims and np.size(chosen := _selected(metrics, values) if dims else values) == 1:
                found[as_key(name)] = float(np.ravel(chosen)[0])
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _selected(metrics: Mapping[str, Variable], values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The value of a curve at the selected checkpoint; the last, where none was selected."""
    if "best_epoch" in metrics:
        return np.asarray(values[metrics["epoch"][1] == float(metrics["best_epoch"][1])])
    return np.asarray(values[np.isfinite(values)][-1:])


def curves_by_run(tree: xr.DataTree) -> dict[str, Curves]:
    """Every metric of a study that has a number for each epoch, by the runs' ids: what :func:`own_curves` finds in their files."""
    metrics, ids = tree["metrics"].to_dataset(), tree["provenance/run_id"].transpose("arm", "seed").values
    steps = metrics["epoch"].values.tolist() if "epoch" in metrics else []
    stacked = {
        curve_key(str(name)): values.transpose("arm", "seed", "epoch").values
        for name, values in metrics.data_vars.items()
        if set(values.dims) == {"arm", "seed", "epoch"} and values.dtype.kind in _KINDS
    }
    return {
        str(ids[cell]): tuple(each for name, values in stacked.items() for each in _curve(name, values[cell], steps))
        for cell in np.ndindex(ids.shape)
        if ids[cell]
    }


def own_curves(groups: Mapping[str, Group]) -> Curves:
    """Every metric by epoch of a run's file, under a name of its own: the last of a curve is not the value of the selected checkpoint."""
    metrics = groups["/metrics"].variables
    steps = metrics["epoch"][1].tolist() if "epoch" in metrics else []
    return tuple(
        each
        for name, (dims, values, _) in metrics.items()
        if dims == ("epoch",) and name not in dims and values.dtype.kind in _KINDS
        for each in _curve(curve_key(name), values, steps)
    )


def last_of(curves: Curves) -> Values:
    """What MLflow is told last of each curve."""
    return {name: value for name, value, _ in curves}


def _curve(name: str, values: npt.NDArray[Any], steps: list[Any]) -> Iterator[tuple[str, float, int]]:
    for step, value in zip(steps, values.tolist(), strict=True):
        if math.isfinite(value):
            yield name, float(value), int(step)


def mark(values: Values | None) -> str:
    """What tells values that were recorded from those that are to be; the same for all that are the file's own (None).

    >>> mark(None), mark({"valid_error": 0.25}) == mark({"valid_error": 0.25}), mark({}) == mark({"valid_error": 0.25})
    ('2', True, False)
    """
    if values is None:
        return f"{LAYOUT}"
    text = json.dumps(values, sort_keys=True)
    return f"{LAYOUT}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def as_key(name: str) -> str:
    """A metric's name as MLflow takes it.

    >>> as_key("valid_error"), as_key("accuracy@5 / top")
    ('valid_error', 'accuracy_5 _ top')
    """
    return re.sub(r"[^\w\-. ]", "_", name)[:_LONGEST_NAME]


def curve_key(name: str) -> str:
    """What a metric by epoch is called in MLflow.

    >>> curve_key("valid_error"), curve_key("accuracy_by_epoch")
    ('curve/valid_error', 'curve/accuracy')
    """
    return f"{CURVE}/{as_key(name.removesuffix(BY_EPOCH))}"


def _metrics(tree: xr.DataTree) -> list[str]:
    reduced = [name for name, each in REDUCTIONS.items() if each.group in tree.children]
    numbers = _numbers({str(name): values.dtype for name, values in tree["metrics"].data_vars.items()})
    return list(dict.fromkeys([*numbers, *stored_scalars(schema.by_arm_and_seed(tree)), *reduced]))


def _numbers(kinds: Mapping[str, np.dtype[Any]]) -> list[str]:
    """Those that are numbers, and no curve of what is a number of the whole run, too."""
    return [
        name
        for name, kind in kinds.items()
        if np.issubdtype(kind, np.number) and not (name.endswith(BY_EPOCH) and name.removesuffix(BY_EPOCH) in kinds)
    ]


def state_of(manifest: Mapping[str, Any], report: str) -> str:
    """What tells the state in which a study was recorded from the one in which it is: its runs, how far it came, and its report's digest."""
    runs = {run_id: entry["sha256"] for run_id, entry in manifest["runs"].items()}
    text = json.dumps([LAYOUT, runs, manifest.get("reached"), report], sort_keys=True)
    return f"{LAYOUT}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
