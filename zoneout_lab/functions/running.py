"""What a training function is given: its run, and where it tells of curves, measurements and checkpoints."""

from __future__ import annotations

import copy
import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from zoneout_lab import interrupts
from zoneout_lab.checked import plain, whole
from zoneout_lab.engines import Progress, kept
from zoneout_lab.engines.kept import Checkpoints
from zoneout_lab.errors import InputRefusedError, shown, told
from zoneout_lab.frozen import Seeds
from zoneout_lab.functions.recorded import check_dataset, group_named
from zoneout_lab.functions.saved import check_saved, packed, unpacked
from zoneout_lab.functions.spec import FunctionRun
from zoneout_lab.metrics import BY_EPOCH, RESERVED

if TYPE_CHECKING:
    import xarray as xr

Warn = Callable[[str], None]
#: what a checkpoint has to be of to be gone on from; the function's own code is part of the run
COMPUTED_BY = {"format": "1"}
#: letters of a curve's name
LONGEST = 64
_LAST = 10**12


@dataclass
class Running:
    """A run of a training function, in progress: ``def train(run): ...`` is given one and returns its metrics.

    Attributes:
        arm: name of the arm.
        seed: number of the seed, from 0.
        params: the study's parameters with the arm's changes, as JSON gives them: tuples are lists.
        seeds: three seeds of 63 bits, ``seeds.init``, ``seeds.data`` and ``seeds.noise``: arms of one seed share what they do not vary. Python's,
            NumPy's and torch's global generators are seeded with ``init`` before the function is called.
        device: ``cpu`` or ``cuda:0``.
        folder: a folder of this run's own, for files that are to be kept.
        restored: after an interruption, what was last given to :meth:`save`; else None.
        stopped: True once a signal has asked the run to stop: what its function then returns is no result.
    """

    arm: str
    seed: int
    params: dict[str, Any]
    seeds: Seeds
    device: str
    stopped: bool = field(default=False, repr=False)
    _files: Path = field(default=Path(), repr=False)
    _keeper: _Keeper | None = field(default=None, repr=False)
    _restored: Any = field(default=None, repr=False)
    _asked: bool = field(default=False, repr=False)  # the function has looked at what was restored
    _report: Callable[[Progress], None] = field(default=lambda _: None, repr=False)
    _curves: dict[int, dict[str, float]] = field(default_factory=dict, repr=False)
    _recorded: dict[str, dict[int, xr.Dataset]] = field(default_factory=dict, repr=False)
    _new: set[tuple[str, int]] = field(default_factory=set, repr=False)  # recorded since the function was called

    @property
    def folder(self) -> Path:
        self._files.mkdir(parents=True, exist_ok=True)
        return self._files

    @property
    def restored(self) -> Any:
        self._asked = True
        return self._restored

    def log(self, epoch: int, /, **values: Any) -> None:
        """Add values to the run's curves at an epoch, or at whatever the function counts.

        Args:
            epoch: a whole number from 0. Again, it adds to what is there or replaces it.
            values: name=number. A name that the study describes as a metric too is shown as that.

        Raises InputRefusedError for what is no number, or a name that has another meaning. Where a signal has asked to stop, and nothing is
        saved by :meth:`save`, the run stops here.
        """
        at = epoch_of(epoch, "run.log")
        numbers = {name: number(value, name) for name, value in values.items()}
        for name in numbers:
            if not name.isidentifier() or len(name) > LONGEST:
                raise InputRefusedError(
                    f"run.log({at}, …): a curve cannot be called {name!r:.100}; use letters, digits and _, at most {LONGEST}."
                )
            if name.endswith(BY_EPOCH):
                raise InputRefusedError(
                    f"run.log({at}, {name}=…): results call the curve of a metric so; leave {BY_EPOCH} off the name."
                )
            if name in RESERVED:
                raise InputRefusedError(
                    f"run.log({at}, {name}=…): {name} has another meaning in results; give it another name."
                )
        self._curves.setdefault(at, {}).update(numbers)
        epochs = self.params.get("epochs")
        total = epochs if isinstance(epochs, int) and not isinstance(epochs, bool) and epochs > 0 else 0
        done = min(len(self._curves), total) if total else 0
        self._report(Progress(done, max(1, total), len(self._curves), total or len(self._curves), float("inf")))
        if self._keeper is None or not self._keeper.saves:
            self._check()

    def save(self, state: Any) -> None:
        """Have a checkpoint written, if the last one is long enough ago or the run is to stop. Cheap otherwise: call it after every epoch.

        Args:
            state: everything that the rest of the run depends on: numbers, texts, bytes, NumPy arrays and torch tensors, in lists, tuples and
                mappings, such as a ``state_dict()``. Curves and what was recorded are saved with it.

        Raises InputRefusedError for what cannot be saved.
        """
        if self._keeper is not None:
            if not self._keeper.saves:
                check_saved(state)  # now, and not in five minutes
            self._keeper.saves = True
            self.stopped |= interrupts.asked() is not None  # known before saving, which may be what raises
            if self._keeper.due or interrupts.asked() is not None:
                self._keeper.save(packed({"state": state, "said": self._said()}))
        self._check()

    def record(self, dataset: xr.Dataset, name: str = "", *, epoch: int | None = None) -> None:
        """Record a measurement with the run: it is stacked along arms and seeds, and shown in the report.

        A variable without dimensions is a number of the run, which hypotheses may be about by its name.

        Args:
            dataset: numbers with names; for example what :func:`~zoneout_lab.gradient_flow` returns.
            name: what the measurement is called; by default ``gradients`` for gradient flow, ``dynamics`` for the growth of a perturbation, else
                ``recorded``.
            epoch: after how many epochs it was made; by default as many as :meth:`log` was told of.

        Raises InputRefusedError for what cannot be stored, does not fit what was recorded under the name before, or would replace it.
        """
        group = group_named(dataset, name)
        at = max(1, len(self._curves)) if epoch is None else epoch_of(epoch, "run.record")
        if (group, at) in self._new:
            raise InputRefusedError(
                f"{group} was recorded at epoch {at} before: say which epoch this is of, epoch=…, or give it another name."
            )
        self._new.add((group, at))
        earlier = self._recorded.setdefault(group, {})
        earlier[at] = check_dataset(dataset, group, next(iter(earlier.values()), None))

    @property
    def seconds_before(self) -> float:
        """Wall time that was trained before an interruption."""
        return self._keeper.before if self._keeper is not None else 0.0

    def remove_what_it_went_on_from(self) -> str:
        """Of a run that failed: without the checkpoint that it went on from, the next try is not to fail as this did. What is said of that."""
        # a function that failed before it looked at what was restored did not fail for it
        return self._keeper.remove_what_it_went_on_from() if self._keeper is not None and self._asked else ""

    def _check(self) -> None:
        """Raise Stopped where a signal has asked to stop, and know it: the function may keep it to itself."""
        if interrupts.asked() is not None:
            self.stopped = True
        interrupts.check()

    def result(self) -> tuple[dict[str, list[float]], list[int], dict[str, dict[int, xr.Dataset]]]:
        """Curves, their epochs, and measurements by group and epoch."""
        epochs = sorted(self._curves)
        names = list(dict.fromkeys(name for epoch in epochs for name in self._curves[epoch]))
        nan = float("nan")
        return {name: [self._curves[at].get(name, nan) for at in epochs] for name in names}, epochs, self._recorded

    def _said(self) -> dict[str, Any]:
        return {
            "curves": self._curves,
            "recorded": {
                group: {at: bytes(each.to_netcdf(None, engine="h5netcdf")) for at, each in found.items()}
                for group, found in self._recorded.items()
            },
        }

    def _go_on(self, saved: Mapping[str, Any]) -> None:
        import xarray as xr

        self._restored = saved["state"]
        self._curves = {int(at): dict(values) for at, values in saved["said"]["curves"].items()}
        self._recorded = {
            group: {
                int(at): xr.load_dataset(io.BytesIO(each), engine="h5netcdf", decode_times=False).drop_encoding()
                for at, each in found.items()
            }
            for group, found in saved["said"]["recorded"].items()
        }


