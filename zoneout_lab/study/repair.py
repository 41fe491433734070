"""What can be derived in a study's folder, made anew: the manifest, spec, export and report. What cannot be is moved aside."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import xarray as xr

from zoneout_lab import guarded, schema, sealed
from zoneout_lab import manifest as manifests
from zoneout_lab.errors import IntegrityError, LabError
from zoneout_lab.frozen import AnyRun
from zoneout_lab.functions import FunctionRun
from zoneout_lab.recorded import is_id
from zoneout_lab.report.text import count, listing
from zoneout_lab.results import open_results
from zoneout_lab.results.open import EXPORT, SPEC, open_runs
from zoneout_lab.study import mirror_notes
from zoneout_lab.study.databases import reason
from zoneout_lab.study.mirror import Mirror, named
from zoneout_lab.study.mirroring import compared, rebuild
from zoneout_lab.study.objective import finite
from zoneout_lab.study.run import write_outputs
from zoneout_lab.study.spec import Study, derive
from zoneout_lab.study.store import CONFIRM, TUNE, Store, Warn, holding, read_manifest, spec_bytes, sweep
from zoneout_lab.study.verify import REPORT, damage_of_output, damaged_caches, damaged_checkpoints, damaged_runs

#: what the manifest and ``study.nc`` both say of a study
_SAID = ("declared", "overrides", "command", "paper", "tuning", "reached", "looks", "earlier_looks")


def repair(
    folder: Path,
    say: Callable[[str], None],
    warn: Warn,
    storage: str | None = None,
    tracking: str | None = None,
) -> list[str]:
    """Make anew what can be derived in a study's folder, and move aside what cannot be: ``NAME.damaged``. ``say`` is told of each thing done.

    Derived are the manifest (from ``study.nc``, ``spec.json`` and the runs' files), ``spec.json``, ``study.nc`` and the report. Runs whose
    files are damaged leave the manifest, and the next run of the study trains them again. Optuna's and MLflow's copies are those at the URLs
    ``storage`` and ``tracking``, by default the files beside the folder.

    Returns what could not be made anew, each with why.

    Raises InputRefusedError where there is no study, TryAgainError where a process is running it, IntegrityError where nothing says for
    sure which study it was.
    """
    mirrors = named(folder, storage, tracking)
    if not (folder / manifests.FILE).is_file() and not (folder / SPEC).is_file():
        read_manifest(folder)  # says what is missing
    with holding(folder, warn):
        for path in sweep(folder):
            say(f"Removed {path}, which a process that died left half-written.")
        changed = _repair_manifest(folder, say)
        for path in damaged_checkpoints(folder)[1]:
            path.unlink(missing_ok=True)
            say(f"Removed {path}, a damaged checkpoint.")
        export, report = folder / EXPORT, folder / REPORT
        there = [path for path in (export, report) if path.is_file()]
        # a study that has not come to its end has neither
        if there and (
            changed or any(damage_of_output(path, is_sealed=True) for path in there) or _cannot_be_opened(export)
        ):
            write_outputs(folder, again=True)
            say(f"Wrote {export} and {report} from the runs' files.")
        if mirror_notes.is_damaged(folder):
            (folder / mirror_notes.FILE).unlink()
            say(
                f"Removed {folder / mirror_notes.FILE}, which was damaged: the next run brings Optuna and MLflow up to date."
            )
        left = [why for mirror in mirrors if (why := _repair_mirror(mirror, folder, say, warn))]
    for place in damaged_caches():
        shutil.rmtree(place, ignore_errors=True)
        say(f"Removed {place}, the damaged codes of a text.")
    return left


def _repair_mirror(mirror: Mirror, folder: Path, say: Callable[[str], None], warn: Warn) -> str:
    """Publish a study anew where a mirror differs from its files; on a server only where it can be compared with them. Returns why it could not
    be, or nothing."""
    place = mirror.file or f"{mirror.name} at {mirror.shown}"
    try:
        if compared(mirror, folder).agrees:
            return ""
    except Exception as error:  # noqa: BLE001 - drivers raise their own kinds for what is damaged
        if mirror.file is None:
            say(f"{place} was not compared with the files: {reason(error)}.")
            return ""
    if failed := rebuild(mirror, folder, warn):
        return f"{place} cannot be made anew: {reason(failed)}"
    say(f"Brought {place} up to date with the files.")
    return ""


def _repair_manifest(folder: Path, say: Callable[[str], None]) -> bool:
    """Mend the manifest and what it names; True where it was changed."""
    try:
        manifest, changed = read_manifest(folder), False
        if not manifests.is_sealed(folder):
            open_runs(folder)  # what it says of the runs is what their files say
            changed = True
            say(f"Wrote {folder / manifests.FILE} with its SHA-256.")
    except LabError:
        manifest, changed = _rebuilt(folder, say), True
    store = Store(folder, manifest)
    for run_id, damage in list(damaged_runs(folder, manifest)):
        del manifest["runs"][run_id]
        changed = True
        aside = _aside(Path(damage.path))
        say(
            f"{f'Moved {damage.path} to {aside.name}' if aside else f'{damage.path} is gone'}: the next run of the study trains it again."
        )
    for key, entry in list(manifest.get("code", {}).items()):
        path = folder / entry["file"]
        if path.is_file() and schema.digest(path) == entry.get("sha256"):
            continue
        del manifest["code"][key]
        changed = True
        aside = _aside(path)
        say(
            f"{f'Moved {path} to {aside.name}' if aside else f'{path} is gone'}: the next run of the study copies it again."
        )
    if changed:
        store.save()
    spec = folder / SPEC
    if not spec.is_file() or spec.read_bytes() != spec_bytes(manifest):
        store.save_spec()
        say(f"Wrote {spec} from the manifest.")
    return changed


def _rebuilt(folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """The manifest as other files have it. What none of them has is taken as it is in the damaged one, and that is said."""
    damaged, record = _readable(folder / manifests.FILE), _record(folder)
    study = _study(folder, record.get("study"), damaged.get("study"))
    content: dict[str, Any] = {"schema": schema.VERSION, "study": study, "paper": None, "runs": {}, "code": {}}
    unsure = [key for key in _SAID if key not in record and damaged.get(key) is not None]
    content |= {key: damaged[key] for key in unsure}
    content |= {key: record[key] for key in _SAID if key in record}
    content = {"declared": study, "overrides": [], "command": f"zoneout-lab run {study['name']}"} | content
    if not content["overrides"] and "declared" in unsure:  # where nothing was changed, it is the study itself
        content["declared"] = study
        unsure.remove("declared")
    data = set()
    listed = damaged.get("runs") if isinstance(damaged.get("runs"), dict) else {}
    for path in sorted((folder / "runs").glob("*.nc")):
        found = _entry(folder, path, listed, study)
        if found is None:
            say(
                f"Moved {path} to {_aside(path)}: nothing says that it is what was written, and of this study. The next run of the study trains it again."
            )
            continue
        run_id, entry, digest = found
        content["runs"][run_id] = entry
        data.add(digest)
    for key, entry in _entries(damaged.get("code")):
        with suppress(LabError, KeyError, OSError):
            if schema.digest(guarded.inside(folder, entry["file"])) == entry["sha256"]:
                content["code"][key] = entry
    data = data or {str(damaged.get("data"))}
    if len(data) != 1:
        raise IntegrityError(
            f"The runs in {folder} are of {len(data)} sets of data. Move the folder away and run the study again."
        )
    content["data"] = data.pop()
    if own := _id(folder, damaged.get("id")):
        content["id"] = own
    _aside(folder / manifests.FILE)
    if not content["code"]:
        del content["code"]
    say(
        f"Rebuilt {folder / manifests.FILE} with {count(len(content['runs']), 'run')}, from {f'{EXPORT}, ' if record else ''}{SPEC} and the runs' files."
    )
    if unsure:
        say(f"Taken as they are in the damaged manifest, since no other file has them: {listing(unsure)}.")
    return content


def _id(folder: Path, damaged: Any) -> str | None:
    """The folder's own id: what databases know it by where its notes on them say so, else the one in the damaged manifest if it is one."""
    noted = [note.get("folder") for note in mirror_notes.read(folder).values()]
    return next((each for each in (*noted, damaged) if is_id(each)), None)


def _study(folder: Path, exported: Any, damaged: Any) -> dict[str, Any]:
    """The study that a folder is of: what ``study.nc`` says, else what two files say, else what the folder's name says."""
    spec = _readable(folder / SPEC)
    if isinstance(exported, dict):
        return exported
    for candidate in (damaged, spec):
        if isinstance(candidate, dict) and candidate and (damaged == spec or _is_called(candidate, folder.name)):
            return candidate
    raise IntegrityError(
        f"Nothing in {folder} says for sure which study it is of: the manifest and {SPEC} are damaged. Move the folder away and run the study "
        "again."
    )


def _is_called(spec: Mapping[str, Any], name: str) -> bool:
    """True where a study's name and hash are those of its folder. False too where it has code of its own, which is not run for this."""
    with suppress(Exception):
        if "code" not in spec:
            return Study.model_validate({key: value for key, value in spec.items() if key != "setting"}).id == name
    return False


def _entry(folder: Path, path: Path, listed: Any, study: Mapping[str, Any]) -> tuple[str, dict[str, Any], str] | None:
    """The line of a run, read off its file: id, line and the digest of its data. None where nothing says that the file is whole, and of the study.

    Both are so where the damaged manifest has its SHA-256: no damage would make the two agree. Else it has to be sealed, and to be of
    settings and seeds that the study has: a folder may have been given a file of another study.
    """
    sha256, file = schema.digest(path), path.relative_to(folder).as_posix()
    old = next((entry for _, entry in _entries(listed) if entry.get("sha256") == sha256), {})
    try:
        if not old and not sealed.is_whole(path.read_bytes()):
            return None
        tree = schema.read_tree(path, sha256)
        run_id, arm, seed = str(tree.attrs["run_id"]), str(tree.attrs["arm"]), int(tree.attrs["seed"])
        data = str((schema.provenance(tree, "data") or {}).get("digest"))
        phase = TUNE if path.name.startswith("tune-") else CONFIRM
        arms = {str(each["name"]): each for each in study["arms"]}
        if tree.attrs.get("kind") != "run" or arm not in arms:
            return None
        spec = schema.provenance(tree, "spec")
        if not old and not (_is_run(spec, run_id, arm, seed) and _is_of(spec, study, arms[arm], phase)):
            return None
        entry = {"file": file, "sha256": sha256, "arm": arm, "seed": seed, "phase": phase, **_outcome(tree, study)}
        if entry["status"] not in ("finished", "diverged"):
            return None
        finished = schema.provenance(tree, "finished")
    except (LabError, LookupError, TypeError, ValueError, AttributeError, OverflowError, OSError):
        return None
    when = {"written": finished} if isinstance(finished, str) else {}
    return run_id, entry | when | {key: old[key] for key in ("written", "from") if key in old}, data


def _is_run(spec: Any, run_id: str, arm: str, seed: int) -> bool:
    """True where what a run is a function of, as its file has it, is what it is called after."""
    run: AnyRun
    if "train" in spec:
        run = FunctionRun.model_validate(spec)
    else:
        from zoneout_lab.settings import Run

        run = Run.model_validate(spec)
    return (run.id, run.arm, run.seed) == (run_id, arm, seed)


def _is_of(spec: Mapping[str, Any], study: Mapping[str, Any], arm: Mapping[str, Any], phase: str) -> bool:
    """True where a run is what a study has its arm trained with. Nothing of the study is run for this, its own code included."""
    seeds = _seeds_are_of(spec, study, phase)
    if "train" in spec:
        params = {**(study.get("params") or {}), **(arm.get("params") or {})}
        searched = arm.get("search") or {}
        same = {key: value for key, value in spec["params"].items() if key not in searched} == {
            key: value for key, value in params.items() if key not in searched
        }
        return same and seeds and spec["train"] == study.get("train") and spec.get("code", {}) == study.get("code", {})
    theirs, change = _flat(spec["setting"]), dict(arm.get("change") or {})
    shared = {
        key: value
        for key, value in _flat(study.get("setting") or spec["setting"]).items()
        if not key.startswith(tuple(change))
    }
    # a cell is written in more ways than one, and a number may be a multiple of the setting's: *0.5
    changed = {
        key: value
        for key, value in change.items()
        if key in theirs and key != "model.cell" and not str(value).startswith("*")
    }
    same = all(theirs.get(key) == value for key, value in (shared | changed).items())
    return (
        same
        and spec["task"] == study.get("task", spec["task"])
        and seeds
        and (bool(arm.get("search")) or spec["regularizer"] == arm.get("regularizer", spec["regularizer"]))
    )


def _seeds_are_of(spec: Mapping[str, Any], study: Mapping[str, Any], phase: str) -> bool:
    """True where a run's seeds are derived from the study's."""
    drawn = {
        kind: {
            derive(study.get("seed") or 0, seed, f"{'tune/' if phase == TUNE else ''}{kind}")
            for seed in (spec["seed"], 0)
        }
        for kind in spec["seeds"]
    }
    return all(number in drawn[kind] for kind, number in spec["seeds"].items())


def _flat(setting: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """A setting by its fields' whole names, such as ``training.lr``."""
    flat: dict[str, Any] = {}
    for key, value in setting.items():
        flat |= _flat(value, f"{before}{key}.") if isinstance(value, dict) else {f"{before}{key}": value}
    return flat


def _outcome(tree: xr.DataTree, study: Mapping[str, Any]) -> dict[str, Any]:
    metrics, score = tree["metrics"].to_dataset(), schema.score_of(tree)
    if own := schema.metrics_of(study):
        name = (study.get("tuning") or {}).get("metric") or next(iter(own))
        return {
            "status": str(metrics["status"].item()),
            "score": finite(metrics[name].item()) if name in metrics else None,
        }
    best = float(metrics["best_epoch"])
    known = score is not None and math.isfinite(best)
    value = float(metrics[f"valid_{score.name}"].sel(epoch=int(best))) if known and score is not None else None
    return {"status": str(metrics["status"].item()), "score": value}


def _record(folder: Path) -> dict[str, Any]:
    """What ``study.nc`` says of the study, where it is what was written; else nothing."""
    path = folder / EXPORT
    with suppress(LabError, OSError, KeyError):
        if sealed.is_whole(path.read_bytes()):
            tree = open_results(path)
            values = {key: schema.provenance(tree, key) for key in ("study", *_SAID)}
            return {key: value for key, value in values.items() if value is not None}
    return {}


def _readable(path: Path) -> dict[str, Any]:
    """What is left of a damaged file of JSON: its object where it still is one, else nothing."""
    with suppress(LabError, OSError):
        return guarded.read_json(path)
    return {}


def _entries(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, entry in value.items() if isinstance(value, dict) else ():
        if isinstance(entry, dict):
            yield key, entry


def _cannot_be_opened(path: Path) -> bool:
    try:
        open_results(path)
    except LabError:
        return True
    return False


def _aside(path: Path) -> Path | None:
    """Rename a file to NAME.damaged, or NAME.2.damaged where there is one; None where it does not exist."""
    if not path.is_file():
        return None
    for number in range(1, 1000):
        target = path.with_name(f"{path.name}{'' if number == 1 else f'.{number}'}.damaged")
        if not target.exists():
            break
    return path.rename(target)
