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
import hashlib
import io
import json
from collections.abc import Container, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
import xarray as xr

from zoneout_lab import guarded, hdf5, netcdf, profiles, sealed, whole
from zoneout_lab.descriptions import describe, described
from zoneout_lab.errors import IntegrityError, told
from zoneout_lab.metrics import Metric, Score, as_described, with_curves
from zoneout_lab.netcdf import Group, Variable
from zoneout_lab.recorded import check_study
from zoneout_lab.stacked import stacked_by_epoch, stacked_group
from zoneout_lab.steady import opened

VERSION = 1
_SMALL, _PIECE = 1 << 26, 1 << 20  # bytes of a file that is read whole, and of numbers that are compressed together
_PACKED = {"zlib": True, "complevel": 4, "shuffle": True}
_WORTH_PACKING = 1000  # numbers; what is smaller gains nothing
#: groups of measurements, in the order in which files have had them; those of other measures follow
MEASURED = (profiles.GRADIENTS, profiles.DYNAMICS)
#: the groups of a run's file that say what it was and how it went; all others were measured
ITSELF = frozenset(("/metrics", "/provenance"))
ORIGIN = frozenset(("/provenance",))  # where a run comes from
STATUSES = ("finished", "diverged", "missing")


def run_groups(
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
    epochs: Sequence[int] | None = None,
) -> dict[str, Group | xr.Dataset]:
    """One run as the groups of its file: metrics by epoch, values of the selected checkpoint, measurements by epoch.

    Epochs are 1, 2, …, and one of them is the selected checkpoint's. Where ``epochs`` names them, the run selected none: it recorded its numbers itself.

    ``measured`` maps a group to the epochs (0: before training) and what was measured after each. ``provenance`` values may be anything
    JSON can hold, under ``score`` the task's; ``best_epoch`` is None where no epoch gave a finite score.
    """
    if status not in STATUSES:
        raise ValueError(f"status {status!r} is not one of {STATUSES}")
    curves = {name: np.asarray(values, dtype=np.float64) for name, values in by_epoch.items()}
    count = max((len(values) for values in curves.values()), default=0)
    if short := [name for name, values in curves.items() if len(values) < count]:
        raise ValueError(f"{', '.join(short)}: fewer values than the {count} epochs of others")
    if taken := {"epoch", "best_epoch", "epochs_run", "status"} & {*curves, *at_best}:
        raise ValueError(f"{', '.join(sorted(taken))}: no names for metrics")
    metrics: dict[str, Variable] = {name: (("epoch",), values, {}) for name, values in curves.items()}
    single = dict(at_best) | {"epochs_run": count}
    if epochs is None:
        single["best_epoch"] = np.nan if best_epoch is None else best_epoch
    metrics |= {name: ((), np.array(float(value)), {}) for name, value in single.items()}
    metrics |= {
        "status": ((), np.array(status), {}),
        "epoch": (("epoch",), np.asarray(range(1, count + 1) if epochs is None else epochs, dtype=np.int64), {}),
    }
    groups: dict[str, Group | xr.Dataset] = {
        "/": Group({"schema": VERSION, "kind": "run", "run_id": run_id, "arm": arm, "seed": seed}),
        "/metrics": Group({}, metrics),
        "/provenance": Group(
            encoded(provenance), {"run_id": ((), np.array(run_id), {}), "seconds": ((), np.array(float(seconds)), {})}
        ),
    }
    for group, found in (measured or {}).items():
        if found:
            groups[f"/{group}"] = stacked_by_epoch(found)
    own = _own([provenance.get("score")])
    return {path: _with_descriptions(group, own if path == "/metrics" else {}) for path, group in groups.items()}


def _with_descriptions(group: Group | xr.Dataset, own: Mapping[str, Metric]) -> Group | xr.Dataset:
    if isinstance(group, xr.Dataset):
        return describe(group, own)
    told = described({name: attrs for name, (_, _, attrs) in group.variables.items()}, own)
    variables = {name: (dims, values, told[name]) for name, (dims, values, _) in group.variables.items()}
    return Group(netcdf.remarks(group.attrs), variables)