@dataclass
class _Keeper:
    """Saves one run, and says once if that does not work."""

    folder: Path
    run: str
    every: float
    warn: Warn
    saves: bool = False  # the function does save
    before: float = 0.0  # seconds that were trained before an interruption
    went_on_from: Path | None = None  # until a newer one is saved
    _number: int = 0
    _began: float = field(default_factory=time.monotonic)
    _due: float = field(init=False)
    _silent: bool = False

    def __post_init__(self) -> None:
        self._due = self._began + self.every

    @property
    def due(self) -> bool:
        return time.monotonic() >= self._due

    @property
    def seconds(self) -> float:
        """Wall time of the run, with what was trained before an interruption."""
        return self.before + time.monotonic() - self._began

    def save(self, content: bytes) -> None:
        began = time.monotonic()
        whole = packed({"content": content, "seconds": self.seconds})

        def write(file: BinaryIO) -> None:
            file.write(whole)

        try:
            with interrupts.careful():
                kept.keep(self.folder, [self.run], COMPUTED_BY, self._number + 1, ".npz", write)
                self._number += 1
                self.went_on_from = None
        except Exception as error:  # noqa: BLE001 - nothing of this may cost the training
            if not self._silent:
                self.warn(kept.cannot_be_saved(self.folder, error))
            self._silent = True
        now = time.monotonic()
        self._due = now + kept.next_due(self.every, now - began)

    def restored(self) -> Any:
        """What was saved last of what is whole; None where there is nothing to go on from."""
        for file in kept.files(self.folder):
            try:
                if kept.is_damaged(file):
                    file.unlink(missing_ok=True)
                    self.warn(
                        f"The checkpoint {file} is not the file that was written: its SHA-256 differs from its name. It was removed."
                    )
                    continue
                whole = unpacked(file.read_bytes())
                content = unpacked(whole["content"])
            except Exception as error:  # noqa: BLE001 - whatever is wrong with it, training can do without
                self.warn(f"The checkpoint {file} cannot be used ({told(error)}).")
                continue
            self._number, self.before, self.went_on_from = kept.update_of(file), float(whole["seconds"]), file
            return content
        return None

    def remove_what_it_went_on_from(self) -> str:
        """Remove the checkpoint that the run went on from, unless a newer one was saved since; what is said of that, if it was."""
        if self.went_on_from is None:
            return ""
        try:
            self.went_on_from.unlink(missing_ok=True)
        except OSError:
            return ""
        then = "goes on from an earlier one" if kept.files(self.folder) else "starts the run anew"
        return f"It went on from a checkpoint, which is removed: the same command {then}."


