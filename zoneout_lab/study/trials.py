"""Optuna: every finished run, and every setting that was tried, is a trial; settings to try come from its sampler.

The trials mirror the result files: they are written when their runs have files, some together in one transaction, and those that are missing
are written again from the manifest, as often as one likes. Sampling happens in memory from the finished runs, so that an interrupted search goes on as if it
had not been.

The runs that are compared are in Optuna's study of the folder's name, and the settings of a searched arm in one of its own, ``<name>/<arm>``,
whose parameters are those of the search and no others.
"""

from __future__ import annotations

import math
import sqlite3
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from zoneout_lab.frozen import AnyRun
from zoneout_lab.metrics import Better
from zoneout_lab.study.databases import quiet, sqlite_path
from zoneout_lab.study.mirror_owner import Owner, owner
from zoneout_lab.study.patience import Answered, nobody_waits
from zoneout_lab.study.search_space import DIRECTIONS, Space
from zoneout_lab.study.search_space import Params as Params
from zoneout_lab.study.search_space import distributions as distributions
from zoneout_lab.study.search_space import sampler_name as sampler_name
from zoneout_lab.study.search_space import suggest as suggest
from zoneout_lab.study.sqlite_rows import in_pieces
from zoneout_lab.study.store import TUNE, read_manifest
from zoneout_lab.study.trial_records import (
    Pairs,
    Wanted,
    ended_run,
    has_files,
    is_setting,
    objective,
    pairs,
    says,
    settings_of,
    wanted,
)
from zoneout_lab.study.trial_rows import inserted

_LOGGERS = ("optuna", "alembic")  # they announce each study, trial and table, and the driver reports what matters of it
_OFTEN = 1.0  # seconds between two transactions of a driver


def make_database(url: str) -> None:
    """Make Optuna's tables in an empty database."""
    with _storage(url):
        pass


def half_made(_: sqlite3.Connection) -> bool:
    """False: Optuna itself goes on from wherever the making of its tables was cut off."""
    return False


def publish(folder: Path, url: str, *, answered: Answered = nobody_waits) -> int:
    """Bring Optuna up to date with a study's folder; returns how many trials were added. Again adds nothing.

    What a driver of an earlier version left open is closed as failed. Recorded anew is a study in which a run is recorded twice, as by
    drivers on two machines at once, in which a trial with a run's file is open, or which an earlier version recorded, and one of a search
    in which a setting is of files that are no longer there.

    Args:
        folder: the study's results folder; its trials are in Optuna's studies of that name.
        url: the database's.
        answered: is told of each answer of the database.

    Raises whatever Optuna and the database raise.
    """
    manifest = read_manifest(folder)
    if (found := objective(folder, manifest)) is None:
        return 0  # nothing has run
    whose, files = owner(folder, url, manifest), _files(manifest)
    with _storage(url) as storage:
        for name, trials in _told(storage, whose.name).items():
            if _is_to_go(trials, files, searched=name != whose.name):
                optuna.delete_study(study_name=name, storage=storage)
        _drop_old_name(storage, whose, manifest, files)
        answered()
        studies = _Studies(storage, url, whose.name, *found)
        _close(studies.of(""), studies.of("").get_trials(deepcopy=False))
        there = [trial for trials in _told(storage, whose.name).values() for trial in trials if has_files(trial)]
        known = frozenset(pair for trial in there for pair in pairs(trial))
        count = 0
        for piece in in_pieces(wanted(folder, manifest, known)):
            studies.record(piece, answered)
            count += len(piece)
        return count


def forget(folder: Path, url: str, *, answered: Answered = nobody_waits) -> None:
    """Remove a study's trials from the database, so that they are recorded anew."""
    name = owner(folder, url, read_manifest(folder)).name
    with _storage(url) as storage:
        for each in _told(storage, name):
            optuna.delete_study(study_name=each, storage=storage)
        answered()


