"""The names in a result file, and the only code that reads and writes one.

A *run* file holds one arm × seed; a *study* tree stacks runs along ``arm`` and ``seed``. Both have the same groups:

| group | dimensions | variables |
|---|---|---|
| ``/metrics`` | ``epoch`` | ``train_loss``, ``valid_loss``, the task's score by epoch; the score of the selected checkpoint on the test split, ``best_epoch``, ``epochs_run``, ``status`` without it |
| ``/gradients`` | ``epoch, layer, state, point, time`` | ``norm`` (mean over examples of ‖∂L/∂s_t‖₂) and ``normalised`` (divided by its sum over time), and both again ``…_without_noise`` |
| ``/dynamics`` | ``epoch, layer, state, lag`` | ``growth`` (what is left of a perturbation of the states) and ``growth_without_noise`` |
| ``/provenance`` | | ``run_id``, ``seconds``, ``sha256`` (study tree), and JSON attributes |

NaN means not measured and ``status`` says why: ``finished``, ``diverged``, or in a study tree ``missing``.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from zoneout_lab.errors import InputRefusedError, IntegrityError, TryAgainError

VERSION = 1
_WORTH_PACKING = 1000  # numbers; what is smaller gains nothing
STATUSES = ("finished", "diverged", "missing")
SPLITS = ("train_eval", "valid", "test")
SCORES = ("error", "bpc", "ppl", "mse")  # what tasks are judged by, as the last part of a metric's name

#: name of a measured quantity → (what it is, its unit)
QUANTITIES: dict[str, tuple[str, str]] = {
    "train_loss": ("training loss under noise, mean over the epoch's updates", "nats"),
    "train_eval_loss": ("loss on training examples, evaluated as the validation split is", "nats"),
    "train_eval_error": ("training examples classified wrongly, evaluated as the validation split is", "1"),
    "train_eval_bpc": ("training cross-entropy, evaluated as the validation split is", "bit/character"),
    "train_eval_ppl": ("training perplexity, evaluated as the validation split is", "perplexity"),
    "train_eval_bpc_full": (
        "training cross-entropy of the selected checkpoint, one sequence with carried state, as long as the validation split",
        "bit/character",
    ),
    "train_eval_ppl_full": (
        "training perplexity of the selected checkpoint, one sequence with carried state, as long as the validation split",
        "perplexity",
    ),
    "train_eval_mse": ("training mean squared error, evaluated as the validation split is", "squared unit"),
    "valid_loss": ("validation loss", "nats"),
    "valid_error": ("validation examples classified wrongly", "1"),
    "valid_bpc": ("validation cross-entropy, in chunks", "bit/character"),
    "valid_bpc_full": ("validation cross-entropy, one sequence with carried state", "bit/character"),
    "valid_ppl": ("validation perplexity, in parallel streams with carried state", "perplexity"),
    "valid_ppl_full": (
        "validation perplexity of the selected checkpoint, one sequence with carried state",
        "perplexity",
    ),
    "valid_mse": ("validation mean squared error", "squared unit"),
    "test_loss": ("test loss of the selected checkpoint", "nats"),
    "test_error": ("test examples classified wrongly by the selected checkpoint", "1"),
    "test_bpc": ("test cross-entropy of the selected checkpoint, in chunks", "bit/character"),
    "test_bpc_full": (
        "test cross-entropy of the selected checkpoint, one sequence with carried state",
        "bit/character",
    ),
    "test_ppl": ("test perplexity of the selected checkpoint, one sequence with carried state", "perplexity"),
    "test_ppl_streams": (
        "test perplexity of the selected checkpoint, in parallel streams with carried state",
        "perplexity",
    ),
    "test_mse": ("test mean squared error of the selected checkpoint", "squared unit"),
    "gradient_norm": (
        "L2 norm of the whole gradient before clipping, mean over the epoch's updates",
        "unit of the loss",
    ),
    "best_epoch": ("epoch of the selected checkpoint: the lowest validation score's, or the last", "1"),
    "epochs_run": ("epochs trained", "1"),
    "status": ("finished, diverged or missing", "1"),
    "run_id": ("identity of the run: its specification's hash", "1"),
    "seconds": ("wall time of the batch of replicas the run trained in, shared equally among them", "s"),
    "sha256": ("digest of the run's file", "1"),
    "norm": ("mean over examples of the L2 norm over units of the loss gradient", "unit of the loss"),
    "normalised": ("the norm divided by its sum over time", "1"),
    "norm_without_noise": ("the norm with every mask replaced by its expectation", "unit of the loss"),
    "normalised_without_noise": ("the norm without noise divided by its sum over time", "1"),
    "growth": ("distance from the unperturbed states as a share of the perturbation, mean over examples", "1"),
    "growth_without_noise": ("the same with every mask replaced by its expectation", "1"),
    "lag": ("timesteps since the perturbation, from 1", "1"),
    "epoch": ("epochs of training completed", "1"),
    "time": ("timestep, from 0", "1"),
    "layer": ("layer, with torch's suffix", "1"),
    "state": ("which state the gradient is taken at", "1"),
    "point": ("candidate: before zoneout; state: after it", "1"),
    "arm": ("arm", "1"),
    "seed": ("seed", "1"),
    "replica": ("replica of a stacked model", "1"),
}


def describe(dataset: xr.Dataset) -> xr.Dataset:
    """Give every variable and coordinate its ``long_name`` and ``units``.

    A loss is in nats, and in squared units where the dataset has squared errors. What is not a quantity of ours keeps the
    description it has, and without one is known by its name, with no unit.
    """
    squared = any(str(name).endswith("_mse") for name in dataset.data_vars)
    for name, variable in dataset.variables.items():
        long_name, units = description(str(name), variable.attrs)
        if squared and units == "nats":
            units = "squared unit"
        variable.attrs.update(long_name=long_name, units=units)
    return dataset


def description(name: str, attrs: Mapping[Any, Any]) -> tuple[str, str]:
    """What a quantity is and its unit, from the list of ours or from its own attributes.

    >>> description("valid_error", {}), description("my_score", {"units": "dB"}), description("acc", {})
    (('validation examples classified wrongly', '1'), ('my score', 'dB'), ('acc', ''))
    """
    own = str(attrs.get("long_name") or name.replace("_", " ")), str(attrs.get("units") or "")
    return QUANTITIES.get(name, own)


def gradient_dataset(
    norms: npt.ArrayLike,
    *,
    layers: Sequence[str],
    states: Sequence[str],
    points: Sequence[str] = ("candidate", "state"),
    without_noise: npt.ArrayLike | None = None,
) -> xr.Dataset:
    """Gradient norms [layer, state, point, time] as a labelled dataset, raw and normalised over time.

    ``without_noise`` are those of a second pass that drew no masks.

    >>> gradient_dataset([[[[1.0, 3.0], [2.0, 2.0]]]], layers=["l0"], states=["hidden"]).normalised.sel(
    ...     point="candidate"
    ... ).values
    array([[[0.25, 0.75]]])
    """
    dims = ("layer", "state", "point", "time")
    variables: dict[str, Any] = {}
    for suffix, given in (("", norms), ("_without_noise", without_noise)):
        if given is not None:
            values = np.asarray(given, dtype=np.float64)
            total = values.sum(-1, keepdims=True)
            share = np.divide(values, total, out=np.full_like(values, np.nan), where=total > 0)
            variables |= {f"norm{suffix}": (dims, values), f"normalised{suffix}": (dims, share)}
    steps = np.arange(np.shape(norms)[-1])
    coords = {"layer": list(layers), "state": list(states), "point": list(points), "time": steps}
    return describe(xr.Dataset(variables, coords))


def perturbation_dataset(
    growth: npt.ArrayLike,
    *,
    layers: Sequence[str],
    states: Sequence[str],
    without_noise: npt.ArrayLike | None = None,
) -> xr.Dataset:
    """What is left of a perturbation [layer, state, lag] as a labelled dataset; lags count from 1.

    >>> perturbation_dataset([[[0.9, 0.8]]], layers=["l0"], states=["hidden"]).growth.sel(lag=2).item()
    0.8
    """
    dims = ("layer", "state", "lag")
    given = {"growth": growth} | ({} if without_noise is None else {"growth_without_noise": without_noise})
    values = {name: (dims, np.asarray(each, dtype=np.float64)) for name, each in given.items()}
    coords = {"layer": list(layers), "state": list(states), "lag": np.arange(1, np.shape(growth)[-1] + 1)}
    return describe(xr.Dataset(values, coords))


def run_tree(
    *,
    run_id: str,
    arm: str,
    seed: int,
    status: str,
    by_epoch: Mapping[str, npt.ArrayLike],
    at_best: Mapping[str, float],
    best_epoch: int | None,
    gradients: Mapping[int, xr.Dataset],
    seconds: float,
    provenance: Mapping[str, Any],
    dynamics: Mapping[int, xr.Dataset] | None = None,
) -> xr.DataTree:
    """One run as a tree: metrics by epoch (from 1), values of the selected checkpoint, measurements by epoch.

    ``gradients`` and ``dynamics`` map an epoch (0: before training) to a dataset of :func:`gradient_dataset` and of
    :func:`perturbation_dataset`. ``provenance`` values may
    be anything JSON can hold; ``best_epoch`` is None where no epoch gave a finite score.
    """
    if status not in STATUSES:
        raise ValueError(f"status {status!r} is none of {STATUSES}")
    epochs = {name: np.asarray(values, dtype=np.float64) for name, values in by_epoch.items()}
    count = max((len(values) for values in epochs.values()), default=0)
    metrics = xr.Dataset(
        {name: ("epoch", values) for name, values in epochs.items()}
        | {name: ((), float(value)) for name, value in at_best.items()}
        | {
            "best_epoch": ((), np.nan if best_epoch is None else float(best_epoch)),
            "epochs_run": ((), float(count)),
            "status": ((), status),
        },
        coords={"epoch": np.arange(1, count + 1)},
    )
    groups = {
        "/metrics": describe(metrics),
        "/provenance": describe(
            xr.Dataset(
                {"run_id": ((), run_id), "seconds": ((), float(seconds))},
                attrs={key: json.dumps(value, sort_keys=True) for key, value in provenance.items()},
            )
        ),
    }
    for name, measured in (("/gradients", gradients), ("/dynamics", dynamics or {})):
        if measured:
            parts = [measured[epoch].expand_dims(epoch=[epoch]) for epoch in sorted(measured)]
            groups[name] = describe(xr.concat(parts, "epoch", join="exact"))
    tree = xr.DataTree.from_dict(groups)
    tree.attrs.update(schema=VERSION, kind="run", run_id=run_id, arm=arm, seed=seed)
    return tree


def study_tree(
    runs: Iterable[tuple[xr.DataTree, str]], *, arms: Sequence[str], seeds: Sequence[int], provenance: Mapping[str, Any]
) -> xr.DataTree:
    """Stack run trees, each with its file's SHA-256, along ``arm`` and ``seed``; a cell without a run is ``missing``."""
    cells = {(str(tree.attrs["arm"]), int(tree.attrs["seed"])): (tree, digest) for tree, digest in runs}
    groups: dict[str, xr.Dataset] = {}
    for group in ("metrics", "gradients", "dynamics", "provenance"):
        rows = []
        for arm in arms:
            row = []
            for seed in seeds:
                if (arm, seed) in cells and group in cells[arm, seed][0].children:
                    tree, digest = cells[arm, seed]
                    dataset = tree[group].to_dataset()
                    if group == "provenance":
                        dataset = dataset.assign(sha256=digest)
                    row.append(dataset.expand_dims(arm=[arm], seed=[seed]))
            if row:
                rows.append(xr.concat(row, "seed", join="outer", data_vars="all", combine_attrs="drop"))
        if rows:
            whole = xr.concat(rows, "arm", join="outer", data_vars="all", combine_attrs="drop")
            groups[f"/{group}"] = whole.reindex(arm=list(arms), seed=list(seeds))
    metrics = groups.setdefault("/metrics", xr.Dataset(coords={"arm": list(arms), "seed": list(seeds)}))
    status = metrics.get("status", xr.DataArray(np.full((len(arms), len(seeds)), None), dims=("arm", "seed")))
    metrics["status"] = status.where(status.isin(STATUSES), "missing").astype(str)
    record = groups.setdefault("/provenance", xr.Dataset(coords={"arm": list(arms), "seed": list(seeds)}))
    for name in ("run_id", "sha256"):
        if name in record:
            record[name] = record[name].where(record[name].notnull(), "").astype(str)
    record.attrs = {key: json.dumps(value, sort_keys=True) for key, value in provenance.items()}
    tree = xr.DataTree.from_dict({name: describe(dataset) for name, dataset in groups.items()})
    tree.attrs.update(schema=VERSION, kind="study")
    return tree


