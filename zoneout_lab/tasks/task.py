"""What a task is, and the checks of a user's own."""

from __future__ import annotations

import re
import traceback
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import torch

from zoneout_lab.errors import InputRefusedError, LabError, told
from zoneout_lab.metrics import SCORES, as_score
from zoneout_lab.parts import Part
from zoneout_lab.settings import Setting
from zoneout_lab.tasks.base import Carried, Data, Examples, Split, Stream, TaskScore
from zoneout_lab.tasks.files import Sources


class Task(Part, ABC):
    """A frozen dataclass whose fields are the task's options; only ``load`` reads or makes its data.

    To write your own, define fields, ``score``, ``input_size``, ``output_size`` and ``load``; the rest has defaults.

    ``score`` is what the task is judged by beside its loss: a :class:`~zoneout_lab.metrics.Score`, or the name of a built-in one, such as
    ``error`` (the fraction of predictions whose class is wrong), ``bpc`` (the cross-entropy in bits per character), ``ppl`` (the
    perplexity per word) or ``mse`` (the mean squared error).
    ``title`` is its name in reports, by default the class's. ``sources`` are the published files it reads, or words that say where its
    data come from. ``settings`` are its presets: ``laptop``, and ``paper`` where the paper has a setting for it.
    """

    title: ClassVar[str]
    score: ClassVar[TaskScore]
    sources: ClassVar[Sources | str] = "its own load()"
    settings: ClassVar[Mapping[str, Setting]] = MappingProxyType({"laptop": Setting()})

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "title" not in cls.__dict__:
            cls.title = re.sub("(?<=[a-z0-9])(?=[A-Z])", " ", cls.__name__).capitalize()

    @property
    @abstractmethod
    def input_size(self) -> int:
        """The number of input features, or of symbols where the inputs are symbols."""

    @property
    @abstractmethod
    def output_size(self) -> int:
        """The number of classes, or 1 where a real value is predicted."""

    @abstractmethod
    def load(self, folder: Path | None = None) -> Data:
        """Read the data from ``folder``, or from where an earlier download left them, or download them; or make them.

        Raises InputRefusedError where a file is missing, truncated or not what it should be.
        """


def check_task_class(cls: type[Task]) -> None:
    """Refuse a class with an impossible score or impossible presets. Raises InputRefusedError.

    >>> class Sums(Task):
    ...     score = "erorr"
    >>> check_task_class(Sums)
    Traceback (most recent call last):
    zoneout_lab.errors.InputRefusedError: Sums: There is no score 'erorr'. Did you mean 'error'? Known: ...
    """
    try:
        as_score(getattr(cls, "score", None))
    except LabError as error:
        raise InputRefusedError(f"{cls.__name__}: {error}") from error
    presets = cls.settings.items() if isinstance(cls.settings, Mapping) else ()
    if not presets or not all(isinstance(name, str) and isinstance(each, Setting) for name, each in presets):
        raise InputRefusedError(
            f"{cls.__name__}'s settings have to be a mapping of one or more names to Setting(...), such as {{'laptop': Setting()}}."
        )


def load_own(task: Task, folder: Path | None) -> Data:
    """The data of a user's own task, checked.

    Raises InputRefusedError where its ``load`` fails, with the line, or returns what cannot be trained on.
    """
    name = type(task).__name__
    try:
        data = task.load(folder)
    except LabError:
        raise
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        raise InputRefusedError(
            f"{name} could not load its data: {told(error)} (line {at.lineno} of {at.filename})."
        ) from error
    check_data(task, data)
    return data


def check_data(task: Task, data: Data) -> None:
    """Refuse data that do not fit the task, in a sentence that names the split. Raises InputRefusedError."""
    name = type(task).__name__
    for size in ("input_size", "output_size"):
        value = getattr(task, size)
        if not isinstance(value, int) or value < 1:
            raise InputRefusedError(f"{name}: {size} is {value!r}; it has to be a whole number of at least 1.")
    if not isinstance(data, Data) or not isinstance(data.digest, str) or not data.digest:
        raise InputRefusedError(f"{name}: load() returned {type(data).__name__}; return Data.of(train, valid, test).")
    wanted = type(data.train)
    for split, part in (("train", data.train), ("valid", data.valid), ("test", data.test)):
        if not isinstance(part, Examples | Stream | Carried) or type(part) is not wanted:
            raise InputRefusedError(
                f"{name}: its {split} split is {type(part).__name__}; all three have to be Examples(...), Stream(...) or Carried(...)."
            )
        if why := _fault(task, part):
            raise InputRefusedError(f"{name}: its {split} split {why}.")


def _fault(task: Task, part: Split) -> str:
    if not isinstance(part, Examples):
        return _fault_of_symbols(task, part)
    inputs, targets = part.inputs, part.targets
    if not all(map(torch.is_tensor, (inputs, targets))):
        return "has inputs or targets that are not torch tensors; torch.from_numpy makes one of an array"
    if len(targets) == 0:
        return "is empty"
    if inputs.dtype != torch.float32:
        return f"has inputs of type {inputs.dtype}; they have to be float32: inputs.float()"
    if inputs.dim() != 3 or inputs.shape[2] != task.input_size or len(inputs) != len(targets) or inputs.shape[1] < 1:
        return (
            f"has inputs of shape {list(inputs.shape)}; they have to be [{len(targets)} examples, timesteps, input_size = "
            f"{task.input_size}]"
        )
    if not bool(inputs.isfinite().all()):
        return "has inputs that are NaN or infinite"
    score = as_score(task.score)
    if score is SCORES["mse"] or (score is not SCORES.get(score.name) and targets.is_floating_point()):
        if task.output_size != 1:
            return f"has real targets, and output_size is {task.output_size}; it has to be 1"
        if targets.dtype != torch.float32 or targets.dim() != 1:
            return f"has targets of type {targets.dtype} and shape {list(targets.shape)}; they have to be float32 [examples]"
        return "" if bool(targets.isfinite().all()) else "has targets that are NaN or infinite"
    if targets.dtype != torch.int64 or targets.dim() not in (1, 2):
        return (
            f"has targets of type {targets.dtype} and shape {list(targets.shape)}; they have to be int64 [examples], or [examples, last "
            "timesteps that are read]"
        )
    if targets.dim() == 2 and not 1 <= targets.shape[1] <= inputs.shape[1]:
        return f"reads {targets.shape[1]} timesteps of {inputs.shape[1]}"
    return _out_of_range("targets", targets, task.output_size)


def _fault_of_symbols(task: Task, part: Split) -> str:
    assert not isinstance(part, Examples)
    symbols = part.symbols
    if not torch.is_tensor(symbols) or symbols.is_floating_point() or symbols.dim() != 1:
        return "has symbols that are not a tensor [N] of whole numbers"
    if not part.classes == task.input_size == task.output_size:
        return (
            f"has {part.classes} classes, input_size is {task.input_size} and output_size {task.output_size}; all three are the number of "
            "symbols"
        )
    needed = part.length + 1 if isinstance(part, Carried) else part.length
    if part.length < (1 if isinstance(part, Carried) else 2) or len(symbols) < needed:
        return f"has {len(symbols)} symbols, too few for a length of {part.length}"
    return _out_of_range("symbols", symbols, part.classes)


def _out_of_range(what: str, values: torch.Tensor, classes: int) -> str:
    low, high = int(values.min()), int(values.max())
    return (
        ""
        if low >= 0 and high < classes
        else f"has {what} from {low} to {high}; with {classes} classes they go from 0 to {classes - 1}"
    )
