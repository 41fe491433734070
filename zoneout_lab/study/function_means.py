"""What trains the runs of a study with a training function: each by itself, in a process."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, cast

from zoneout_lab.errors import FunctionFailedError, UsageError
from zoneout_lab.frozen import AnyRun
from zoneout_lab.functions import FunctionRun, FunctionTrainer
from zoneout_lab.functions.timed import LIMIT, timed
from zoneout_lab.parts import function_name
from zoneout_lab.report.text import duration, plain
from zoneout_lab.study.estimate import Cost
from zoneout_lab.study.of_function import FunctionStudy


@dataclass(frozen=True)
class FunctionMeans:
    """A study with a training function, which brings its own data."""

    study: FunctionStudy

    @property
    def trainer(self) -> FunctionTrainer:
        return FunctionTrainer(self.study.metrics)

    @property
    def digest(self) -> str:
        return ""

    @property
    def notes(self) -> Sequence[str]:
        return ()

    def check(self) -> list[str]:
        read = [name for name, value in _read_by(self.study.train) if isinstance(value, FunctionStudy)]
        return [
            f"The training function reads {name}. A run is known by its params, its seeds and its code, and not by the study: when that is changed, runs "
            "that are there keep what they were trained with. Give what the function needs among its params."
            for name in read
        ]

    def batches(self, runs: Sequence[AnyRun], *, workers: int, memory: int | None, device: str) -> list[list[AnyRun]]:
        return [[run] for run in runs]

    def cost(self, work: Sequence[Sequence[AnyRun]], *, device: str, workers: int) -> Cost | str:
        """From the first run's first epochs, which are trained for it and thrown away."""
        run = cast(FunctionRun, work[0][0])
        try:
            took = timed(run, device=device)
        except FunctionFailedError as error:
            return f"not known: the first run failed ({error})"
        except TimeoutError:
            return f"not known: the first run logged no epoch within {duration(LIMIT)}"
        seconds = took.first
        if took.epoch is not None:
            epochs = run.params.get("epochs")
            if not isinstance(epochs, int) or isinstance(epochs, bool) or epochs < 1:
                epoch = f"a first epoch took {duration(took.first)}"
                return f"not known: {epoch}, and no parameter called epochs says how many there are"
            seconds += took.epoch * (epochs - 1)
        return Cost(seconds * math.ceil(len(work) / max(1, workers)), None)

    def named(self) -> dict[str, Any]:
        return {"train": function_name(self.study.train)}

    def described(self) -> dict[str, str]:
        params: Mapping[str, Any] = self.study.params
        return {
            "training function": function_name(self.study.train),
            **({"parameters": ", ".join(f"{name} {plain(value)}" for name, value in params.items())} if params else {}),
            "metrics": ", ".join(self.study.metrics),
        }

    def would_fit(self, run: AnyRun, free: int, device: str) -> str:
        return "Give it less to hold at once, or fewer --workers."

    def record(self, run: AnyRun) -> dict[str, Any]:
        return {}


def _read_by(function: Any) -> Iterator[tuple[str, Any]]:
    """The global names that a function's code reads, and what they stand for now."""
    codes = [function.__code__] if isinstance(function, FunctionType) else []
    names: dict[str, None] = {}
    while codes:
        code = codes.pop()
        names |= dict.fromkeys(code.co_names)
        codes += [each for each in code.co_consts if isinstance(each, CodeType)]
    for name in names:
        if name in function.__globals__:
            yield name, function.__globals__[name]


def means(study: FunctionStudy, data: Path | None) -> FunctionMeans:
    """The means of a study. Raises UsageError where data are named, which its function would not be told of."""
    if data is not None:
        raise UsageError("--data is for built-in tasks; tell a training function of its data by one of its params.")
    return FunctionMeans(study)
