"""Every file of a study checked against what was written, and what each damage calls for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from zoneout_lab import manifest as manifests
from zoneout_lab import schema, sealed
from zoneout_lab.cache import cached
from zoneout_lab.engines import kept
from zoneout_lab.errors import InputRefusedError, IntegrityError, LabError, TryAgainError, told
from zoneout_lab.report.text import count
from zoneout_lab.results import open_results
from zoneout_lab.results.open import EXPORT, SPEC, of_this, open_runs
from zoneout_lab.study import mirror_notes
from zoneout_lab.study.adopted import unlisted
from zoneout_lab.study.databases import may_pass, reason, remedy
from zoneout_lab.study.mirror import FILES, OPTIONS, Mirror, Name, named
from zoneout_lab.study.mirroring import compared
from zoneout_lab.study.store import read_manifest, spec_bytes

REPORT = "report.html"
_DIFFERS = "is not the file that was written: its SHA-256 differs from the manifest"
_AGAIN = "verify --repair writes it anew"
_ASIDE = "verify --repair moves it aside, and the next run trains it again"
_DATABASE = "verify --repair makes it anew from the files"


@dataclass(frozen=True)
class Damage:
    """A file, or a mirror by its URL, that is not what was written, why, and what to do."""

    path: Path | str
    fault: str
    cure: str


@dataclass(frozen=True)
class Checked:
    """Some files of a study: how many were checked, which are damaged, and what else there is to say of them.

    ``unknown`` says why a mirror that was named could not be checked.
    """

    what: str
    count: int
    damages: tuple[Damage, ...] = ()
    note: str = ""
    unknown: LabError | None = None


@dataclass
class _Looked:
    count: int = 0
    damages: list[Damage] = field(default_factory=list)
    note: str = ""
    unknown: LabError | None = None

    def row(self, what: str) -> Checked:
        return Checked(what, self.count, tuple(self.damages), self.note, self.unknown)

    def damaged(self, path: Path | str, fault: str, cure: str) -> None:
        self.damages.append(Damage(path, fault, cure))


def verify(folder: Path, storage: str | None = None, tracking: str | None = None) -> list[Checked]:
    """Check all files of a study's folder, the codes of texts in the user's cache, and Optuna's and MLflow's copies. Changes nothing.

    Args:
        folder: a study's results folder.
        storage, tracking: where the copies are; by default in files beside the folder.

    Raises InputRefusedError where there is no manifest, IntegrityError where it is damaged: it says what the other files have to be.
    UsageError where ``storage`` or ``tracking`` is not a URL of the kind.
    """
    mirrors = {mirror.name: mirror for mirror in named(folder, storage, tracking)}
    manifest = read_manifest(folder)
    is_sealed = manifests.is_sealed(folder)
    old = "" if is_sealed else "older than its own SHA-256: it is unprotected"
    rows = [Checked("manifest", 1, note=old)]
    if not is_sealed and not any(damaged_runs(folder, manifest)):
        rows = [_as_a_whole(folder, rows[0])]
        if rows[0].damages:
            return rows
    for what, check in _CHECKS.items():
        looked = _Looked()
        check(looked, folder, manifest, is_sealed)
        rows.append(looked.row(what))
    notes = mirror_notes.read(folder)
    for name in FILES:
        looked = _Looked()
        _check_mirror(looked, folder, name, mirrors.get(name), str(notes.get(name, {}).get("at", FILES[name])))
        rows.append(looked.row(f"{name}'s database"))
    return rows


def damaged_runs(folder: Path, manifest: Mapping[str, Any]) -> Iterator[tuple[str, Damage]]:
    """The ids of runs whose files are not what was written, each with what is wrong."""
    for run_id, entry in manifest["runs"].items():
        path = folder / entry["file"]
        if not path.is_file():
            yield run_id, Damage(path, "is in the manifest and not on disk", "The next run trains it again")
        elif schema.digest(path) != entry.get("sha256"):
            yield run_id, Damage(path, _DIFFERS, _ASIDE)


def damaged_checkpoints(folder: Path) -> tuple[int, list[Path]]:
    """How many files of checkpoints there are, and those that are not what was written."""
    found, damaged = 0, []
    for listed in sorted((folder / "checkpoints").glob("*/runs.json")):
        files = sorted(kept.files(listed.parent), key=lambda file: file.name)
        bad = [file for file in files if not _is_named_for_itself(file)]
        whole = [file for file in files if file not in bad and file.is_file()]
        if whole and listed.is_file() and not _lists(listed, whole[-1]):
            bad.append(listed)
        found += 1 + len(files)
        damaged += bad
    return found, damaged


def damaged_caches() -> list[Path]:
    """What a task keeps of texts in the user's cache, and is not what was written."""
    if not any(any(cache.glob("*")) for cache in cached("codes")):
        return []  # and nothing has to be imported
    from zoneout_lab.tasks.corpus import damaged_codes

    return damaged_codes()


