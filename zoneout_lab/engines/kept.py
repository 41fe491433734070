"""The files of checkpoints: whole or not there, named for their own SHA-256, the last two of each batch of runs.

```
<folder>/<key of the runs>/  runs.json  000000339-<sha256>.pt  000000310-<sha256>.pt
```

The name of a file says how far the batch had come, in updates or whatever its trainer counts, and its SHA-256. Where one is not the file that
was written, the one before serves. What is in a file is its trainer's affair.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from zoneout_lab import schema, whole
from zoneout_lab.errors import told
from zoneout_lab.frozen import AnyRun

EVERY = 300.0
_KEPT = 2
_NAME = re.compile(r"(\d{9})-([0-9a-f]{64})\.(pt|npz)")


@dataclass(frozen=True)
class Saved:
    """The checkpoints of some runs: the folder, the ids of the runs in the order of the replicas, after how many updates the last is, and
    what computed it."""

    folder: Path
    runs: tuple[str, ...]
    update: int
    computed_by: Mapping[str, str]


@dataclass(frozen=True)
class Checkpoints:
    """Where the batches of a study are saved, and how often.

    Args:
        folder: of all their checkpoints. It need not exist.
        every: seconds between two checkpoints of a batch. Where writing one takes longer than a hundredth of that, the time between them
            is a hundred times as long as writing took. 0: after every update.
    """

    folder: Path
    every: float = EVERY

    def of(self, runs: Sequence[AnyRun]) -> Path:
        """The folder of a batch's checkpoints."""
        return self.folder / key([run.id for run in runs])

    def saved(self) -> list[Saved]:
        """The checkpoints that there are, those after the most updates first."""
        return sorted(all_saved(self.folder), key=lambda each: (-each.update, each.folder.name))

    def update_of(self, runs: Sequence[AnyRun]) -> int:
        """After how many updates the last checkpoint with all of these runs is; 0 where there is none."""
        ids = {run.id for run in runs}
        return next((each.update for each in self.saved() if ids <= set(each.runs)), 0)

    def sweep(self, done: Callable[[str], bool], *, leftovers: bool = False) -> None:
        """Remove the checkpoints of runs that are all ``done``; with ``leftovers``, also what a process that died left half-written."""
        for each in all_saved(self.folder):
            if all(map(done, each.runs)):
                shutil.rmtree(each.folder, ignore_errors=True)
            elif leftovers:
                for part in each.folder.glob(".*.part"):
                    part.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()  # where it is empty


def key(ids: Sequence[str]) -> str:
    """The name of the folder with the checkpoints of some runs.

    >>> key(["0123456789abcdef"])
    '9f9f5111f7b27a78'
    """
    return hashlib.sha256(" ".join(ids).encode()).hexdigest()[:16]


def next_due(every: float, took: float) -> float:
    """Seconds until a batch is to be saved again, after saving it took so long.

    >>> next_due(300, 0.1), next_due(300, 5), next_due(0, 5)
    (300, 500, 0.0)
    """
    return max(every, 100 * took) if every else 0.0


def keep(
    folder: Path,
    runs: Sequence[str],
    computed_by: Mapping[str, str],
    update: int,
    suffix: str,
    write: Callable[[BinaryIO], None],
) -> Path:
    """Save what ``write`` writes beside what is saved of these runs, and remove what is older than the last two checkpoints.

    Raises what ``write`` raises, or OSError, which leaves nothing half-written.
    """
    about = json.dumps({"runs": list(runs), "computed_by": dict(computed_by)}).encode()
    if not (folder / "runs.json").exists() or (folder / "runs.json").read_bytes() != about:
        for old in files(folder):
            old.unlink(missing_ok=True)  # of other code, and of no use
        whole.write_bytes(folder / "runs.json", about)
    # on another machine, a process that was given up for lost may write the same, under the same number
    temporary = folder / f".{update}-{os.getpid()}-{secrets.token_hex(4)}.part"
    try:
        with temporary.open("wb") as file:
            hashing = _Hashing(file)
            write(cast(BinaryIO, hashing))
            file.flush()
            os.fsync(file.fileno())
        final = folder / f"{update:09d}-{hashing.sha256.hexdigest()}{suffix}"
        temporary.replace(final)
        whole.sync(folder)
    finally:
        with suppress(OSError):
            temporary.unlink()
    for old in files(folder)[_KEPT:]:
        old.unlink(missing_ok=True)
    return final


def is_damaged(file: Path) -> bool:
    """True where a checkpoint is not the file that was written. Raises OSError where it cannot be read."""
    return schema.digest(file) != file.stem.partition("-")[2]


def all_saved(folder: Path) -> Iterator[Saved]:
    """What is saved of each batch in a folder of checkpoints. What is damaged has no runs, and is swept away."""
    for listed in sorted(folder.glob("*/runs.json")):
        try:
            about = json.loads(listed.read_bytes())
            runs, by = tuple(map(str, about["runs"])), dict(about["computed_by"])
        except (OSError, ValueError, KeyError, TypeError):
            runs, by = (), {}
        found = files(listed.parent)
        yield Saved(listed.parent, runs, update_of(found[0]) if found else 0, by)


def files(folder: Path) -> list[Path]:
    """Checkpoints in a folder, the last first."""
    found = [file for file in folder.glob("*.*") if _NAME.fullmatch(file.name)]
    return sorted(found, key=update_of, reverse=True)


def update_of(file: Path) -> int:
    """After how many updates a checkpoint is."""
    return int(file.name.partition("-")[0])


def difference(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    """What differs in what computed two things, in words; empty where nothing does.

    >>> difference({"torch": "2.12.0", "code": "a"}, {"torch": "2.13.0", "code": "a"})
    'torch 2.12.0 (here 2.13.0)'
    """
    words = {"format": "another version of this package", "code": "other code of this package"}
    names = [name for name in here if there.get(name) != here[name]]
    return " and ".join(words.get(name) or f"{name} {there.get(name)} (here {here[name]})" for name in names)


def named(runs: Iterable[AnyRun]) -> str:
    """Runs in a sentence."""
    return ", ".join(f"{run.arm} seed {run.seed}" for run in runs)


def cannot_be_saved(folder: Path, error: Exception) -> str:
    """What is said where a checkpoint cannot be written."""
    return (
        f"A checkpoint could not be saved in {folder} ({told(error)}). Training goes on; what is not saved would be trained again after an "
        "interruption."
    )


class _Hashing:
    """A file that is hashed as it is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.sha256 = file, hashlib.sha256()

    def write(self, part: bytes) -> int:
        self.sha256.update(part)
        return self._file.write(part)

    def flush(self) -> None:
        self._file.flush()
