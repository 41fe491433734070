"""Training what is missing of a study: batches of runs go to processes, their files are written as each ends, and mirrors follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from zoneout_lab import interrupts
from zoneout_lab.engines import Checkpoints, Outcome, Progress, train_batches
from zoneout_lab.engines.memory import out_of_memory
from zoneout_lab.errors import LabError, told
from zoneout_lab.frozen import AnyRun
from zoneout_lab.memory import memory_available
from zoneout_lab.report.text import count
from zoneout_lab.study import provenance
from zoneout_lab.study.adopted import adopt
from zoneout_lab.study.device import device_memory, give_back_memory
from zoneout_lab.study.means import Means
from zoneout_lab.study.mirroring import Mirrors
from zoneout_lab.study.spec import Study
from zoneout_lab.study.store import Store
from zoneout_lab.study.takeover import Siblings, from_where, take_over

if TYPE_CHECKING:
    from zoneout_lab.engines.cluster import OnCluster


@dataclass
class Watcher:
    """How the driver reports what happens. By default it is silent. A batch that is done may have no runs: it failed, or is trained again in parts."""

    say: Callable[[str], None] = lambda _: None
    warn: Callable[[str], None] = lambda _: None
    begin: Callable[[int], None] = lambda _: None
    progress: Callable[[int, int, Progress], None] = lambda _batch, _runs, _progress: None
    done: Callable[[int, int], None] = lambda _batch, _runs: None


#: runs that fail in one way, and none that ends, before it is said that the others may, too
_HINT_AFTER = 3


@dataclass
class Driver:
    """A study in progress: what it trains on, where its files go, who is told about it."""

    study: Study
    store: Store
    means: Means
    device: str
    watcher: Watcher
    mirrors: Mirrors
    workers: int
    origin: dict[str, Any]
    siblings: Siblings
    checkpoints: Checkpoints
    cluster: Callable[[], OnCluster] | None = None  # which is connected to when there is something to train
    trained: int = 0
    failed: list[str] = field(default_factory=list)
    begun: int = 0  # runs that were to be trained
    causes: set[str] = field(default_factory=set)  # of what failed
    taken: dict[str, str] = field(default_factory=dict)  # run id → name of the folder it was taken over from

    def train_missing(self, runs: Iterable[AnyRun], phase: str) -> None:
        """Train the runs whose files are missing and in no sibling, in batches, and write each batch's files as it ends."""
        runs = list({run.id: run for run in runs}.values())  # a search may try a setting again
        missing = [run for run in runs if not self.store.has(run)]
        taken = take_over(self.store, missing, self.siblings, self.study.objective, phase=phase) if missing else {}
        if taken:
            self.taken.update(taken)
            self.watcher.say(f"{from_where(taken, len(runs))}.")
        missing = [run for run in missing if run.id not in taken]
        self.store.forget(missing)
        adopted = adopt(self.store, missing, self.study.objective, self.watcher.warn, phase=phase)
        if adopted:
            self.trained += len(adopted)
            self.sweep()
            self.watcher.say(f"{count(len(adopted), 'run')} had been trained by a command that was interrupted.")
        found = {*taken, *(run.id for run in adopted)}
        with interrupts.careful():
            for run in runs:
                if run.id in found:
                    self._tell(run)
        missing = [run for run in missing if run.id not in found]
        if not missing:
            return
        self.watcher.begin(len(missing))
        self.begun += len(missing)
        resumed = self._saved(missing)
        saved = {run.id for batch in resumed for run in batch}
        workers, memory = self._workers_and_memory()
        work = resumed + self.means.batches(
            [run for run in missing if run.id not in saved],
            workers=workers,
            memory=memory,
            device=self.device,
        )
        with interrupts.careful(), self.store.settled():
            self._train(work, phase)

    def _workers_and_memory(self) -> tuple[int, int | None]:
        """How many batches train at once, and the bytes that they may use in all; None: what is free here. Waits for a cluster's first worker."""
        if self.cluster is None:
            return self.workers, device_memory(self.device)
        cluster = self.cluster()
        cluster.workers.wait()
        at_once = cluster.most or len(cluster.workers.ready)
        return at_once, cluster.workers.memory() * at_once

    def _saved(self, missing: Sequence[AnyRun]) -> list[list[AnyRun]]:
        """The missing runs that have checkpoints, as they were batched: each goes on from the one that is furthest."""
        left = {run.id: run for run in missing}
        found = [
            [left.pop(each) for each in saved.runs if each in left]
            for saved in self.means.trainer.usable(self.checkpoints, self.device)
        ]
        found = [batch for batch in found if batch]
        if n := sum(map(len, found)):
            self.watcher.say(f"{count(n, 'run')} {'goes' if n == 1 else 'go'} on from a checkpoint.")
        return found

    def _train(self, work: list[list[AnyRun]], phase: str) -> None:
        """Train batches and write each one's files as it ends; one that does not fit the memory is halved, one that fails is
        trained again arm by arm, and what fails then is reported."""
        sizes = [len(batch) for batch in work]

        def report(number: int, progress: Progress) -> None:
            self.watcher.progress(number, sizes[number], progress)
            # lines that were not yet due when their runs ended are not to wait for the next run, which may take hours
            with suppress(LabError):  # a disk that is full is told of when something is written that has to be
                self.store.save_if_due()
            self.mirrors.follow()

        finished = train_batches(
            work,
            self.means.trainer,
            device=self.device,
            workers=self.workers,
            report=report,
            checkpoints=self.checkpoints,
            warn=self.watcher.warn,
            engine=self.cluster and self.cluster(),
        )
        again: list[list[AnyRun]] = []
        # closed here and now, whatever ends the loop: Python would wait at exit for workers that still train
        with closing(finished):  # type: ignore[type-var]  # a generator
            for number, result in finished:
                batch, kept = work[number], 0
                if isinstance(result, list):
                    kept = self._keep(result, phase)
                elif out_of_memory(result) and len(batch) > 1:
                    give_back_memory(result)
                    self.watcher.warn(
                        f"{len(batch)} runs do not fit the memory together; they are trained in two parts."
                    )
                    again += [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
                elif len(arms := _by_arm(batch)) > 1:
                    # a failure does not say whose it is, and no arm may lose its runs by their company
                    self.watcher.warn(
                        f"{len(batch)} runs failed together ({told(result)}); each arm's are trained again by themselves."
                    )
                    again += arms
                else:
                    if out_of_memory(result):
                        give_back_memory(result)
                    self._fail(batch, result, phase)
                self.watcher.done(number, kept)
        if again:
            self._train(again, phase)

    def _keep(self, outcomes: Sequence[Outcome], phase: str) -> int:
        """Write the files of runs, each with its line; how many were written."""
        before = self.trained
        record = self._record(outcomes)
        for outcome in outcomes:
            try:
                self.store.add(outcome, self.study.objective, record, phase=phase)
            except LabError:
                raise
            except Exception as error:  # noqa: BLE001 - numbers that no file can hold cost their run and no other
                self._fail([outcome.run], error, phase)
                continue
            self._tell(outcome.run)
            self.trained += 1
        self.sweep()
        self._warn_of_unmeasured(outcomes)
        return self.trained - before

    def sweep(self, *, leftovers: bool = False) -> None:
        """Remove the checkpoints of runs that are done."""
        runs = self.store.manifest["runs"]
        self.checkpoints.sweep(
            lambda each: each in runs and (self.store.folder / runs[each]["file"]).exists(), leftovers=leftovers
        )

    def _warn_of_unmeasured(self, outcomes: Sequence[Outcome]) -> None:
        runs: dict[tuple[int, str], list[str]] = {}
        for outcome in outcomes:
            for epochs in outcome.unmeasured.values():
                for epoch, error in epochs.items():
                    runs.setdefault((epoch, error), []).append(f"{outcome.run.arm} seed {outcome.run.seed}")
        for (epoch, error), names in runs.items():
            when = f"after epoch {epoch}" if epoch else "before training"
            self.watcher.warn(
                f"Not measured {when}: {', '.join(names)}: {' '.join(error.split()).rstrip('.')}. What was trained is kept, and this measurement is missing."
            )

    def _tell(self, run: AnyRun) -> None:
        entry = self.store.entry(run)
        self.mirrors.end(run, entry["score"], {key: entry[key] for key in ("phase", "file", "sha256", "status")})

    def _fail(self, batch: Sequence[AnyRun], error: Exception, phase: str) -> None:
        names = [f"{run.arm} seed {run.seed}" for run in batch]
        fits = f" {self._would_fit(batch[0])}" if out_of_memory(error) else ""
        trace = getattr(error, "trace", "")
        kept = [self.store.keep_failure(run, trace) for run in batch] if trace else []
        where = f" Traceback: {kept[0]}" if kept else ""
        self.watcher.warn(
            f"Failed: {', '.join(names)}: {told(error)}{fits}{'.' * (not told(error).endswith('.')) if where else ''}{where}"
        )
        before = len(self.failed)
        self.failed += names
        self.causes.add(told(error))
        if before < _HINT_AFTER <= len(self.failed) < self.begun and not self.trained and len(self.causes) == 1:
            left = self.begun - len(self.failed)
            self.watcher.warn(
                f"All {len(self.failed)} runs so far failed in the same way, and {left} {'is' if left == 1 else 'are'} left to try. Ctrl-C stops; the same command "
                "tries them all again."
            )
        for run in batch:
            self.mirrors.end(run, None, {"status": "failed", "phase": phase})

    def _would_fit(self, run: AnyRun) -> str:
        """What to do about a run that does not fit the memory by itself."""
        free = self.cluster().workers.memory() if self.cluster else device_memory(self.device)
        return self.means.would_fit(run, free or memory_available(), self.device)

    def _record(self, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        run, there = outcomes[0].run, outcomes[0].origin
        here = {} if "engine" in there else self.means.trainer.about(run, self.device)
        finished = datetime.now(UTC).isoformat(timespec="seconds")
        record = {"replicas": len(outcomes), "finished": finished}
        return {**self.origin, **here, **there, **self.means.record(run), **record}


def origin(means: Means, device: str, workers: int) -> dict[str, Any]:
    """Where every run of this driver comes from; read once, so that a later commit is not recorded by mistake.

    ``workers`` are those of this machine; with none, the machine is left out, since others train.
    """
    machine = {"machine": provenance.machine(device) | {"workers": workers}} if workers else {}
    return {
        "versions": provenance.versions(),
        **machine,
        "git": provenance.git_commit(),
        "data": {"digest": means.digest, "notes": list(means.notes)},
    }


def _by_arm(batch: Sequence[AnyRun]) -> list[list[AnyRun]]:
    return [[run for run in batch if run.arm == arm] for arm in dict.fromkeys(run.arm for run in batch)]