def begun(
    run: FunctionRun,
    *,
    device: str,
    report: Callable[[Progress], None],
    checkpoints: Checkpoints | None,
    files: Path,
    warn: Warn,
) -> Running:
    """A run as its function is given it, brought to where its last checkpoint left it, if it has one."""
    running = Running(
        arm=run.arm,
        seed=run.seed,
        params=copy.deepcopy(dict(run.params)),
        seeds=run.seeds,
        device=device,
        _files=files,
        _report=report,
    )
    if checkpoints is not None:
        running._keeper = keeper = _Keeper(checkpoints.of([run]), run.id, checkpoints.every, warn)
        if (saved := keeper.restored()) is not None:
            running._go_on(saved)
    return running


def number(value: Any, name: str) -> float:
    """A number that a function gave. Raises InputRefusedError for what is none.

    >>> number(True, "hits")
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: hits is True; give one number.
    """
    if np.ma.is_masked(value):
        raise InputRefusedError(f"{name} is masked, which is no number; return NaN where there is none.")
    found = plain(value)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise InputRefusedError(f"{name} is {shown(value)}; give one number.")
    try:
        return float(found)
    except OverflowError:
        raise InputRefusedError(f"{name} is {shown(value, 40)}…, which is too large for a number of 64 bits.") from None


def epoch_of(value: Any, where: str) -> int:
    """A number of an epoch, checked."""
    at = whole(value, f"the epoch given to {where}", 0)
    if at > _LAST:
        raise InputRefusedError(f"the epoch given to {where} is {at}; it may be {_LAST:,} at most.")
    return at