def run_tree(**fields: Any) -> xr.DataTree:
    """One run as a tree, of what :func:`run_groups` takes."""
    return netcdf.tree_of(run_groups(**fields))


def study_tree(
    runs: Iterable[tuple[xr.DataTree | Mapping[str, Group], str]],
    *,
    arms: Sequence[str],
    seeds: Sequence[int],
    provenance: Mapping[str, Any],
) -> xr.DataTree:
    """Stack runs, each with its file's SHA-256, along ``arm`` and ``seed``; a cell without a run is ``missing``.

    What was measured with other dimensions in one run than in another is left out, and the provenance says so, under ``left_out``, in a sentence for
    each group and variable. Raises IntegrityError where runs differ so in their metrics or provenance.
    """
    cells: dict[str, dict[tuple[str, int], Group]] = {name: {} for name in ("metrics", *MEASURED)}
    for run, sha256 in runs:
        groups = netcdf.groups_of(run) if isinstance(run, xr.DataTree) else run
        cell = str(groups["/"].attrs["arm"]), int(groups["/"].attrs["seed"])
        for name in [path[1:] for path in groups if path.rfind("/") == 0 and path != "/"]:
            cells.setdefault(name, {})[cell] = groups[f"/{name}"]
        if "/provenance" in groups:
            cells["provenance"][cell].variables["sha256"] = (), np.array(sha256), {}
    cells["provenance"] = cells.pop("provenance", {})  # the last one
    unlike: dict[str, dict[str, str]] = {name: {} for name in cells if f"/{name}" not in ITSELF}
    stacked = {
        f"/{name}": whole
        for name, group in cells.items()
        if group and ((whole := stacked_group(group, arms, seeds, unlike.get(name))).data_vars or not unlike.get(name))
    }
    left_out = [
        f"The results are without {name!r} of {group}, which {why}. Record what has other dimensions or labels under another name."
        for group, those in unlike.items()
        for name, why in those.items()
        if any(name in each.variables and each.variables[name][0] != (name,) for each in cells[group].values())
    ]
    metrics = stacked.setdefault("/metrics", xr.Dataset(coords={"arm": list(arms), "seed": list(seeds)}))
    status = metrics.get("status", xr.DataArray(np.full((len(arms), len(seeds)), None), dims=("arm", "seed")))
    metrics["status"] = status.where(status.isin(STATUSES), "missing").astype(str)
    record = stacked.setdefault("/provenance", xr.Dataset(coords={"arm": list(arms), "seed": list(seeds)}))
    for name in ("run_id", "sha256"):
        if name in record:
            record[name] = record[name].where(record[name].notnull(), "").astype(str)
    record.attrs = encoded({**provenance, **({"left_out": left_out} if left_out else {})})
    own, theirs = _own(provenance.get("score") or []), with_curves(metrics_of(provenance.get("study")))
    tree = xr.DataTree.from_dict(
        {
            name: describe(dataset, own | theirs, by_name=bool(theirs) and name == "/metrics")
            for name, dataset in stacked.items()
        }
    )
    tree.attrs.update(kind="study", schema=VERSION)
    return tree


def _own(scores: Sequence[Any]) -> dict[str, Metric]:
    """The metrics of recorded scores, by name."""
    return {name: about for score in scores if score for name, about in Score.from_json(score).metrics().items()}


def metrics_of(study: Any) -> dict[str, Metric]:
    """The metrics that a study describes itself, by name."""
    return as_described(study.get("metrics")) if isinstance(study, Mapping) else {}


def describes_its_own(tree: xr.DataTree) -> bool:
    """True for results whose study describes its metrics itself: no other name means there what it means in a built-in task."""
    return bool((study_of(tree) or {}).get("metrics"))