def by_arm_and_seed(tree: xr.DataTree) -> xr.DataTree:
    """A study tree with its dimensions arm and seed, also where one arm or seed was selected by itself: ``tree.isel(seed=0)``."""
    groups, changed = {}, False
    for name, group in tree.children.items():
        dataset = group.to_dataset()
        lacks = [dim for dim in ("arm", "seed") if dim in dataset.coords and dim not in dataset.dims]
        groups[f"/{name}"] = dataset.expand_dims(lacks)
        changed |= bool(lacks)
    if not changed:
        return tree
    whole = xr.DataTree.from_dict(groups)
    whole.attrs.update(tree.attrs)
    return whole


def provenance(tree: xr.DataTree, key: str) -> Any:
    """One provenance attribute, decoded from JSON; None where it was not recorded."""
    text = tree["provenance"].attrs.get(key)
    return None if text is None else json.loads(text)


def study_of(tree: xr.DataTree) -> dict[str, Any] | None:
    """The study that results record, as JSON; None where they record none."""
    study = provenance(tree, "study") if "provenance" in tree.children else None
    return study if isinstance(study, dict) else None


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all: temporary name, fsync, rename, fsync of the folder."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise _cannot_write(path, error) from error
    finally:  # a signal may land anywhere in here; once renamed, there is nothing left to remove
        with contextlib.suppress(OSError):
            Path(temporary).unlink()


