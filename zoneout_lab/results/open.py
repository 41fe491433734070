"""Opening what a study left behind: its folder, checked against the manifest, or one exported netCDF file."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import xarray as xr

from zoneout_lab import guarded, manifest, schema
from zoneout_lab.errors import InputRefusedError, IntegrityError, LabError
from zoneout_lab.netcdf import Described, Group
from zoneout_lab.results.readable import readable

MANIFEST = manifest.FILE
SPEC = "spec.json"
EXPORT = "study.nc"

#: what runs record of where they ran, gathered into the distinct values of the whole study
_OF_RUNS = ("versions", "machine", "git", "data", "engine")
#: what only some record
_OF_SOME = ("score", "unmeasured", "cluster", "left_out")


def open_results(path: str | Path) -> xr.DataTree:
    """The results of a study as one tree with groups ``metrics``, ``gradients`` and ``provenance`` along ``arm``, ``seed``.

    Every variable has a ``long_name`` that fits on an axis, and where that does not say it all a ``description``; ``arm_label`` is what the study calls each arm.

    ``path`` is a study's folder, or a ``.nc`` file of a whole study. In a folder the SHA-256 of every confirmatory run is checked; their numbers
    are read from ``study.nc`` where that is made of just these runs, else from their own files. Runs of a tuning phase are left out, and
    planned runs that are not there are ``missing``. A folder without a manifest that holds ``study.nc``, as published results do, is that file.

    Provenance holds

    - ``study``, ``declared``, ``overrides``, ``command``;
    - ``paper``, the paper's setting, where another was run; ``tuning`` where there was any;
    - ``unmeasured`` (arm, seed, group, epoch and error) where a measure failed;
    - ``left_out``, sentences, where something was measured with other dimensions in one run than in another: the results are without it, and
      that is a warning too;
    - ``written``, when runs were, where the manifest says;
    - ``reached`` (seeds) where the study declares looks, ``looks`` where it was judged, ``earlier_looks`` where its runs were judged before
      without that being declared;
    - ``taken_over`` (folder → how many runs) where runs came from other folders;
    - lists of the distinct ``versions``, ``machine``, ``git``, ``data``, ``engine`` (what computed the recurrences), ``cluster`` (which machine and
      worker of one, to be counted) and ``score`` (what the task is judged by) of the runs.

    Raises InputRefusedError where there is nothing to open, IntegrityError where a file is not what was written.

    >>> open_results("/nowhere/at/all")
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: There are no results at /nowhere/at/all.
    """
    return _opened(Path(path), hashed=True)


def open_quickly(path: str | Path) -> xr.DataTree:
    """The same as :func:`open_results`, without looking at the runs' own files where ``study.nc`` is of just the runs in the manifest.

    Raises as :func:`open_results` does.
    """
    return _opened(Path(path), hashed=False)


def open_runs(folder: Path) -> xr.DataTree:
    """The same as :func:`open_results`, always from the runs' own files where the folder has a manifest. Raises as it does."""
    if not (folder / MANIFEST).is_file():
        return open_results(folder)
    recorded, entries = _recorded(folder)
    alike: Described = {}
    runs = [(_read_run(folder, run_id, entry, alike), str(entry["sha256"])) for run_id, entry in entries.items()]
    said = {key: _distinct(_said(run, key) for run, _ in runs) for key in (*_OF_RUNS, "score", "cluster")}
    said["unmeasured"] = [
        {"arm": run["/"].attrs["arm"], "seed": int(run["/"].attrs["seed"])} | each
        for run, _ in runs
        for each in _said(run, "unmeasured") or []
    ]
    study, seeds = recorded["study"], sorted({int(entry["seed"]) for entry in entries.values()})
    # seeds that tuning left fresh need not start at zero; then only those that ran are known
    planned = range(min(int(recorded.get("reached", study["seeds"])), int(study["seeds"])))
    tree = schema.study_tree(
        runs,
        arms=[str(arm["name"]) for arm in study["arms"]],
        seeds=list(planned) if set(seeds) <= set(planned) else seeds,
        provenance=_record(recorded, entries, said),
    )
    _warn_of_left_out(tree)
    return readable(tree)


def from_export(folder: Path, *, hashed: bool) -> xr.DataTree | None:
    """A folder's results from its ``study.nc``; None where that is not whole, or not of just the runs in the manifest."""
    recorded, entries = _recorded(folder)
    export = folder / EXPORT
    try:
        # what another program has written there has no SHA-256 of its own
        if not export.is_file() or not schema.is_sealed(export):
            return None
        tree = _opened(export, hashed=False)
        if not of_this(tree, recorded):
            return None
    except LabError:
        return None  # it is made of the runs' files, and can be made again
    if hashed and any(schema.digest(_file(folder, entry)) != entry["sha256"] for entry in entries.values()):
        return None  # reading it names the one that is damaged
    said = {key: schema.provenance(tree, key) or [] for key in (*_OF_RUNS, *_OF_SOME)}
    tree["provenance"].attrs = schema.encoded(_record(recorded, entries, said))
    return tree


def holds_results(folder: Path) -> bool:
    """True for a study's folder: it has a manifest, or all results as one file."""
    return (folder / MANIFEST).is_file() or (folder / EXPORT).is_file()