def own_metrics(tree: xr.DataTree) -> dict[str, Metric]:
    """The metrics that results describe themselves: their task's score, and what their study declares, with the curves that have a metric's name."""
    score, declared = score_of(tree), with_curves(metrics_of(study_of(tree)))
    return ({} if score is None else score.metrics()) | declared


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
    lacks = {
        name: [dim for dim in ("arm", "seed") if dim in group.coords and dim not in group.dims]
        for name, group in tree.children.items()
    }
    if not any(lacks.values()):
        return tree
    groups = {f"/{name}": tree[name].to_dataset().expand_dims(dims) for name, dims in lacks.items()}
    whole = xr.DataTree.from_dict(groups)
    whole.attrs.update(tree.attrs)
    return whole


def provenance(tree: xr.DataTree, key: str) -> Any:
    """One provenance attribute, decoded from JSON; None where it was not recorded."""
    return decoded(tree["provenance"].attrs, key)


def decoded(attrs: Mapping[Any, Any], key: str) -> Any:
    """One of the attributes of a provenance, decoded from JSON; None where it was not recorded."""
    text = attrs.get(key)
    try:
        return None if text is None else guarded.loads(text)
    except (ValueError, TypeError, AttributeError) as error:  # no text
        raise IntegrityError(f"What the results record of {key!r} cannot be read: {error}.") from error


def encoded(record: Mapping[str, Any]) -> dict[str, str]:
    """The attributes of a provenance, as JSON, in the order in which a file gives them: read and written again, it has the same bytes."""
    return {key: json.dumps(record[key], sort_keys=True) for key in sorted(record)}


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


def write_tree(tree: xr.DataTree | Mapping[str, Group | xr.Dataset], path: Path) -> str:
    """Write a tree, or its groups by their paths, as netCDF-4, what is large in it compressed, with its seal at the end, and return the file's
    SHA-256."""
    content = sealed.sealed(_content(tree))
    whole.write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


def _content(tree: xr.DataTree | Mapping[str, Group | xr.Dataset]) -> bytes:
    run = not isinstance(tree, xr.DataTree) or tree.attrs.get("kind") == "run"
    # of runs there may be thousands
    if run or (isinstance(tree, xr.DataTree) and tree.nbytes <= _SMALL):
        with contextlib.suppress(netcdf.UnfamiliarError):
            return netcdf.written(tree, _of_a_run if run else _in_pieces)
    if not isinstance(tree, xr.DataTree):
        tree = netcdf.tree_of(tree)
    tree = xr.DataTree.from_dict({node.path: _remarked(node) for node in tree.subtree})
    encoding = {
        node.path: {
            str(name): _PACKED | {"chunksizes": pieces}
            for name, each in node.data_vars.items()
            if (pieces := _in_pieces(each.dims, each)) is not None
        }
        for node in tree.subtree
    }
    return bytes(tree.to_netcdf(None, engine="h5netcdf", encoding=encoding))


def _remarked(node: xr.DataTree) -> xr.Dataset:
    """A group whose attributes are remarks: xarray and HDF5 are told nothing else by them, whoever made it."""
    dataset = node.to_dataset(inherit=False).copy()
    dataset.attrs = netcdf.remarks(dataset.attrs)
    for each in dataset.variables.values():
        each.attrs = netcdf.remarks(each.attrs)
    return dataset


def _of_a_run(_dims: tuple[str, ...], values: npt.NDArray[Any]) -> tuple[int, ...] | None:
    return values.shape if values.dtype.kind == "f" and values.size > _WORTH_PACKING else None


