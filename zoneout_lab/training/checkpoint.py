"""Checkpoints of replicas in training: what the rest of their training depends on, in files that are whole or not there.

```
<folder>/<key of the runs>/  runs.json  000000339-<sha256>.pt  000000310-<sha256>.pt
```

The name of a file says how many updates it comes after, and its SHA-256. The last two are kept: where one is not the file that was
written, the one before serves. All tensors in it lead with the replica axis, so that any part of the runs can go on from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import BinaryIO, cast

import torch

from zoneout_lab import interrupts, schema
from zoneout_lab.errors import told
from zoneout_lab.ops.cells import as_cell
from zoneout_lab.ops.engine import path
from zoneout_lab.settings import Run
from zoneout_lab.training.memory import out_of_memory
from zoneout_lab.training.packed import FORMAT, pack, unpack
from zoneout_lab.training.replicas import Replicas

EVERY = 300.0
Warn = Callable[[str], None]
_KEPT = 2
_NAME = re.compile(r"(\d{9})-([0-9a-f]{64})\.pt")
#: of this package, what numbers in training depend on
_COMPUTES = (
    "layers",
    "measures",
    "metrics.py",
    "ops",
    "profiles.py",
    "regularizers",
    "settings.py",
    "tasks",
    "training",
)


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

    def keeper(self, replicas: Replicas, warn: Warn) -> Keeper:
        """What saves these replicas from now on. They are brought to where their best checkpoint left them, if they have one."""
        restore(self.folder, replicas, warn)
        return Keeper(self.folder / key([run.id for run in replicas.runs]), replicas, self.every, warn)

    def saved(self) -> list[Saved]:
        """The checkpoints that there are, those after the most updates first."""
        return sorted(_saved(self.folder), key=lambda each: (-each.update, each.folder.name))

    def usable(self, device: str) -> list[Saved]:
        """Those that training on a device can go on from."""
        found = [each for each in self.saved() if each.update]
        return [each for each in found if each.computed_by == computed_by(torch.device(device).type)]

    def update_of(self, runs: Sequence[Run]) -> int:
        """After how many updates the last checkpoint with all of these runs is; 0 where there is none."""
        ids = {run.id for run in runs}
        return next((each.update for each in self.saved() if ids <= set(each.runs)), 0)

    def sweep(self, done: Callable[[str], bool], *, leftovers: bool = False) -> None:
        """Remove the checkpoints of runs that are all ``done``; with ``leftovers``, also what a process that died left half-written."""
        for each in _saved(self.folder):
            if all(map(done, each.runs)):
                shutil.rmtree(each.folder, ignore_errors=True)
            elif leftovers:
                for part in each.folder.glob(".*.part"):
                    part.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()  # where it is empty


@dataclass
class Keeper:
    """Saves one batch of replicas, and says once if that does not work."""

    folder: Path
    replicas: Replicas
    every: float
    warn: Warn
    _due: float = field(init=False)
    _silent: bool = field(default=False, init=False)
    _at: tuple[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self._due = time.monotonic() + self.every
        self._at = self._where()

    def save_if_due(self) -> None:
        """Save the replicas where the last time was long enough ago."""
        if time.monotonic() >= self._due:
            self.save()

    def save(self) -> None:
        """Save the replicas as they stand between two updates. A failure is told and costs nothing else."""
        if self._at == self._where():
            return
        began = time.monotonic()
        try:
            with interrupts.careful():  # also where what it saves is saved because of a signal
                write(self.folder, self.replicas)
                self._at = self._where()
        except Exception as error:  # noqa: BLE001 - a full disk shows as RuntimeError; nothing of this may cost the training
            if not self._silent:
                self.warn(
                    f"A checkpoint could not be saved in {self.folder} ({told(error)}). Training goes on; what is not saved would be "
                    "trained again after an interruption."
                )
            self._silent = True
        took = time.monotonic() - began
        self._due = time.monotonic() + (max(self.every, 100 * took) if self.every else 0)

    def _where(self) -> tuple[int, int]:
        return self.replicas.update, self.replicas.epoch


def key(ids: Sequence[str]) -> str:
    """The name of the folder with the checkpoints of some runs.

    >>> key(["0123456789abcdef"])
    '9f9f5111f7b27a78'
    """
    return hashlib.sha256(" ".join(ids).encode()).hexdigest()[:16]


def write(folder: Path, replicas: Replicas) -> Path:
    """Save replicas beside what is saved of them, and remove what is older than the last two checkpoints.

    Raises OSError or RuntimeError where that fails, which leaves nothing half-written.
    """
    replicas.count_seconds()
    here = computed_by(replicas.step.losses.device.type)
    content = pack(replicas) | {"computed_by": here}
    about = json.dumps({"runs": content["runs"], "computed_by": here}).encode()
    if not (folder / "runs.json").exists() or (folder / "runs.json").read_bytes() != about:
        for old in _files(folder):
            old.unlink(missing_ok=True)  # of other code, and of no use
        schema.write_bytes(folder / "runs.json", about)
    # on another machine, a process that was given up for lost may write the same, under the same number
    temporary = folder / f".{replicas.update}-{os.getpid()}-{secrets.token_hex(4)}.part"
    try:
        with temporary.open("wb") as file:
            hashing = _Hashing(file)
            torch.save(content, cast(BinaryIO, hashing))
            file.flush()
            os.fsync(file.fileno())
        final = folder / f"{replicas.update:09d}-{hashing.sha256.hexdigest()}.pt"
        temporary.replace(final)
        _sync(folder)
    finally:
        with suppress(OSError):
            temporary.unlink()
    for old in _files(folder)[_KEPT:]:
        old.unlink(missing_ok=True)
    return final


def restore(folder: Path, replicas: Replicas, warn: Warn) -> bool:
    """Bring fresh replicas to where the best checkpoint with all of their runs left them; False where there is none that can be used.

    What is damaged, or was saved by other code, is named in a warning and passed over.
    """
    if not folder.exists():
        return False
    wanted, here = [run.id for run in replicas.runs], computed_by(replicas.step.losses.device.type)
    found = [each for each in _saved(folder) if set(wanted) <= set(each.runs) and _files(each.folder)]
    for each in found:
        if each.computed_by != here:
            warn(
                f"The checkpoints in {each.folder} were computed by {difference(each.computed_by, here)} and are not used."
            )
    files = sorted(
        (file for each in found if each.computed_by == here for file in _files(each.folder)),
        key=_update_of,
        reverse=True,
    )
    for file in files:
        fault = _restored(file, replicas, wanted, here)
        if fault is None:
            return True
        warn(f"The checkpoint {file} {fault}.")
    if found:
        warn(f"{_named(replicas.runs)} start anew: there is no checkpoint to go on from.")
    return False


def _restored(file: Path, replicas: Replicas, wanted: Sequence[str], here: Mapping[str, str]) -> str | None:
    """Restore from a file; why it cannot be, where it cannot."""
    try:
        if schema.digest(file) != file.stem.partition("-")[2]:
            file.unlink(missing_ok=True)
            return "is not the file that was written: its SHA-256 differs from its name. It was removed"
        content = torch.load(file, map_location="cpu", weights_only=True)
        if content["computed_by"] != here:
            return f"was computed by {difference(content['computed_by'], here)}. It is not used"
        unpack(content, replicas, [content["runs"].index(each) for each in wanted])
    except OSError as error:
        return f"cannot be read ({told(error)})"
    except Exception as error:  # whatever is wrong with it, training can do without
        if out_of_memory(error):
            raise  # fewer runs at a time may go on from it
        return f"cannot be used ({told(error)})"
    return None


@cache
def computed_by(device: str) -> dict[str, str]:
    """What has to be the same for the rest of a training to be the same computation: nothing of it is part of a run.

    Own parts are: a run's id has the digest of their code.
    """
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for name in _COMPUTES:
        top = root / name
        for file in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if file.suffix in (".py", ".c", ".h"):
                digest.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes() + b"\0")
    return {
        "format": str(FORMAT),
        "torch": str(torch.__version__),
        "device": device,
        "recurrences": path(as_cell("lstm"), device),  # compiled, or the slow loop where they cannot be
        "code": digest.hexdigest()[:16],
    }


def difference(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    """What of :func:`computed_by` differs, in words; empty where nothing does.

    >>> difference({"torch": "2.12.0", "code": "a"}, {"torch": "2.13.0", "code": "a"})
    'torch 2.12.0 (here 2.13.0)'
    """
    words = {"format": "another version of this package", "code": "other code of this package"}
    names = [name for name in here if there.get(name) != here[name]]
    return " and ".join(words.get(name) or f"{name} {there.get(name)} (here {here[name]})" for name in names)


def _saved(folder: Path) -> Iterator[Saved]:
    for listed in sorted(folder.glob("*/runs.json")):
        try:
            about = json.loads(listed.read_bytes())
            runs, by = tuple(map(str, about["runs"])), dict(about["computed_by"])
        except (OSError, ValueError, KeyError, TypeError):
            runs, by = (), {}  # damaged: of no use, and swept away
        files = _files(listed.parent)
        yield Saved(listed.parent, runs, _update_of(files[0]) if files else 0, by)


def _files(folder: Path) -> list[Path]:
    """Checkpoints in a folder, the last first."""
    found = [file for file in folder.glob("*.pt") if _NAME.fullmatch(file.name)]
    return sorted(found, key=_update_of, reverse=True)


def _update_of(file: Path) -> int:
    return int(file.name.partition("-")[0])


def _named(runs: Iterable[Run]) -> str:
    return ", ".join(f"{run.arm} seed {run.seed}" for run in runs)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Hashing:
    """A file that is hashed as it is written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.sha256 = file, hashlib.sha256()

    def write(self, part: bytes) -> int:
        self.sha256.update(part)
        return self._file.write(part)

    def flush(self) -> None:
        self._file.flush()
