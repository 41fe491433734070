"""The names in a result file, and the only code that reads and writes one.

A *run* file holds one arm × seed; a *study* tree stacks runs along ``arm`` and ``seed``. Both have the same groups:

| group | dimensions | variables |
|---|---|---|
| ``/metrics`` | ``epoch`` | ``train_loss``, ``valid_loss``, the task's score by epoch; the score of the selected checkpoint on the test split, ``best_epoch``, ``epochs_run``, ``status`` without it |
| ``/gradients`` | ``epoch, layer, state, point, time`` | ``norm`` (mean over examples of ‖∂L/∂s_t‖₂) and ``normalised`` (divided by its sum over time), and both again ``…_without_noise`` |
| ``/dynamics`` | ``epoch, layer, state, lag`` | ``growth`` (what is left of a perturbation of the states) and ``growth_without_noise`` |
| ``/<measure>`` | ``epoch``, its own | the quantities of another measure, and by ``epoch`` alone its scalars; both again ``…_without_noise`` |
| ``/provenance`` | | ``run_id``, ``seconds``, ``sha256`` (study tree), and JSON attributes |

NaN means not measured and ``status`` says why: ``finished``, ``diverged``, or in a study tree ``missing``. Where a measure failed in a
finished run, the attribute ``unmeasured`` of the provenance says why.
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

from zoneout_lab import guarded, hdf5, interrupts, netcdf_written, profiles, sealed
from zoneout_lab.errors import InputRefusedError, IntegrityError, TryAgainError, told
from zoneout_lab.metrics import METRICS, Metric, Score
from zoneout_lab.recorded import check_study

VERSION = 1
_WORTH_PACKING = 1000  # numbers; what is smaller gains nothing
#: groups of measurements, in the order in which files have had them; those of other measures follow
MEASURED = (profiles.GRADIENTS, profiles.DYNAMICS)
STATUSES = ("finished", "diverged", "missing")

#: every quantity that this package gives a name, described
QUANTITIES: dict[str, Metric] = METRICS | profiles.QUANTITIES


def describe(dataset: xr.Dataset, own: Mapping[str, Metric] | None = None) -> xr.Dataset:
    """Give every variable and coordinate its ``long_name`` and ``units``.

    A loss is in nats, and in squared units where the dataset has squared errors. ``own`` are the metrics of a task's own score. What is
    not a quantity of ours keeps the description it has, and without one is known by its name, with no unit.
    """
    squared = any(str(name).endswith("_mse") for name in dataset.data_vars)
    for name, variable in dataset.variables.items():
        about = (own or {}).get(str(name)) or description(str(name), variable.attrs)
        units = "squared unit" if squared and about.unit == "nats" else about.unit
        variable.attrs.update(long_name=about.long_name, units=units)
    return dataset


def description(name: str, attrs: Mapping[Any, Any]) -> Metric:
    """What a quantity is, from the list of ours or from its own attributes.

    >>> description("valid_error", {}).long_name, description("my_score", {}).long_name, description("acc", {}).unit
    ('validation examples classified wrongly', 'my score', '')
    """
    if name in QUANTITIES:
        return QUANTITIES[name]
    return Metric(
        str(attrs.get("long_name") or name.replace("_", " ")),
        str(attrs.get("units") or ""),
        str(attrs.get("noun") or ""),
        "higher" if attrs.get("better") == "higher" else "lower" if attrs.get("better") == "lower" else None,
    )


def run_tree(
    *,
    run_id: str,
    arm: str,
    seed: int,
    status: str,
    by_epoch: Mapping[str, npt.ArrayLike],
    at_best: Mapping[str, float],
    best_epoch: int | None,
    seconds: float,
    provenance: Mapping[str, Any],
    measured: Mapping[str, Mapping[int, xr.Dataset]] | None = None,
) -> xr.DataTree:
    """One run as a tree: metrics by epoch (from 1), values of the selected checkpoint, measurements by epoch.

    ``measured`` maps a group to the epochs (0: before training) and what was measured after each. ``provenance`` values may be anything
    JSON can hold, under ``score`` the task's; ``best_epoch`` is None where no epoch gave a finite score.
    """
    if status not in STATUSES:
        raise ValueError(f"status {status!r} is not one of {STATUSES}")
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
        "/metrics": describe(metrics, _own([provenance.get("score")])),
        "/provenance": describe(
            xr.Dataset(
                {"run_id": ((), run_id), "seconds": ((), float(seconds))},
                attrs={key: json.dumps(value, sort_keys=True) for key, value in provenance.items()},
            )
        ),
    }
    for group, epochs_measured in (measured or {}).items():
        if epochs_measured:
            parts = [epochs_measured[epoch].expand_dims(epoch=[epoch]) for epoch in sorted(epochs_measured)]
            groups[f"/{group}"] = describe(xr.concat(parts, "epoch", join="exact", combine_attrs="override"))
    tree = xr.DataTree.from_dict(groups)
    tree.attrs.update(schema=VERSION, kind="run", run_id=run_id, arm=arm, seed=seed)
    return tree


def study_tree(
    runs: Iterable[tuple[xr.DataTree, str]], *, arms: Sequence[str], seeds: Sequence[int], provenance: Mapping[str, Any]
) -> xr.DataTree:
    """Stack run trees, each with its file's SHA-256, along ``arm`` and ``seed``; a cell without a run is ``missing``."""
    cells = {(str(tree.attrs["arm"]), int(tree.attrs["seed"])): (tree, digest) for tree, digest in runs}
    groups: dict[str, xr.Dataset] = {}
    measured = dict.fromkeys(group for tree, _ in cells.values() for group in tree.children)
    for group in dict.fromkeys(("metrics", *(m for m in (*MEASURED, *measured) if m != "provenance"), "provenance")):
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
                rows.append(xr.concat(row, "seed", join="outer", data_vars="all", combine_attrs="override"))
        if rows:
            whole = xr.concat(rows, "arm", join="outer", data_vars="all", combine_attrs="override")
            groups[f"/{group}"] = whole.reindex(arm=list(arms), seed=list(seeds))
    metrics = groups.setdefault("/metrics", xr.Dataset(coords={"arm": list(arms), "seed": list(seeds)}))
    status = metrics.get("status", xr.DataArray(np.full((len(arms), len(seeds)), None), dims=("arm", "seed")))
    metrics["status"] = status.where(status.isin(STATUSES), "missing").astype(str)
    record = groups.setdefault("/provenance", xr.Dataset(coords={"arm": list(arms), "seed": list(seeds)}))
    for name in ("run_id", "sha256"):
        if name in record:
            record[name] = record[name].where(record[name].notnull(), "").astype(str)
    record.attrs = {key: json.dumps(value, sort_keys=True) for key, value in provenance.items()}
    own = _own(provenance.get("score") or [])
    tree = xr.DataTree.from_dict({name: describe(dataset, own) for name, dataset in groups.items()})
    tree.attrs.update(schema=VERSION, kind="study")
    return tree


