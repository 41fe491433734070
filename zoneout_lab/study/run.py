"""Running a study: what is missing is trained, and the results are exported, reported and published."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from zoneout_lab import schema
from zoneout_lab.engines import Checkpoints, default_workers
from zoneout_lab.engines.kept import EVERY
from zoneout_lab.errors import UsageError
from zoneout_lab.study import provenance
from zoneout_lab.study.cluster_connection import check_scheduler, on_cluster
from zoneout_lab.study.databases import TRACKING_VARIABLE
from zoneout_lab.study.design import refuse_unless_forced
from zoneout_lab.study.device import check_device, why_missing
from zoneout_lab.study.driver import Driver, Watcher, origin
from zoneout_lab.study.looks import keep_earlier_looks, train_by_looks
from zoneout_lab.study.means import means_of
from zoneout_lab.study.mirror import INSTALL, Mirror, check_named, mlflow_mirror, optuna_mirror
from zoneout_lab.study.mirroring import Mirrors
from zoneout_lab.study.spec import Study
from zoneout_lab.study.store import Store, only_driver, sweep
from zoneout_lab.study.takeover import Siblings
from zoneout_lab.study.tuning import tune


@dataclass
class Summary:
    """What :func:`run_study` did.

    Args:
        folder: with the results, which ``zl.open_results`` opens.
        planned: how many runs the study has.
        trained, taken: how many of them were trained now, and taken over from other studies in the same place.
        diverged: how many have numbers that are not finite, whenever they were trained.
        failed: the runs that failed, by arm and seed; ``failures/`` in the folder has their tracebacks.
        behind: Optuna's and MLflow's databases that are not up to date, each with where it is.
    """

    folder: Path
    planned: int
    trained: int = 0
    taken: int = 0
    diverged: int = 0
    failed: list[str] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)

    @property
    def report(self) -> Path:
        return self.folder / "report.html"


def run_study(
    study: Study,
    *,
    out: str | Path = "runs",
    data: str | Path | None = None,
    device: str = "cpu",
    workers: int | None = None,
    storage: str | None = None,
    tracking: str | None = "default",
    force: bool = False,
    checkpoint_every: float = EVERY,
    declared: Study | None = None,
    overrides: Sequence[str] = (),
    command: str | None = None,
    watcher: Watcher | None = None,
    whole: Study | None = None,
    scheduler: str | None = None,
) -> Summary:
    """Run what is missing of a study; the same call again does nothing.

    A run that another folder in ``out`` has already, on the same data, is taken over from there and not trained again. A study with
    declared looks ends at the first at which every hypothesis has a verdict.

    Args:
        study: what to run.
        out: folder of results folders.
        data: folder with the task's data, where it does not come with a package.
        device: ``cpu`` or ``cuda[:n]``; with a scheduler, of the workers.
        workers: processes that train at once; by default one for each core, and one on a GPU. More than one needs the usual
            ``if __name__ == "__main__":`` in a script that calls this. Results do not depend on it.
        storage: Optuna database URL; by default SQLite in ``out``.
        tracking: MLflow tracking URI; ``default`` is $MLFLOW_TRACKING_URI or SQLite in ``out``, where MLflow is installed; None: no
            MLflow.
        force: run a design that cannot reach its α.
        checkpoint_every: seconds between two checkpoints of what is being trained, which an interrupted call goes on from. 0: after every
            update.
        declared, overrides, command: the study as its file declares it, what was changed, and how to run it again.
        watcher: is told what happens.
        scheduler: address or scheduler file of a Dask cluster, whose workers train instead of this machine. ``workers`` is then how many of them
            at once; by default all.
        whole: the study of several tasks that this one is a part of: its seeds over all tasks have to suffice, and not those of this task.

    Raises InputRefusedError, IntegrityError, TryAgainError or UsageError before anything is lost. A run that fails raises nothing: it is in
    the ``failed`` of what is returned.

    Example, in the file of a study::

        if __name__ == "__main__":
            summary = zl.run_study(STUDY, out="runs")
            print(zl.judge(zl.open_results(summary.folder)))
    """
    if study.tasks:
        raise UsageError(
            f"{study.name} asks on {len(study.tasks)} tasks: run_tasks(study), or run_study of each in study.each()."
        )
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise UsageError(
            "run_study is called by a process that it started itself, which reads this script too: put the call under "
            'if __name__ == "__main__":'
        )
    out, data = Path(out), None if data is None else Path(data)
    watcher = watcher or Watcher()
    study = study.resolved()
    with ExitStack() as stack, study.code.in_use():
        cluster = None
        if scheduler is None:
            check_device(device)
        else:
            check_scheduler(scheduler)
            why_missing(device)
            cluster = cache(
                lambda: stack.enter_context(
                    on_cluster(scheduler, device, workers, means.trainer.computed_by, watcher.warn, watcher.say)
                )
            )
        here = 0 if cluster else workers or default_workers(device)
        study.runs(1)  # an arm that cannot be asked for its masks is refused before anything is made
        problem = refuse_unless_forced(whole or study, force=force)
        mlflow = _check_mirrors(out, storage, tracking, watcher)
        means = means_of(study, data)
        if not (out / study.id / "MANIFEST.json").exists():
            for warning in means.check():
                watcher.warn(warning)
        with only_driver(out, study, watcher.warn):
            store = Store.open(
                out,
                study,
                data=means.digest,
                declared=(declared or study).resolved(),
                overrides=[*overrides, *([f"forced: {problem}"] if problem else [])],
                command=command or provenance.command(study.name, []),
            )
            stack.enter_context(store.kept())
            mirrors = Mirrors(store.folder, optuna_mirror(out, storage), mlflow, watcher.warn)
            mirrors.begin({arm.name: arm.search or {} for arm in study.arms}, study.objective.better)
            driver = Driver(
                study=study,
                store=store,
                means=means,
                device=device,
                workers=here,
                watcher=watcher,
                mirrors=mirrors,
                origin=origin(means, device, here),
                siblings=Siblings(out, study.id, means.digest, watcher.warn),
                checkpoints=Checkpoints(store.folder / "checkpoints", checkpoint_every),
                cluster=cluster,
            )
            sweep(store.folder)
            driver.sweep(leftovers=True)
            summary = Summary(store.folder, len(study.arms) * study.seeds, failed=driver.failed)
            tuned = tune(driver)
            keep_earlier_looks(store, tuned.runs(), driver.siblings)
            summary.planned = len(tuned.arms) * train_by_looks(driver, tuned)
            summary.trained, summary.taken = driver.trained, len(driver.taken)
            summary.diverged = sum(entry["status"] == "diverged" for entry in store.manifest["runs"].values())
            changed = driver.trained + len(driver.taken) > 0
            if changed:
                watcher.say("Writing the report.")
            write_outputs(store.folder, again=changed)
        summary.behind = mirrors.finish(watcher.say)
    return summary


def _check_mirrors(out: Path, storage: str | None, tracking: str | None, watcher: Watcher) -> Mirror | None:
    """Refuse places that runs cannot be mirrored in; return where MLflow is to record them, None where it is not to."""
    uri = None if tracking == "default" else tracking
    check_named(storage, uri)
    if tracking is None:
        return None
    if find_spec("mlflow") is None:
        watcher.say(f"Runs are not recorded in MLflow, which is not installed. To install it: {INSTALL}.")
        return None
    if uri is None and os.environ.get(TRACKING_VARIABLE):
        with suppress(RuntimeError):  # as in check_named
            from zoneout_lab.study.tracking import check_tracking

            check_tracking(None)
    return mlflow_mirror(out, uri)


def write_outputs(folder: Path, *, again: bool) -> None:
    """Write ``study.nc`` and ``report.html`` from the runs' files, where they are missing or out of date, or ``again``."""
    export, report = folder / "study.nc", folder / "report.html"
    # older than the manifest: the driver that wrote that one died before writing these
    changed = (folder / "MANIFEST.json").stat().st_mtime_ns
    if again or any(not file.exists() or file.stat().st_mtime_ns < changed for file in (export, report)):
        from zoneout_lab.report import write_report
        from zoneout_lab.results import open_results

        tree = open_results(folder)
        schema.write_tree(tree, export)
        write_report(tree, report)