class Ledger:
    """Records a study's trials as its runs end, those of a second together. Opened after :func:`publish`.

    Args:
        folder: the study's results folder.
        url: the database's.
        searched: each arm's search space, empty where it has none.
        better: which scores are better.

    What Optuna and the database raise, it raises.
    """

    def __init__(self, folder: Path, url: str, searched: Mapping[str, Space], better: Better) -> None:
        manifest = read_manifest(folder)
        files = _files(manifest)
        self._searched = searched
        self._written = -math.inf
        self._storage = ExitStack()
        storage = self._storage.enter_context(_storage(url))
        name = owner(folder, url, manifest).name
        metric, _ = objective(folder, manifest) or ("", better)
        self._studies = _Studies(storage, url, name, metric, better)
        told = _told(storage, name)
        _close(self._studies.of(""), told.get(name, []))
        trials = [trial for each in told.values() for trial in each if has_files(trial)]
        self._seen = {pair for trial in trials for pair in pairs(trial)}
        # which is recorded anew in the end
        self._outdated = any(pairs(trial) - files for trial in trials if is_setting(trial))
        self._settings = settings_of(manifest["study"])
        # those of a search that was interrupted between two seeds of a setting
        self._waiting = list(wanted(folder, manifest, frozenset(self._seen), searched=True, settings=self._settings))
        self._seen |= {pair for pair in files if manifest["runs"][pair[0]]["phase"] == TUNE}

    def add(self, run: AnyRun, score: float | None, facts: Mapping[str, Any]) -> None:
        """Have a run recorded by the next :meth:`write`, with its score (None where it has none: the trial counts as failed) and what is known
        of its file."""
        ended = ended_run(run, self._searched[run.arm], score, facts)
        pair = ended.run, facts.get("sha256")
        if pair in self._seen:
            return
        if (found := self._settings.add(ended)) is not None:
            self._waiting.append(found)
        self._seen.add(pair)

    @property
    def due(self) -> bool:
        """True where something waits to be written and nothing was for a second."""
        return bool(self._waiting) and time.monotonic() - self._written >= _OFTEN

    def write(self, answered: Answered = nobody_waits) -> None:
        """Record what waits."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._studies.record(waiting, answered)
            self._written = time.monotonic()

    def has(self, runs: Mapping[str, str]) -> bool:
        """True where all of these runs, with the SHA-256 of their files, are recorded or wait for it, and no setting is of other files."""
        return not self._outdated and self._seen >= set(runs.items())

    def close(self) -> None:
        """Let go of the database."""
        self._storage.close()


class _Studies:
    """Optuna's studies of a results folder: of the runs that are compared (``""``), and of each searched arm, made when it has its first trial."""

    def __init__(self, storage: optuna.storages.RDBStorage, url: str, name: str, metric: str, better: Better) -> None:
        self._storage, self._name, self._metric, self._better = storage, name, metric, better
        # a URL with options of its own is the driver's to read
        self._database = None if "?" in url else sqlite_path(url)
        self._made: dict[str, optuna.Study] = {}

    def of(self, arm: str) -> optuna.Study:
        """The study of an arm."""
        if arm not in self._made:
            self._made[arm] = self._open(arm)
        return self._made[arm]

    def record(self, trials: Sequence[Wanted], answered: Answered) -> None:
        """Have trials recorded, each in its study."""
        for arm in dict.fromkeys(each.arm for each in trials):
            study, of_arm = self.of(arm), [each.trial for each in trials if each.arm == arm]
            if self._database is None or not inserted(self._database, study.study_name, of_arm):
                for trial in of_arm:
                    study.add_trial(trial)
                    answered()
            answered()

    def _open(self, arm: str) -> optuna.Study:
        study = optuna.create_study(
            storage=self._storage,
            study_name=f"{self._name}/{arm}" if arm else self._name,
            sampler=optuna.samplers.RandomSampler(seed=0),
            direction=DIRECTIONS[self._better],
            load_if_exists=True,
        )
        told = {"sampler": sampler_name() if arm else "fixed arms, enqueued", "optuna": optuna.__version__}
        there = study.user_attrs
        for key, value in (told | ({"arm": arm} if arm else {})).items():
            if there.get(key) != value:
                study.set_user_attr(key, value)
        if self._metric and study.metric_names != [self._metric]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names([self._metric])
        return study


@contextmanager
def _storage(url: str) -> Iterator[optuna.storages.RDBStorage]:
    storage = optuna.storages.RDBStorage(url)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _files(manifest: Mapping[str, Any]) -> Pairs:
    return frozenset((run_id, entry["sha256"]) for run_id, entry in manifest["runs"].items())


def _told(storage: optuna.storages.RDBStorage, name: str) -> dict[str, list[FrozenTrial]]:
    """The trials of all of a folder's studies, by the names of these."""
    return {
        each: optuna.load_study(study_name=each, storage=storage).get_trials(deepcopy=False)
        for each in optuna.get_all_study_names(storage)
        if each == name or each.startswith(f"{name}/")
    }


def _is_to_go(trials: Sequence[FrozenTrial], files: Pairs, *, searched: bool) -> bool:
    """True where a study is to be recorded anew."""
    of_files = [trial for trial in trials if has_files(trial)]
    if any(many > 1 for many in Counter(map(pairs, of_files)).values()):
        return True
    if any("sha256" in trial.user_attrs and not trial.state.is_finished() for trial in trials):
        return True
    # before a setting was a trial, an arm and a seed were parameters
    return any(pairs(trial) - files if searched else trial.params for trial in of_files)


def _drop_old_name(
    storage: optuna.storages.RDBStorage, whose: Owner, manifest: Mapping[str, Any], files: Pairs
) -> None:
    """Remove what a database has of a folder under the name that it had before the database was moved to or from the folder's side."""
    other = Owner(whose.study, manifest.get("id") if whose.folder is None else None).name
    if other == whose.name:
        return
    told = _told(storage, other)
    recorded = {pair for trials in told.values() for trial in trials for pair in pairs(trial)}
    if recorded and recorded <= files:
        for name in told:
            optuna.delete_study(study_name=name, storage=storage)


def _close(study: optuna.Study, trials: Sequence[FrozenTrial]) -> None:
    """Close the trials that a driver of an earlier version was killed in the middle of."""
    for trial in trials:
        if trial.state == TrialState.RUNNING:
            study.tell(trial.number, state=TrialState.FAIL)
        elif trial.state == TrialState.WAITING:
            # only a trial that was asked for can be told; the next one to be asked for is one that waits
            study.tell(study.ask(), state=TrialState.FAIL)


def told_of(url: str, whose: Owner) -> dict[tuple[str, Pairs], list[tuple[Any, ...]]]:
    """What Optuna's database has of a study's folder: by the searched arm, or nothing, and the runs and files that a trial is of, what it says;
    nothing where it does not have the study.

    Raises what Optuna and the database's driver raise where it cannot be read.
    """
    with quiet(*_LOGGERS), _storage(url) as storage:
        told = _told(storage, whose.name)
    found: dict[tuple[str, Pairs], list[tuple[Any, ...]]] = {}
    for name, trials in told.items():
        for trial in filter(has_files, trials):
            found.setdefault((name[len(whose.name) + 1 :], pairs(trial)), []).append(says(trial))
    return found
