"""What the runs of a study are trained with, and what the driver has to know of that."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from zoneout_lab.engines import Trainer
from zoneout_lab.frozen import AnyRun
from zoneout_lab.study.estimate import Cost
from zoneout_lab.study.spec import Study


class Means(Protocol):
    """What a study's runs are trained with.

    ``digest`` is that of the data, ``notes`` what is to be recorded of them.
    """

    @property
    def trainer(self) -> Trainer: ...

    @property
    def digest(self) -> str: ...

    @property
    def notes(self) -> Sequence[str]: ...

    def check(self) -> list[str]:
        """Raise where a run could not begin; return warnings."""

    def batches(self, runs: Sequence[AnyRun], *, workers: int, memory: int | None, device: str) -> list[list[AnyRun]]:
        """Which runs train together; ``memory`` is what all batches may use, in bytes, None: what is free."""

    def cost(self, work: Sequence[Sequence[AnyRun]], *, device: str, workers: int) -> Cost | str:
        """What training these batches is expected to cost, or why that is not known."""

    def named(self) -> dict[str, Any]:
        """What is trained, for a program: word → value."""

    def described(self) -> dict[str, str]:
        """What is trained on what, for a reader: word → text."""

    def would_fit(self, run: AnyRun, free: int, device: str) -> str:
        """What to do about a run that does not fit so many bytes by itself."""

    def record(self, run: AnyRun) -> dict[str, Any]:
        """What a run's file records of it besides where and when it was trained."""


def means_of(study: Study, data: Path | None = None) -> Means:
    """What a study's runs are trained with; a built-in task's data are loaded from the folder ``data``, or from where they come from.

    Raises what loading raises, and UsageError or InputRefusedError where a hypothesis is about what runs will not have.
    """
    name = "function" if study.train is not None else "task"
    # imported here: only the built-in tasks need torch
    return cast(Means, import_module(f"zoneout_lab.study.{name}_means").means(study, data))