def damage_of_output(path: Path, *, is_sealed: bool) -> str:
    """What is wrong with ``study.nc`` or the report; empty where nothing is known to be. Since manifests have a SHA-256, these have one."""
    with path.open("rb") as file:
        whole = sealed.is_whole_file(file, path.stat().st_size)
    if whole is False:
        return "is not the file that was written: its SHA-256 differs from the one at its end"
    return "is not the file that was written: its end is gone" if whole is None and is_sealed else ""


def _is_named_for_itself(checkpoint: Path) -> bool:
    """True too where it is gone: a driver that trains meanwhile removes those that it needs no longer."""
    try:
        return schema.digest(checkpoint) == checkpoint.stem.partition("-")[2]
    except FileNotFoundError:
        return True


def _lists(listed: Path, checkpoint: Path) -> bool:
    """True where the list of runs beside a checkpoint is the one that is in it."""
    try:
        if checkpoint.suffix != ".pt":  # of a training function: the list says all that there is to say
            about = json.loads(listed.read_bytes())
            return kept.key(about["runs"]) == listed.parent.name
        import torch

        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        return listed.read_bytes() == json.dumps({key: content[key] for key in ("runs", "computed_by")}).encode()
    except Exception:  # noqa: BLE001 - of whatever kind, it cannot be used
        return False


def _check_spec(looked: _Looked, folder: Path, manifest: Mapping[str, Any], is_sealed: bool) -> None:
    looked.count = 1
    path = folder / SPEC
    if not path.is_file():
        looked.damaged(path, "is gone", _AGAIN)
    elif path.read_bytes() != spec_bytes(manifest) and (is_sealed or not _holds(path, manifest["study"])):
        looked.damaged(path, "is not the study that the manifest was written for", _AGAIN)


def _holds(path: Path, value: Any) -> bool:
    try:
        return bool(json.loads(path.read_bytes()) == value)
    except ValueError:
        return False


def _check_code(looked: _Looked, folder: Path, manifest: Mapping[str, Any], _is_sealed: bool) -> None:
    cure = "verify --repair moves it aside, and the next run copies it again"
    for entry in manifest.get("code", {}).values():
        looked.count += 1
        path = folder / entry["file"]
        if not path.is_file():
            looked.damaged(path, "is gone", "The next run copies it again")
        elif schema.digest(path) != entry.get("sha256"):
            looked.damaged(path, _DIFFERS, cure)


def _check_runs(looked: _Looked, folder: Path, manifest: Mapping[str, Any], _is_sealed: bool) -> None:
    looked.count = len(manifest["runs"])
    if more := unlisted(folder, manifest):
        looked.note = f"and {count(len(more), 'file')} that the manifest does not have yet: the next run looks at them"
    looked.damages = [damage for _, damage in damaged_runs(folder, manifest)]


def _check_export(looked: _Looked, folder: Path, manifest: Mapping[str, Any], is_sealed: bool) -> None:
    path = folder / EXPORT
    if not path.is_file():
        looked.note = "not there: the next run writes it"
        return
    looked.count = 1
    if fault := damage_of_output(path, is_sealed=is_sealed):
        looked.damaged(path, fault, _AGAIN)
        return
    try:
        if not of_this(open_results(path), manifest):
            looked.note = "of other runs than there are now: the next run writes it anew"
    except LabError as error:
        looked.damaged(path, f"cannot be opened ({error})", _AGAIN)