def of_this(tree: xr.DataTree, recorded: Mapping[str, Any]) -> bool:
    """True where a study's tree is made of the runs that its manifest has, of the study as it is there."""
    try:
        record, status = tree["provenance"].to_dataset(), tree["metrics/status"]
        columns = [each.transpose("arm", "seed").values for each in (record["run_id"], record["sha256"], status)]
        seeds = [int(seed) for seed in record["seed"].values]
    except (KeyError, ValueError):  # it does not say what it is made of
        return False
    there = {
        (str(arm), seed): tuple(str(column[row, place]) for column in columns)
        for row, arm in enumerate(record["arm"].values)
        for place, seed in enumerate(seeds)
        if columns[1][row, place]
    }
    written = {
        (entry.get("arm"), entry.get("seed")): (run_id, entry.get("sha256"), entry.get("status"))
        for run_id, entry in _confirmed(recorded).items()
    }
    return (
        there == written
        and schema.study_of(tree) == recorded.get("study")
        and schema.provenance(tree, "reached") == recorded.get("reached")
    )


def _opened(path: Path, *, hashed: bool) -> xr.DataTree:
    if path.is_dir() and not (path / MANIFEST).is_file() and (path / EXPORT).is_file():
        path = path / EXPORT
    if path.is_dir():
        return from_export(path, hashed=hashed) or open_runs(path)
    if not path.exists():
        raise InputRefusedError(f"There are no results at {path}.")
    tree = schema.open_tree(path)
    if tree.attrs.get("kind") != "study":
        raise InputRefusedError(f"{path} holds a single run: open its study's folder, or the study's own file.")
    _warn_of_left_out(tree)
    return readable(tree)


def _warn_of_left_out(tree: xr.DataTree) -> None:
    for text in schema.provenance(tree, "left_out") or [] if "provenance" in tree.children else []:
        _warn_once(str(text))


@cache
def _warn_once(text: str) -> None:
    """A command opens the same results several times; Python would say it again whenever filters have changed."""
    warnings.warn(text, stacklevel=1)


def _recorded(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A folder's manifest, and its confirmatory runs up to the look that was reached."""
    recorded = manifest.read(folder)
    if recorded.get("schema") != schema.VERSION:
        raise IntegrityError(
            f"{folder / MANIFEST} is not a manifest of this version (schema {recorded.get('schema')}, need {schema.VERSION})."
        )
    try:
        study, entries = recorded["study"], _confirmed(recorded)
        arms = [str(arm["name"]) for arm in study["arms"]]
        cells = [(str(entry["arm"]), int(entry["seed"])) for entry in entries.values()]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(f"{folder / MANIFEST} is damaged: {error!r}.") from error
    if (folder / SPEC).is_file() and guarded.read_json(folder / SPEC) != study:
        raise IntegrityError(f"{folder / SPEC} is not the study that {MANIFEST} was written for.")
    if len(set(cells)) < len(cells):
        raise IntegrityError(f"{folder / MANIFEST} has two runs for the same arm and seed.")
    if strangers := {arm for arm, _ in cells} - set(arms):
        raise IntegrityError(
            f"{folder / MANIFEST} has runs of arms the study does not have: {', '.join(sorted(strangers))}."
        )
    return recorded, entries


def _confirmed(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The runs of a manifest that are results: a study with declared looks has those up to the last that it reached."""
    runs = {run_id: entry for run_id, entry in recorded["runs"].items() if entry["phase"] == "confirm"}
    if "reached" not in recorded:
        return runs
    return {run_id: entry for run_id, entry in runs.items() if int(entry["seed"]) < int(recorded["reached"])}


def _record(recorded: Mapping[str, Any], entries: Mapping[str, Any], said: Mapping[str, list[Any]]) -> dict[str, Any]:
    """What the results record: of the study, as its manifest has it, and what the runs said of themselves."""
    record: dict[str, Any] = {key: recorded.get(key) for key in ("study", "declared", "overrides", "command")}
    record |= {key: said[key] for key in _OF_RUNS}
    record |= {
        key: recorded[key] for key in ("tuning", "paper", "reached", "looks", "earlier_looks") if recorded.get(key)
    }
    if taken := Counter(str(entry["from"]) for entry in entries.values() if "from" in entry):
        record["taken_over"] = dict(sorted(taken.items()))
    if written := _distinct(entry.get("written") for entry in entries.values()):
        record["written"] = written  # manifests may say when each run was written
    return record | {key: said[key] for key in _OF_SOME if said.get(key)}  # older runs do not say


def _said(run: Mapping[str, Group], key: str) -> Any:
    """What a run's file records under a name; None where it records nothing."""
    return schema.decoded(run["/provenance"].attrs, key) if "/provenance" in run else None


def _file(folder: Path, entry: Mapping[str, Any]) -> Path:
    file = guarded.inside(folder, entry["file"])
    if not file.is_file():
        raise IntegrityError(f"{file} is in the manifest and not on disk. Run the study again to redo this run.")
    return file


def _read_run(folder: Path, run_id: str, entry: Mapping[str, Any], alike: Described) -> dict[str, Group]:
    try:
        digest, expected = (
            str(entry["sha256"]),
            {"run_id": run_id, **{key: entry[key] for key in ("arm", "seed", "status")}},
        )
        file = _file(folder, entry)
    except (KeyError, TypeError) as error:
        raise IntegrityError(f"The entry of run {run_id} in {folder / MANIFEST} is damaged: {error!r}.") from error
    run = schema.read_groups(file, digest, alike)
    status = run["/metrics"].variables["status"][1].item() if "/metrics" in run else None
    found = {key: run["/"].attrs.get(key) for key in ("kind", "run_id", "arm", "seed")} | {"status": status}
    for key, value in ({"kind": "run"} | expected).items():
        if found[key] != value:
            raise IntegrityError(
                f"{file} is not the run its manifest entry describes: {key} is {found[key]}, not {value}."
            )
    return run


def _distinct(values: Iterable[Any]) -> list[Any]:
    """The distinct values in order of appearance; None, for not recorded, is left out."""
    found: dict[str, Any] = {json.dumps(value, sort_keys=True): value for value in values if value is not None}
    return list(found.values())
