"""Checkpoints of replicas in training: what the rest of their training depends on.

All tensors in one lead with the replica axis, so that any part of the runs can go on from it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import torch

from zoneout_lab import interrupts
from zoneout_lab.engines import kept
from zoneout_lab.engines.kept import Checkpoints, Saved, difference
from zoneout_lab.engines.memory import out_of_memory
from zoneout_lab.errors import told
from zoneout_lab.ops.cells import as_cell
from zoneout_lab.ops.engine import path
from zoneout_lab.training.packed import FORMAT, pack, unpack
from zoneout_lab.training.replicas import Replicas

Warn = Callable[[str], None]
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


def keeper(checkpoints: Checkpoints, replicas: Replicas, warn: Warn) -> Keeper:
    """What saves these replicas from now on. They are brought to where their best checkpoint left them, if they have one."""
    restore(checkpoints.folder, replicas, warn)
    return Keeper(checkpoints.of(replicas.runs), replicas, checkpoints.every, warn)


def usable(checkpoints: Checkpoints, device: str) -> list[Saved]:
    """The checkpoints that training on a device can go on from."""
    here = computed_by(torch.device(device).type)
    return [each for each in checkpoints.saved() if each.update and each.computed_by == here]


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
                self.warn(kept.cannot_be_saved(self.folder, error))
            self._silent = True
        now = time.monotonic()
        self._due = now + kept.next_due(self.every, now - began)

    def _where(self) -> tuple[int, int]:
        return self.replicas.update, self.replicas.epoch


def write(folder: Path, replicas: Replicas) -> Path:
    """Save replicas beside what is saved of them, and remove what is older than the last two checkpoints.

    Raises OSError or RuntimeError where that fails, which leaves nothing half-written.
    """
    replicas.count_seconds()
    here = computed_by(replicas.step.losses.device.type)
    content = pack(replicas) | {"computed_by": here}
    return kept.keep(folder, content["runs"], here, replicas.update, ".pt", lambda file: torch.save(content, file))


def restore(folder: Path, replicas: Replicas, warn: Warn) -> bool:
    """Bring fresh replicas to where the best checkpoint with all of their runs left them; False where there is none that can be used.

    What is damaged, or was saved by other code, is named in a warning and passed over.
    """
    if not folder.exists():
        return False
    wanted, here = [run.id for run in replicas.runs], computed_by(replicas.step.losses.device.type)
    found = [each for each in kept.all_saved(folder) if set(wanted) <= set(each.runs) and kept.files(each.folder)]
    for each in found:
        if each.computed_by != here:
            warn(
                f"The checkpoints in {each.folder} were computed by {difference(each.computed_by, here)} and are not used."
            )
    files = sorted(
        (file for each in found if each.computed_by == here for file in kept.files(each.folder)),
        key=kept.update_of,
        reverse=True,
    )
    for file in files:
        fault = _restored(file, replicas, wanted, here)
        if fault is None:
            return True
        warn(f"The checkpoint {file} {fault}.")
    if found:
        warn(f"{kept.named(replicas.runs)} start anew: there is no checkpoint to go on from.")
    return False


def _restored(file: Path, replicas: Replicas, wanted: Sequence[str], here: Mapping[str, str]) -> str | None:
    """Restore from a file; why it cannot be, where it cannot."""
    try:
        if kept.is_damaged(file):
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
