"""The one driver: plans, asks for trials, trains batches of runs, writes their files, mirrors them, and draws the report."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.metrics import Score, as_score
from zoneout_lab.ops.engine import describe
from zoneout_lab.regularizers import from_json, to_json
from zoneout_lab.settings import Run, Setting
from zoneout_lab.study import provenance
from zoneout_lab.study.databases import check_database_url, reason, remedy, sqlite_url, without_password
from zoneout_lab.study.device import check_device, device_memory, give_back_memory, out_of_memory
from zoneout_lab.study.parts import check_parts
from zoneout_lab.study.plan import batches, check_metrics, refuse_unless_forced
from zoneout_lab.study.spec import Arm, Study, derive
from zoneout_lab.study.store import CONFIRM, TUNE, Store, only_driver, taking_turns
from zoneout_lab.study.trials import Ledger, Params, Space, sampler_name, suggest
from zoneout_lab.tasks import Task, make_task
from zoneout_lab.tasks.base import Data
from zoneout_lab.training import Outcome, Progress, default_workers, train_batches


@dataclass
class Watcher:
    """How the driver reports what happens. By default it is silent."""

    say: Callable[[str], None] = lambda _: None
    warn: Callable[[str], None] = lambda _: None
    begin: Callable[[int], None] = lambda _: None
    progress: Callable[[int, int, Progress], None] = lambda _batch, _runs, _progress: None
    done: Callable[[int, int], None] = lambda _batch, _runs: None


@dataclass
class Summary:
    """What :func:`run_study` did."""

    folder: Path
    planned: int
    trained: int = 0
    diverged: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def report(self) -> Path:
        return self.folder / "report.html"


def run_study(
    study: Study,
    *,
    out: Path = Path("runs"),
    data: Path | None = None,
    device: str = "cpu",
    workers: int | None = None,
    storage: str | None = None,
    tracking: str | None = "default",
    force: bool = False,
    declared: Study | None = None,
    overrides: Sequence[str] = (),
    command: str | None = None,
    watcher: Watcher | None = None,
) -> Summary:
    """Run what is missing of a study; the same call again does nothing.

    Args:
        study: what to run.
        out: folder of results folders.
        data: folder with the task's data, where it does not come with a package.
        device: ``cpu`` or ``cuda[:n]``.
        workers: processes that train at once; by default one for each core, and one on a GPU. More than one needs the usual
            ``if __name__ == "__main__":`` in a script that calls this. Results do not depend on it.
        storage: Optuna database URL; by default SQLite in ``out``.
        tracking: MLflow tracking URI; ``default`` is $MLFLOW_TRACKING_URI or SQLite in ``out``; None: no MLflow.
        force: run a design that cannot reach its α.
        declared, overrides, command: the study as its file declares it, what was changed, and how to run it again.
        watcher: is told what happens.

    Raises InputRefusedError, IntegrityError, TryAgainError or UsageError before anything is lost.
    """
    watcher = watcher or Watcher()
    workers = workers or default_workers(device)
    study = study.settled()
    check_device(device)
    planned = study.runs()
    check_metrics(study)
    problem = refuse_unless_forced(study, force=force)
    _check_mirrors(storage, tracking)
    task = make_task(study.task, study.setting().options)
    loaded = task.load(data)
    if not (out / study.id / "MANIFEST.json").exists():
        for warning in check_parts(study, task, loaded):
            watcher.warn(warning)
    with only_driver(out, study, watcher.warn):
        store = Store.open(
            out,
            study,
            data=loaded.digest,
            declared=(declared or study).settled(),
            overrides=[*overrides, *([f"forced: {problem}"] if problem else [])],
            command=command or provenance.command(study.name, []),
        )
        driver = _Driver(
            study=study,
            store=store,
            task=task,
            data=loaded,
            device=device,
            workers=workers,
            watcher=watcher,
            ledger=_ledger(study, store, out, storage, watcher, as_score(task.score)),
            origin=_origin(study.setting(), loaded, device, workers),
        )
        summary = Summary(store.folder, len(planned), failed=driver.failed)
        tuned = driver.tune()
        driver.train_missing(tuned.runs(), CONFIRM)
        summary.trained = driver.trained
        summary.diverged = sum(entry["status"] == "diverged" for entry in store.manifest["runs"].values())
        if driver.trained:
            watcher.say("Writing the report.")
        write_outputs(store.folder, again=driver.trained > 0)
    if tracking is not None:
        _publish(store.folder, out, tracking, watcher, say=driver.trained > 0)
    return summary


def _check_mirrors(storage: str | None, tracking: str | None) -> None:
    if storage is not None:
        check_database_url(storage, "--storage")
    if tracking not in (None, "default") or (tracking == "default" and os.environ.get("MLFLOW_TRACKING_URI")):
        with suppress(RuntimeError):  # MLflow itself cannot be imported, which costs no run
            from zoneout_lab.study.tracking import check_tracking

            check_tracking(None if tracking == "default" else tracking)


def _publish(folder: Path, out: Path, tracking: str, watcher: Watcher, *, say: bool) -> None:
    at = ""
    try:
        from zoneout_lab.study.tracking import publish, tracking_uri

        uri = tracking_uri(None if tracking == "default" else tracking, out)
        at = f" at {without_password(uri)}"
        if say:
            watcher.say("Recording the runs in MLflow.")
        with taking_turns(out, watcher.warn):
            publish(folder, uri)
    except Exception as error:  # noqa: BLE001 - the files are the truth; an outage of the mirror costs no run
        advice = remedy(error, "--tracking", "publish them")
        watcher.warn(f"MLflow{at} was not updated: {reason(error)}. The results are complete. {advice}".rstrip())


def write_outputs(folder: Path, *, again: bool) -> None:
    """Write ``study.nc`` and ``report.html`` from the runs' files, where they are missing or out of date, or ``again``."""
    from zoneout_lab.report import write_report
    from zoneout_lab.results import open_results

    export, report = folder / "study.nc", folder / "report.html"
    # older than the manifest: the driver that wrote it died before it came to these
    changed = (folder / "MANIFEST.json").stat().st_mtime_ns
    if again or any(not file.exists() or file.stat().st_mtime_ns < changed for file in (export, report)):
        tree = open_results(folder)
        schema.write_tree(tree, export)
        write_report(tree, report)