def _in_pieces(dims: tuple[Hashable, ...], values: npt.NDArray[Any] | xr.DataArray) -> tuple[int, ...] | None:
    """How a variable lies in its file: in pieces that are compressed by themselves, so that little is read of a large one, and of one arm no other.

    A piece is divided along its first axes. What is compressed has checksums, by which a file that is read as its numbers are used is still found
    to be damaged.
    """
    if values.dtype.kind not in "fiu" or values.size <= _WORTH_PACKING:
        return None
    shape = (1, *values.shape[1:]) if dims[:2] == ("arm", "seed") else values.shape
    room, piece = _PIECE // values.dtype.itemsize, list[int]()
    for length in reversed(shape):
        piece.append(max(1, min(length, room)))
        room //= piece[-1]
    return tuple(reversed(piece))


def read_tree(path: Path, sha256: str | None = None) -> xr.DataTree:
    """Read a run or study file into memory, checked against ``sha256`` where one is given, else against the SHA-256 at its own end.

    A file without one, from elsewhere or from before files had them, is read as it is. Raises IntegrityError where the file differs from
    what was written or is not a result file.
    """
    content = _checked(path, sha256)
    with _netcdf(path):
        tree = netcdf.tree(content)
    _check_version(path, tree.attrs)
    return tree


def read_groups(
    path: Path, sha256: str | None = None, alike: netcdf.Described | None = None, only: Container[str] | None = None
) -> dict[str, Group]:
    """The groups of a file by their paths: what :func:`read_tree` reads, before it is made a tree. Raises what it raises.

    ``alike``, of files to be stacked, is what :func:`~zoneout_lab.netcdf.read` takes: of a variable's descriptions, the first counts. ``only``
    are the paths of the groups that are wanted, beside the root; None: all.
    """
    content = _checked(path, sha256)
    with _netcdf(path):
        groups = netcdf.groups(content, alike, only)
    _check_version(path, groups["/"].attrs)
    return groups


def _checked(path: Path, sha256: str | None) -> bytes:
    """The bytes of a file, once they are known to be what was written."""
    # opened from memory: HDF5 would lock the file, which some file systems cannot
    with opened(path) as file:
        guarded.refuse_too_large(path, file.size)
        content = file.at(0, file.size)
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise IntegrityError(
            f"{path} is not the file that was written: its SHA-256 differs from the manifest. "
            "`verify --repair` moves it aside, and the next run trains it again."
        )
    if sha256 is None:
        _check_seal(path, io.BytesIO(content), len(content))
    return content


def open_tree(path: Path) -> xr.DataTree:
    """What :func:`read_tree` gives; of a file of more than 64 MiB, numbers are read when they are first used.

    Its SHA-256 is checked now. Where it is written to later, using numbers not read before raises IntegrityError; another file under its
    name is not noticed. Raises as :func:`read_tree` does.
    """
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(opened(path))
        if file.size <= _SMALL:
            return read_tree(path)
        stream = cast("BinaryIO", file)
        _check_seal(path, stream, file.size)
        with _netcdf(path):
            tree = netcdf.lazy_tree(stream, file.size)
        _check_version(path, tree.attrs)
        stack.pop_all()  # it is closed with the last array that needs it
    return tree


def is_sealed(path: Path) -> bool:
    """True where a file has a SHA-256 of its own at its end, right or wrong. Raises InputRefusedError where it cannot be read."""
    with opened(path) as file:
        return sealed.seal_of(cast("BinaryIO", file), file.size) is not None


def _check_seal(path: Path, file: BinaryIO, size: int) -> None:
    if not hdf5.is_as_sealed(file, size):
        raise IntegrityError(
            f"{path} is not the file that was written: its SHA-256 differs from the one at its end. Get it again, or make it anew: zoneout-lab "
            "export FOLDER, with the folder of the study's runs."
        )


@contextlib.contextmanager
def _netcdf(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a file that was made or damaged by others may raise anything in HDF5 and xarray
        raise IntegrityError(f"{path} cannot be read as netCDF: {told(error)}") from error


def _check_version(path: Path, attrs: Mapping[Any, Any]) -> None:
    if attrs.get("schema") != VERSION:
        raise IntegrityError(
            f"{path} is not a result file of this version (schema {attrs.get('schema')}, need {VERSION})."
        )