def _own(scores: Sequence[Any]) -> dict[str, Metric]:
    """The metrics of recorded scores, by name."""
    return {name: about for score in scores if score for name, about in Score.from_json(score).metrics().items()}


def score_of(tree: xr.DataTree) -> Score | None:
    """The score that results record of their task; None where they record none, or runs of several."""
    recorded = provenance(tree, "score") if "provenance" in tree.children else None
    scores = recorded if isinstance(recorded, list) else [recorded]
    return Score.from_json(scores[0]) if len(scores) == 1 and scores[0] else None


def measure_of(tree: xr.DataTree, group: str) -> dict[str, Any]:
    """What a group records of its measure: ``kind``, its fields, ``title`` and ``about``; empty where it records nothing."""
    try:
        recorded = guarded.loads(tree[group].attrs.get("measure", "{}"))
    except (ValueError, TypeError, AttributeError) as error:
        raise IntegrityError(f"What the results record of the measure {group!r} cannot be read: {error}.") from error
    return recorded if isinstance(recorded, dict) else {}


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
    try:
        return None if text is None else guarded.loads(text)
    except (ValueError, TypeError) as error:
        raise IntegrityError(f"What the results record of {key!r} cannot be read: {error}.") from error


def study_of(tree: xr.DataTree) -> dict[str, Any] | None:
    """The study that results record, as JSON; None where they record none."""
    study = provenance(tree, "study") if "provenance" in tree.children else None
    if not isinstance(study, dict):
        return None
    check_study(study, "The record of these results")
    return study


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all: temporary name, fsync, rename, fsync of the folder."""
    with interrupts.careful():
        _write_bytes(path, content)


def _write_bytes(path: Path, content: bytes) -> None:
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
    """Write a tree as netCDF-4, its profiles compressed and sealed at its end, and return the file's SHA-256."""
    content = sealed.sealed(_content(tree))
    write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


def _content(tree: xr.DataTree) -> bytes:
    if tree.attrs.get("kind") == "run":  # there may be thousands of them
        with contextlib.suppress(netcdf_written.UnfamiliarError):
            return netcdf_written.written(tree, lambda each: each.dtype.kind == "f" and each.size > _WORTH_PACKING)
    packed = {"zlib": True, "complevel": 4, "shuffle": True}
    encoding = {
        node.path: {
            name: packed for name, v in node.data_vars.items() if v.dtype.kind == "f" and v.size > _WORTH_PACKING
        }
        for node in tree.subtree
    }
    return bytes(tree.to_netcdf(None, engine="h5netcdf", encoding=encoding))


def read_tree(path: Path, sha256: str | None = None) -> xr.DataTree:
    """Read a run or study file into memory, checked against ``sha256`` where one is given, else against the SHA-256 at its own end.

    A file without one, from elsewhere or from before files had them, is read as it is. Raises IntegrityError where the file differs from what was written or is not a result file.
    """
    if not path.is_file():
        raise InputRefusedError(f"There is no result file at {path}.")
    try:
        guarded.refuse_too_large(path, path.stat().st_size)
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
    if sha256 is None and (fault := _fault_of_seal(content)):
        raise IntegrityError(
            f"{path} is not the file that was written: {fault}. Get it again, or make it anew: zoneout-lab export FOLDER, with the folder of the "
            "study's runs."
        )
    try:
        file = io.BytesIO(content)
        hdf5.check_contents(file, len(content))
        with xr.open_datatree(file, engine="h5netcdf") as lazy:
            # DataTree.load() leaves out a variable that is called like its group
            tree = xr.DataTree.from_dict({node.path: node.to_dataset(inherit=False).load() for node in lazy.subtree})
    except Exception as error:  # a file that was made or damaged by others may raise anything in HDF5 and xarray
        raise IntegrityError(f"{path} cannot be read as netCDF: {told(error)}") from error
    if tree.attrs.get("schema") != VERSION:
        raise IntegrityError(
            f"{path} is not a result file of this version (schema {tree.attrs.get('schema')}, need {VERSION})."
        )
    return tree


def _fault_of_seal(content: bytes) -> str:
    """What shows that a file is not as it was sealed; empty where nothing does."""
    whole = sealed.is_whole(content)
    end = hdf5.end(content) if whole is None else None
    if whole is False or (end is not None and len(content) > end):  # what is there beyond the end was a seal
        return "its SHA-256 differs from the one at its end"
    return ""
