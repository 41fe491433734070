"""What a results folder notes of its mirrors: where each is, and a digest of the runs that it was last brought up to date with.

Of an SQLite file it notes, too, how many records there were then.

The file holds its own SHA-256. A damaged one says nothing: what is not known to be up to date is brought up to date by the next run.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from zoneout_lab import guarded, sealed, whole
from zoneout_lab.errors import LabError

FILE = "mirrors.json"
_SEAL = "sha256"


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """By the name of a mirror: ``at``, where it is, ``runs``, the digest, ``records`` where they are known, and ``folder``, the folder's own id
    where the mirror knows it by that.

    Empty where there is no such file, or a damaged one.
    """
    path = folder / FILE
    with suppress(LabError, ValueError, TypeError):
        content = guarded.contents(path)
        if sealed.is_whole_json(content):
            return {name: dict(note) for name, note in guarded.as_object(path, content).items() if name != _SEAL}
    return {}


def write(
    folder: Path, name: str, at: str, runs: str | None, records: list[int | str] | None = None, own: str | None = None
) -> None:
    """Note of one mirror that it is up to date with these runs, or, with None, that it is not. ``own`` is the folder's id, kept where it is not
    given."""
    notes = read(folder)
    own = own or notes.get(name, {}).get("folder")
    told = {"at": at, "runs": runs, "records": records, "folder": own}
    note = {key: value for key, value in told.items() if value is not None or key == "runs"}
    if notes.get(name) != note:
        with suppress(LabError):  # a disk that is full is told of by those who write what matters
            whole.write_bytes(folder / FILE, sealed.sealed_json({**notes, name: note}))


def is_damaged(folder: Path) -> bool:
    """True where the file is there and is not what was written."""
    path = folder / FILE
    return path.is_file() and not sealed.is_whole_json(guarded.contents(path))