def _check_report(looked: _Looked, folder: Path, _manifest: Mapping[str, Any], is_sealed: bool) -> None:
    path = folder / REPORT
    if not path.is_file():
        looked.note = "not there: the next run writes it"
        return
    looked.count = 1
    if fault := damage_of_output(path, is_sealed=is_sealed):
        looked.damaged(path, fault, _AGAIN)


def _check_checkpoints(looked: _Looked, folder: Path, _manifest: Mapping[str, Any], _is_sealed: bool) -> None:
    looked.count, damaged = damaged_checkpoints(folder)
    for path in damaged:
        looked.damaged(path, "is not the file that was written", "verify --repair removes it; the one before serves")


def _check_codes(looked: _Looked, _folder: Path, _manifest: Mapping[str, Any], _is_sealed: bool) -> None:
    for path in damaged_caches():
        looked.count += 1
        looked.damaged(
            path, "is not what was written", "verify --repair removes it; the text is coded again when it is used"
        )


def _check_notes(looked: _Looked, folder: Path, _manifest: Mapping[str, Any], _is_sealed: bool) -> None:
    path = folder / mirror_notes.FILE
    looked.count = int(path.is_file())
    if mirror_notes.is_damaged(folder):
        cure = "verify --repair removes it, and the next run brings Optuna and MLflow up to date"
        looked.damaged(path, "is not the file that was written", cure)


def _check_mirror(looked: _Looked, folder: Path, name: Name, mirror: Mirror | None, at: str) -> None:
    """One mirror compared with the files; the folder notes that it is ``at`` a place."""
    if at != FILES[name] and (mirror is None or mirror.ours):
        looked.note = f"not checked where it is, at {at}: {OPTIONS[name]} URL checks it there"
    elif name == "MLflow" and find_spec("mlflow") is None:
        looked.note = "not checked: MLflow is not installed"
    if mirror is None:
        return
    looked.count = 1
    path = mirror.file
    try:
        if path is not None and not path.is_file():
            raise InputRefusedError(f"there is no file {path}")
        mirrored = compared(mirror, folder)
    except IntegrityError:  # a run's file, which has a line of its own
        looked.note = "not compared: a run's file is damaged"
    except Exception as error:  # noqa: BLE001 - drivers raise their own kinds
        if path is not None and path.is_file():
            looked.damaged(path, f"cannot be read ({reason(error)})", _DATABASE)
            return
        looked.count = 0
        kind = TryAgainError if may_pass(error) else InputRefusedError
        advice = remedy(error, mirror.option, "check it")
        looked.unknown = kind(f"{name} at {mirror.shown} was not checked: {reason(error)}. {advice}".rstrip())
    else:
        if mirrored.wrong or mirrored.doubled:
            fault = f"has {count(len(mirrored.wrong), 'run')} otherwise than the files, and {len(mirrored.doubled)} more than once"
            looked.damaged(path or mirror.shown, fault, _DATABASE)
        elif mirrored.lacking:
            looked.note = (
                f"lacks {len(mirrored.lacking)} of {count(mirrored.runs, 'run')}: the next run brings it up to date"
            )


def _as_a_whole(folder: Path, row: Checked) -> Checked:
    """What an unprotected manifest says of the runs, compared with what their files say."""
    try:
        tree = open_runs(folder)
        if (folder / EXPORT).is_file():
            export = open_results(folder / EXPORT)
            if of_this(export, read_manifest(folder)) and not export.identical(tree):
                raise IntegrityError(f"{folder / EXPORT} has other numbers than the runs' files")
    except (LabError, KeyError, TypeError, ValueError, AttributeError) as error:
        why = str(error) if isinstance(error, LabError) else told(error)
        return Checked(
            row.what,
            row.count,
            (Damage(folder / manifests.FILE, f"does not fit the files: {why}", "verify --repair rebuilds it"),),
            row.note,
        )
    return row


_CHECKS: dict[str, Callable[[_Looked, Path, Mapping[str, Any], bool], None]] = {
    "spec.json": _check_spec,
    "copies of code": _check_code,
    "runs": _check_runs,
    "study.nc": _check_export,
    "report.html": _check_report,
    "checkpoints": _check_checkpoints,
    "codes of texts": _check_codes,
    "notes of mirrors": _check_notes,
}
