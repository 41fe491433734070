"""What trains the runs of a study with a training function: the function itself, in a process of its own."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from zoneout_lab import interrupts
from zoneout_lab.engines import Checkpoints, Outcome, Progress
from zoneout_lab.engines.kept import Saved
from zoneout_lab.engines.memory import out_of_memory
from zoneout_lab.errors import FunctionFailedError, told
from zoneout_lab.frozen import AnyRun
from zoneout_lab.functions.result import outcome_of
from zoneout_lab.functions.running import COMPUTED_BY, Running, begun
from zoneout_lab.functions.seeded import generators_kept, seed_generators
from zoneout_lab.functions.spec import FunctionRun
from zoneout_lab.functions.surroundings import as_in_a_script, ended_where_forked, put_back, wear_out, worn_out
from zoneout_lab.metrics import Metric
from zoneout_lab.parts import function_named, unforeseen

#: what libraries of linear algebra read when they are loaded
_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
#: of a results folder, where runs' own files are
FILES = "files"


@dataclass(frozen=True)
class FunctionTrainer:
    """Calls a training function for each run, and checks what it returns.

    Args:
        metrics: what it has to return or record, by name.
    """

    metrics: Mapping[str, Metric]
    apart: bool = True

    @property
    def digest(self) -> str:
        return " ".join(self.metrics)

    def prepare(self, device: str) -> None:
        """What functions print goes to stderr: stdout is for what the command itself has to say.

        The process leads a group of its own, with whatever the function starts: Ctrl-C does not reach into the middle of it, and it all ends together.
        """
        with suppress(OSError):
            os.setpgid(0, 0)
        sys.stdout.flush()
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        as_in_a_script()

    @property
    def environment(self) -> dict[str, str]:
        """One thread for each process, unless somebody has said otherwise: how many train at once is not to change a bit."""
        return {} if _THREADS[0] in os.environ else dict.fromkeys(_THREADS, "1")

    @contextmanager
    def prepared(self, device: str) -> Iterator[None]:
        with generators_kept():
            yield

    def train(
        self,
        runs: Sequence[AnyRun],
        *,
        device: str,
        report: Callable[[Progress], None],
        checkpoints: Checkpoints | None,
        warn: Callable[[str], None],
    ) -> list[Outcome]:
        if checkpoints is None:
            with TemporaryDirectory() as place:
                return self._train(runs, Path(place), device, report, None, warn)
        return self._train(runs, checkpoints.folder.parent / FILES, device, report, checkpoints, warn)

    def _train(
        self,
        runs: Sequence[AnyRun],
        files: Path,
        device: str,
        report: Callable[[Progress], None],
        checkpoints: Checkpoints | None,
        warn: Callable[[str], None],
    ) -> list[Outcome]:
        outcomes = []
        for run in cast("Sequence[FunctionRun]", runs):
            place = files / f"{run.arm}-s{run.seed:03d}-{run.id[:8]}"
            running = begun(run, device=device, report=report, checkpoints=checkpoints, files=place, warn=warn)
            before, began = running.seconds_before, time.monotonic()
            modules = set(sys.modules)
            lasting: list[str] = []
            try:
                try:
                    returned = called(run, running, lasting)
                finally:
                    for text in lasting:
                        warn(text)
                        wear_out()
                for file in unforeseen(modules):
                    warn(
                        f"{file.name} is imported by a name that the study's files do not have in an import: a change of it is not noticed, and runs "
                        "that are there are not trained again. Import it by its name."
                    )
                outcome = _outcome(run, running, returned, self.metrics)
            except FunctionFailedError as error:
                raise _with_a_way_on(error, running) from None
            outcome.seconds = before + time.monotonic() - began
            outcomes.append(outcome)
        return outcomes

    def worn_out(self) -> bool:
        return worn_out()

    def usable(self, checkpoints: Checkpoints, device: str) -> list[Saved]:
        return [each for each in checkpoints.saved() if each.update and each.computed_by == COMPUTED_BY]

    def computed_by(self, device: str) -> Mapping[str, str]:
        return COMPUTED_BY

    def about(self, run: AnyRun, device: str) -> Mapping[str, Any]:
        return {"engine": "a training function"}


def called(run: FunctionRun, given: Running, lasting: list[str] | None = None) -> Any:
    """What a run's function returns. What it leaves in its process, so that the next run had better have a new one, is added to ``lasting``.

    Raises FunctionFailedError, with the traceback, where it fails, and Stopped where it was stopped.
    """
    try:
        function = function_named(run.train)
        seed_generators(run.seeds.init)
        with put_back(lasting, run.seeds.init):
            returned = ended_where_forked(lambda: function(given), os.getpid())
    except interrupts.Stopped:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is, it ends this run and no other
        # sys.exit() and KeyboardInterrupt too: a process of ours is not the function's to end
        if given.stopped:
            raise interrupts.Stopped from None  # what it did about being stopped is its own affair
        what = f"it called sys.exit({error.code!r})" if isinstance(error, SystemExit) else told(error)
        raise FunctionFailedError(what, _trace(error)) from None
    if given.stopped:
        raise interrupts.Stopped  # it kept that to itself, and returned what it had
    return returned


def _with_a_way_on(error: FunctionFailedError, given: Running) -> FunctionFailedError:
    """A failure after which the next try does not fail for the same checkpoint, such as one of the last epoch, after which no epoch is left.

    Where memory ran out, the checkpoint is not at fault.
    """
    cause = error.__context__
    if isinstance(cause, Exception) and out_of_memory(cause):
        return error
    said = given.remove_what_it_went_on_from()
    stop = "" if error.what.endswith((".", "!", "?")) else "."
    return FunctionFailedError(f"{error.what}{stop} {said}", error.trace) if said else error


def _outcome(run: FunctionRun, running: Running, returned: Any, metrics: Mapping[str, Metric]) -> Outcome:
    """A run's outcome. Raises FunctionFailedError, with the traceback, for whatever an object of the function's raises when it is looked at."""
    try:
        return outcome_of(run, running, returned, metrics)
    except FunctionFailedError:
        raise
    except Exception as error:  # noqa: BLE001 - what was returned is anybody's
        raise FunctionFailedError(f"what it returned cannot be read: {told(error)}", _trace(error)) from None


def _trace(error: BaseException) -> str:
    """The traceback from the function's own frames on."""
    frames = error.__traceback__
    while frames is not None and Path(frames.tb_frame.f_code.co_filename).parent == Path(__file__).parent:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))
