"""Opening what a study left behind: its folder, checked against the manifest, or one exported netCDF file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from zoneout_lab import guarded, manifest, schema
from zoneout_lab.errors import InputRefusedError, IntegrityError

MANIFEST = manifest.FILE
SPEC = "spec.json"
EXPORT = "study.nc"

#: what runs record of where they ran, gathered into the distinct values of the whole study
_OF_RUNS = ("versions", "machine", "git", "data", "engine")


def open_results(path: str | Path) -> xr.DataTree:
    """The results of a study as one tree with groups ``metrics``, ``gradients`` and ``provenance`` along ``arm``, ``seed``.

    ``path`` is a study's folder (every confirmatory run is read, its SHA-256 checked; runs of a tuning phase are left
    out) or a ``.nc`` file of a whole study; a folder without a manifest that holds ``study.nc``, as published results do, is that file. Planned runs that are not there are ``missing``. Provenance holds ``study``,
    ``declared``, ``overrides``, ``command``, ``paper`` (the paper's setting, where another was run), ``tuning`` where there was any,
    ``unmeasured`` (arm, seed, group, epoch and error) where a measure failed, ``written`` (when runs were, where the manifest says), ``reached`` (seeds) where the study declares looks, ``looks`` where it was judged, ``earlier_looks`` where its runs were judged before without
    that being declared, ``taken_over`` (folder → how many runs) where runs came from
    other folders, and lists of the distinct ``versions``, ``machine``, ``git``, ``data``, ``engine`` (what computed the recurrences) and ``score`` (what the task
    is judged by) of the runs.

    Raises InputRefusedError where there is nothing to open, IntegrityError where a file is not what was written.

    >>> open_results("/nowhere/at/all")
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: There are no results at /nowhere/at/all.
    """
    path = Path(path)
    if path.is_dir() and not (path / MANIFEST).is_file() and (path / EXPORT).is_file():
        path = path / EXPORT
    if path.is_dir():
        return _open_folder(path)
    if not path.exists():
        raise InputRefusedError(f"There are no results at {path}.")
    tree = schema.read_tree(path)
    if tree.attrs.get("kind") != "study":
        raise InputRefusedError(f"{path} holds a single run: open its study's folder, or the study's own file.")
    return tree


def holds_results(folder: Path) -> bool:
    """True for a study's folder: it has a manifest, or all results as one file."""
    return (folder / MANIFEST).is_file() or (folder / EXPORT).is_file()


def open_quickly(path: str | Path) -> xr.DataTree:
    """What :func:`open_results` gives, from a folder's ``study.nc`` where that is of just the runs in the manifest: one file instead of one for each run.

    Their SHA-256 are compared with those that ``study.nc`` records, and the runs' own files are not read. Raises as :func:`open_results` does.
    """
    path = Path(path)
    export = path / EXPORT
    if not export.is_file() or not (path / MANIFEST).is_file():
        return open_results(path)
    recorded = manifest.read(path)
    try:
        tree = open_results(export)
    except IntegrityError:
        return open_results(path)  # it is made of the runs' files, and can be made again
    return tree if of_this(tree, recorded) else open_results(path)


def of_this(tree: xr.DataTree, recorded: Mapping[str, Any]) -> bool:
    """True where a study's tree is made of the runs that its manifest has, of the study as it is there."""
    record = tree["provenance"].to_dataset() if "provenance" in tree.children else xr.Dataset()
    runs, reached = recorded.get("runs"), recorded.get("reached")
    if "sha256" not in record or not isinstance(runs, dict):
        return False
    entries = [entry for entry in runs.values() if isinstance(entry, dict) and entry.get("phase") == "confirm"]
    if isinstance(reached, int):
        entries = [entry for entry in entries if isinstance(seed := entry.get("seed"), int) and seed < reached]
    written = {str(entry.get("sha256")) for entry in entries}
    return (
        {str(digest) for digest in record["sha256"].values.flat if digest} == written
        and schema.study_of(tree) == recorded.get("study")
        and schema.provenance(tree, "reached") == reached
    )


def _open_folder(folder: Path) -> xr.DataTree:
    recorded = manifest.read(folder)
    if recorded.get("schema") != schema.VERSION:
        raise IntegrityError(
            f"{folder / MANIFEST} is not a manifest of this version (schema {recorded.get('schema')}, need {schema.VERSION})."
        )
    try:
        study = recorded["study"]
        arms = [str(arm["name"]) for arm in study["arms"]]
        # a study with declared looks has results up to the last that it reached
        reached = int(recorded.get("reached", study["seeds"]))
        planned = range(min(reached, int(study["seeds"])))
        entries = {run_id: entry for run_id, entry in recorded["runs"].items() if entry["phase"] == "confirm"}
        if "reached" in recorded:
            entries = {run_id: entry for run_id, entry in entries.items() if int(entry["seed"]) < reached}
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
    runs = [(_read_run(folder, run_id, entry), str(entry["sha256"])) for run_id, entry in entries.items()]
    seeds = sorted({seed for _, seed in cells})
    # seeds that tuning left fresh need not start at zero; then only those that ran are known
    if set(seeds) <= set(planned):
        seeds = list(planned)
    record = {key: recorded.get(key) for key in ("study", "declared", "overrides", "command")}
    record |= {key: _distinct(schema.provenance(tree, key) for tree, _ in runs) for key in _OF_RUNS}
    record |= {
        key: recorded[key] for key in ("tuning", "paper", "reached", "looks", "earlier_looks") if recorded.get(key)
    }
    if taken := Counter(str(entry["from"]) for entry in entries.values() if "from" in entry):
        record["taken_over"] = dict(sorted(taken.items()))
    if written := _distinct(entry.get("written") for entry in entries.values()):
        record["written"] = written  # manifests may say when each run was written
    if scores := _distinct(schema.provenance(tree, "score") for tree, _ in runs):
        record["score"] = scores  # what the task was judged by; older runs do not say
    unmeasured = [
        {"arm": tree.attrs["arm"], "seed": int(tree.attrs["seed"])} | each
        for tree, _ in runs
        for each in schema.provenance(tree, "unmeasured") or []
    ]
    record |= {"unmeasured": unmeasured} if unmeasured else {}
    return schema.study_tree(runs, arms=arms, seeds=seeds, provenance=record)


def _read_run(folder: Path, run_id: str, entry: Mapping[str, Any]) -> xr.DataTree:
    try:
        file, digest = guarded.inside(folder, entry["file"]), str(entry["sha256"])
        expected = {"kind": "run", "run_id": run_id, "arm": entry["arm"], "seed": entry["seed"]}
        status = entry["status"]
    except (KeyError, TypeError) as error:
        raise IntegrityError(f"The entry of run {run_id} in {folder / MANIFEST} is damaged: {error!r}.") from error
    if not file.is_file():
        raise IntegrityError(f"{file} is in the manifest and not on disk. Run the study again to redo this run.")
    tree = schema.read_tree(file, digest)
    found = {key: tree.attrs.get(key) for key in expected} | {"status": str(tree["metrics/status"].item())}
    for key, value in (expected | {"status": status}).items():
        if found[key] != value:
            raise IntegrityError(
                f"{file} is not the run its manifest entry describes: {key} is {found[key]}, not {value}."
            )
    return tree


def _distinct(values: Iterable[Any]) -> list[Any]:
    """The distinct values in order of appearance; None, for not recorded, is left out."""
    found: dict[str, Any] = {json.dumps(value, sort_keys=True): value for value in values if value is not None}
    return list(found.values())