def _cannot_write(path: Path, error: OSError) -> InputRefusedError | TryAgainError:
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        return TryAgainError(f"Could not write {path}: {reason}. Free some space and run the same command again.")
    return InputRefusedError(f"Cannot write {path}: {reason}. Choose another place to write to.")


def write_tree(tree: xr.DataTree, path: Path) -> str:
    """Write a tree as netCDF-4, its profiles compressed, and return the file's SHA-256."""
    packed = {"zlib": True, "complevel": 4, "shuffle": True}
    encoding = {
        node.path: {
            name: packed for name, v in node.data_vars.items() if v.dtype.kind == "f" and v.size > _WORTH_PACKING
        }
        for node in tree.subtree
    }
    content = bytes(tree.to_netcdf(None, engine="h5netcdf", encoding=encoding))
    write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


def read_tree(path: Path, sha256: str | None = None) -> xr.DataTree:
    """Read a run or study file into memory, checked against ``sha256`` where one is given.

    Raises IntegrityError where the file differs from what was written or is no result file.
    """
    if not path.is_file():
        raise InputRefusedError(f"There is no result file at {path}.")
    try:
        # opened from memory: HDF5 would lock the file, which some file systems cannot
        content = path.read_bytes()
    except OSError as error:
        raise InputRefusedError(
            f"{path} cannot be read: {error.strerror}. Make it readable, or copy it to another place."
        ) from error
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise IntegrityError(
            f"{path} is not the file that was written: its SHA-256 differs from the manifest. "
            "Delete it and run the study again to redo this run."
        )
    try:
        with xr.open_datatree(io.BytesIO(content), engine="h5netcdf") as lazy:
            tree = lazy.load()
    except (OSError, ValueError, KeyError) as error:
        raise IntegrityError(f"{path} cannot be read as netCDF: {error}") from error
    if tree.attrs.get("schema") != VERSION:
        raise IntegrityError(
            f"{path} is no result file of this version (schema {tree.attrs.get('schema')}, need {VERSION})."
        )
    return tree