@dataclass
class _Driver:
    study: Study
    store: Store
    task: Task
    data: Data
    device: str
    watcher: Watcher
    ledger: Ledger
    workers: int
    origin: dict[str, Any]
    trained: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def score(self) -> Score:
        return as_score(self.task.score)

    def train_missing(self, runs: Iterable[Run], phase: str, spaces: dict[str, Space] | None = None) -> None:
        """Train the runs whose files are missing, in batches, and write each batch's files as it ends."""
        spaces = spaces or {}
        missing = []
        for run in runs:
            if not self.store.has(run):
                missing.append(run)
                continue
            # the ledger may not have heard of it: its database was out of reach, or the driver died just then
            self.ledger.begin(run, spaces.get(run.arm))
            self._tell(run)
        if not missing:
            return
        self.watcher.begin(len(missing))
        work = batches(
            missing, self.data.train.steps, workers=self.workers, memory=device_memory(self.device), device=self.device
        )
        for run in missing:
            self.ledger.begin(run, spaces.get(run.arm), again=True)
        self._train(work, phase)

    def _train(self, work: list[list[Run]], phase: str) -> None:
        """Train batches and write each one's files as it ends; one that does not fit the memory is halved, one that fails is
        reported and the others go on."""
        sizes = [len(batch) for batch in work]
        finished = train_batches(
            work,
            self.task,
            self.data,
            device=self.device,
            workers=self.workers,
            report=lambda number, progress: self.watcher.progress(number, sizes[number], progress),
        )
        again: list[list[Run]] = []
        # closed here and now, whatever ends the loop: Python would wait at exit for workers that still train
        with closing(finished):  # type: ignore[type-var]  # a generator
            for number, result in finished:
                batch = work[number]
                if isinstance(result, list):
                    self._keep(result, phase)
                    self.watcher.done(number, len(batch))
                elif out_of_memory(result) and len(batch) > 1:
                    give_back_memory(result)
                    self.watcher.warn(
                        f"{len(batch)} runs do not fit the memory together; they are trained in two parts."
                    )
                    again += [batch[: len(batch) // 2], batch[len(batch) // 2 :]]
                else:
                    self._fail(batch, result)
        if again:
            self._train(again, phase)

    def _keep(self, outcomes: Sequence[Outcome], phase: str) -> None:
        record = self._record(len(outcomes))
        for outcome in outcomes:
            self.store.add(outcome, self.score, record, phase=phase)
            self._tell(outcome.run)
            self.trained += 1

    def _tell(self, run: Run) -> None:
        entry = self.store.entry(run)
        self.ledger.end(run, entry["score"], {key: entry[key] for key in ("phase", "file", "sha256", "status")})

    def _fail(self, batch: Sequence[Run], error: Exception) -> None:
        names = [f"{run.arm} seed {run.seed}" for run in batch]
        self.watcher.warn(f"Failed: {', '.join(names)}: {type(error).__name__}: {error}")
        self.failed += names
        for run in batch:
            self.ledger.end(run, None, {"status": "failed"})

    def tune(self) -> Study:
        """The study with every searched arm at the best setting its budget found; other arms as they are.

        Each arm gets the same number of settings, each tried on the same seeds, none of which is used again. What to try
        next is a pure function of the finished runs, so an interrupted search goes on as if it had not been.
        """
        tuning = self.study.tuning
        searched = [arm for arm in self.study.arms if arm.search]
        if tuning is None or not searched:
            return self.study
        finished: dict[str, list[tuple[Params, float]]] = {arm.name: [] for arm in searched}
        spaces: dict[str, Space] = {arm.name: arm.search for arm in searched}
        for first in range(0, tuning.trials, tuning.at_once):
            count = min(tuning.at_once, tuning.trials - first)
            asked = {
                arm.name: suggest(
                    arm.search,
                    finished[arm.name],
                    count,
                    derive(self.study.seed, first, f"sampler/{arm.name}"),
                    better=self.score.better,
                )
                for arm in searched
            }
            trials = [
                (arm, params, [self.study.run(_with(arm, params), seed, phase="tune/") for seed in range(tuning.seeds)])
                for arm in searched
                for params in asked[arm.name]
            ]
            self.train_missing((run for _, _, runs in trials for run in runs), TUNE, spaces)
            for arm, params, runs in trials:
                # without a score, a run counts as the worst there can be
                scores = [self.store.score(run) for run in runs]
                mean = sum(self.score.worst if score is None else score for score in scores) / len(scores)
                finished[arm.name].append((params, mean))
        chosen = min if self.score.better == "lower" else max
        best = {name: chosen(trials, key=lambda trial: trial[1]) for name, trials in finished.items()}
        for name, (_, score) in best.items():
            if not math.isfinite(score):
                raise InputRefusedError(
                    f"Tuning {name!r} found no setting that trains without diverging; widen its search space."
                )
        tuned = {
            name: {
                "best": best[name][0],
                "sampler": sampler_name(),
                "trials": [
                    {"params": params, "value": value if math.isfinite(value) else None}
                    for params, value in finished[name]
                ],
            }
            for name in best
        }
        if self.store.manifest.get("tuning") != tuned:
            self.store.manifest["tuning"] = tuned
            self.store.save()
        arms = tuple(_with(arm, best[arm.name][0]) if arm.name in best else arm for arm in self.study.arms)
        return self.study.model_copy(update={"arms": arms})

    def _record(self, replicas: int) -> dict[str, Any]:
        return {**self.origin, "replicas": replicas, "finished": datetime.now(UTC).isoformat(timespec="seconds")}


def _origin(setting: Setting, data: Data, device: str, workers: int) -> dict[str, Any]:
    """Where every run of this driver comes from; read once, so that a commit made meanwhile does not enter."""
    return {
        "versions": provenance.versions(),
        "machine": provenance.machine(device) | {"workers": workers},
        "git": provenance.git_commit(),
        "data": {"digest": data.digest, "notes": list(data.notes)},
        "engine": describe(setting.model.cell, device.partition(":")[0]),
    }


def _with(arm: Arm, params: Params) -> Arm:
    return arm.model_copy(update={"regularizer": from_json(to_json(arm.regularizer) | params)})


def _ledger(study: Study, store: Store, out: Path, storage: str | None, watcher: Watcher, score: Score) -> Ledger:
    sampler = sampler_name() if any(arm.search for arm in study.arms) else "fixed arms, enqueued"
    url = storage or sqlite_url(out / "optuna.db")
    with taking_turns(out, watcher.warn):
        return Ledger(
            url, store.folder.name, [arm.name for arm in study.arms], sampler, watcher.warn, better=score.better
        )
