"""Optuna: every finished run is a trial; settings to try come from its sampler.

The trials mirror the result files: they are written when their runs have files, some together in one transaction, and those that are missing
are written again from the manifest, as often as one likes. Sampling happens in memory from the finished runs, so that an interrupted search goes on as if it
had not been.
"""

from __future__ import annotations

import math
import sqlite3
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from zoneout_lab import schema
from zoneout_lab.metrics import Better
from zoneout_lab.settings import Run
from zoneout_lab.study.databases import quiet, sqlite_path
from zoneout_lab.study.mirror_owner import Owner, owner
from zoneout_lab.study.patience import Answered, nobody_waits
from zoneout_lab.study.sqlite_rows import in_pieces
from zoneout_lab.study.store import TUNE, read_manifest
from zoneout_lab.study.trial_rows import inserted

_LOGGERS = ("optuna", "alembic")  # they announce each study, trial and table, and the driver reports what matters of it
_FACTS = ("phase", "file", "sha256", "status")
_OFTEN = 1.0  # seconds between two transactions of a driver

Space = Mapping[str, tuple[float, float]]
Params = dict[str, float]
_DIRECTIONS: dict[Better, Literal["minimize", "maximize"]] = {"lower": "minimize", "higher": "maximize"}


def make_database(url: str) -> None:
    """Make Optuna's tables in an empty database."""
    with _storage(url):
        pass


def half_made(_: sqlite3.Connection) -> bool:
    """False: Optuna itself goes on from wherever the making of its tables was cut off."""
    return False


def publish(folder: Path, url: str, *, answered: Answered = nobody_waits) -> int:
    """Bring Optuna up to date with a study's folder; returns how many trials were added. Again adds nothing.

    What a driver of an earlier version left open is closed as failed. A study in which a run is recorded twice, as by drivers on two
    machines at once, or in which a trial with a run's file is open, is recorded anew.

    Args:
        folder: the study's results folder; its trials are in Optuna's study of that name.
        url: the database's.
        answered: is told of each answer of the database.

    Raises whatever Optuna and the database raise.
    """
    manifest = read_manifest(folder)
    better = _better(folder, manifest)
    if better is None:
        return 0  # nothing has run
    whose = owner(folder, url, manifest)
    with _storage(url) as storage:
        searches = any(arm.get("search") for arm in manifest["study"]["arms"])
        study = _study(storage, whose, better, searches=searches)
        trials = study.get_trials(deepcopy=False)
        doubled = any(many > 1 for many in Counter(map(_recorded, filter(_has_file, trials))).values())
        if doubled or any("sha256" in trial.user_attrs and not trial.state.is_finished() for trial in trials):
            optuna.delete_study(study_name=study.study_name, storage=storage)
            study, trials = _study(storage, whose, better, searches=searches), []
        _drop_old_name(storage, whose, manifest)
        answered()
        _close(study, trials)
        known = {_recorded(trial) for trial in trials if _has_file(trial)}
        missing = [(run, entry) for run, entry in manifest["runs"].items() if (run, entry["sha256"]) not in known]
        missing.sort(key=lambda item: (item[1].get("written", ""), item[0]))
        for piece in in_pieces(_from_entry(folder, manifest["study"], run, entry) for run, entry in missing):
            _record(study, url, piece, answered)
        return len(missing)


def forget(folder: Path, url: str, *, answered: Answered = nobody_waits) -> None:
    """Remove a study's trials from the database, so that they are recorded anew."""
    name = owner(folder, url, read_manifest(folder)).name
    with _storage(url) as storage:
        if name in optuna.get_all_study_names(storage):
            optuna.delete_study(study_name=name, storage=storage)
        answered()


class Ledger:
    """Records a study's trials as its runs end, those of a second together. Opened after :func:`publish`.

    Args:
        url: the database's.
        whose: whose the study is there.
        searched: each arm's search space, empty where it has none.
        better: which scores are better.

    What Optuna and the database raise, it raises.
    """

    def __init__(self, url: str, whose: Owner, searched: Mapping[str, Space], better: Better) -> None:
        self._url, self._searched = url, searched
        self._waiting: list[FrozenTrial] = []
        self._written = -math.inf
        self._storage = ExitStack()
        searches = any(searched.values())
        storage = self._storage.enter_context(_storage(url))
        self._study = _study(storage, whose, better, searches=searches)
        trials = self._study.get_trials(deepcopy=False)
        _close(self._study, trials)
        self._known = {_recorded(trial) for trial in trials if _has_file(trial)}

    def add(self, run: Run, score: float | None, facts: Mapping[str, Any]) -> None:
        """Have a run recorded by the next :meth:`write`, with its score (None where it has none: the trial counts as failed) and what is known
        of its file."""
        if (run.id, facts.get("sha256")) in self._known:
            return
        space = self._searched[run.arm] if facts["phase"] == TUNE else {}
        arms = list(self._searched)
        self._waiting.append(_trial(run.id, run.arm, run.seed, arms, space, run.regularizer, score, facts))
        self._known.add((run.id, facts.get("sha256")))

    @property
    def due(self) -> bool:
        """True where something waits to be written and nothing was for a second."""
        return bool(self._waiting) and time.monotonic() - self._written >= _OFTEN

    def write(self, answered: Answered = nobody_waits) -> None:
        """Record what waits."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            _record(self._study, self._url, waiting, answered)
            self._written = time.monotonic()

    def has(self, runs: Mapping[str, str]) -> bool:
        """True where all of these runs, with the SHA-256 of their files, are recorded or wait for it."""
        return self._known >= set(runs.items())

    def close(self) -> None:
        """Let go of the database."""
        self._storage.close()


@contextmanager
def _storage(url: str) -> Iterator[optuna.storages.RDBStorage]:
    storage = optuna.storages.RDBStorage(url)
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _study(storage: optuna.storages.RDBStorage, whose: Owner, better: Better, *, searches: bool) -> optuna.Study:
    study = optuna.create_study(
        storage=storage,
        study_name=whose.name,
        sampler=optuna.samplers.RandomSampler(seed=0),
        direction=_DIRECTIONS[better],
        load_if_exists=True,
    )
    attributes = {"sampler": sampler_name() if searches else "fixed arms, enqueued", "optuna": optuna.__version__}
    there = study.user_attrs
    for key, value in attributes.items():
        if there.get(key) != value:
            study.set_user_attr(key, value)
    return study


def _drop_old_name(storage: optuna.storages.RDBStorage, whose: Owner, manifest: Mapping[str, Any]) -> None:
    """Remove what a database has of a folder under the name that it had before the database was moved to or from the folder's side."""
    other = Owner(whose.study, manifest.get("id") if whose.folder is None else None).name
    if other == whose.name or other not in optuna.get_all_study_names(storage):
        return
    recorded = {
        _recorded(trial) for trial in optuna.load_study(study_name=other, storage=storage).get_trials(deepcopy=False)
    }
    if recorded and recorded <= {(run_id, entry["sha256"]) for run_id, entry in manifest["runs"].items()}:
        optuna.delete_study(study_name=other, storage=storage)


def _record(study: optuna.Study, url: str, trials: Sequence[FrozenTrial], answered: Answered) -> None:
    # a URL with options of its own is the driver's to read
    database = None if "?" in url else sqlite_path(url)
    if database is None or not inserted(database, study.study_name, trials):
        for trial in trials:
            study.add_trial(trial)
            answered()
    answered()


def _close(study: optuna.Study, trials: Sequence[FrozenTrial]) -> None:
    """Close the trials that a driver of an earlier version was killed in the middle of."""
    for trial in trials:
        if trial.state == TrialState.RUNNING:
            study.tell(trial.number, state=TrialState.FAIL)
        elif trial.state == TrialState.WAITING:
            # only a trial that was asked for can be told; the next one to be asked for is one that waits
            study.tell(study.ask(), state=TrialState.FAIL)


def _has_file(trial: FrozenTrial) -> bool:
    return trial.state.is_finished() and "sha256" in trial.user_attrs


def _recorded(trial: FrozenTrial) -> tuple[Any, Any]:
    return trial.user_attrs.get("run"), trial.user_attrs.get("sha256")


def _better(folder: Path, manifest: Mapping[str, Any]) -> Better | None:
    for entry in manifest["runs"].values():
        if (folder / entry["file"]).exists():
            score = schema.provenance(schema.read_tree(folder / entry["file"], entry["sha256"]), "score")
            return "higher" if score["better"] == "higher" else "lower"
    return None


def _from_entry(folder: Path, study: Mapping[str, Any], run_id: str, entry: Mapping[str, Any]) -> FrozenTrial:
    (arm,) = [arm for arm in study["arms"] if arm["name"] == entry["arm"]]
    searched = (
        {name: tuple(bounds) for name, bounds in (arm.get("search") or {}).items()} if entry["phase"] == TUNE else {}
    )
    regularizer = {}
    if searched:
        tree = schema.read_tree(folder / entry["file"], entry["sha256"])
        regularizer = schema.provenance(tree, "spec")["regularizer"]
    facts = {name: entry[name] for name in _FACTS}
    arms = [arm["name"] for arm in study["arms"]]
    return _trial(run_id, entry["arm"], entry["seed"], arms, searched, regularizer, entry["score"], facts)


def _trial(
    run_id: str,
    arm: str,
    seed: int,
    arms: Sequence[str],
    searched: Space,
    regularizer: Mapping[str, Any],
    score: float | None,
    facts: Mapping[str, Any],
) -> FrozenTrial:
    space: dict[str, BaseDistribution] = {
        "arm": CategoricalDistribution(arms),
        "seed": IntDistribution(0, 2**31 - 1),
    }
    params: dict[str, Any] = {"arm": arm, "seed": seed}
    for name, bounds in searched.items():
        space[f"{arm}.{name}"] = FloatDistribution(*bounds)
        params[f"{arm}.{name}"] = regularizer[name]
    return create_trial(
        state=TrialState.FAIL if score is None else TrialState.COMPLETE,
        value=score,
        params=params,
        distributions=space,
        user_attrs={"run": run_id, **facts},
    )


@dataclass(frozen=True)
class Told:
    """What a database says of a finished run: the SHA-256 of its file, its status there, and its score (None where it has none)."""

    sha256: str
    status: str
    score: float | None


def told_of(url: str, whose: Owner) -> dict[str, list[Told]]:
    """What Optuna's database has of the finished runs of a study's folder, by their ids; nothing where it does not have the study.

    Raises what Optuna and the database's driver raise where it cannot be read.
    """
    with quiet(*_LOGGERS), _storage(url) as storage:
        if whose.name not in optuna.get_all_study_names(storage):
            return {}
        trials = optuna.load_study(study_name=whose.name, storage=storage).get_trials(deepcopy=False)
    found: dict[str, list[Told]] = {}
    for trial in trials:
        about = trial.user_attrs
        if "sha256" in about and trial.state in (TrialState.COMPLETE, TrialState.FAIL):
            told = Told(str(about["sha256"]), str(about.get("status")), trial.value)
            found.setdefault(str(about.get("run")), []).append(told)
    return found


def sampler_name() -> str:
    """The sampler that :func:`suggest` uses, with its version.

    >>> sampler_name().startswith("TPESampler of Optuna 5")
    True
    """
    return f"TPESampler of Optuna {optuna.__version__}"


def suggest(
    space: Space, finished: Sequence[tuple[Params, float]], count: int, seed: int, *, better: Better = "lower"
) -> list[Params]:
    """The next ``count`` settings to try, from the tree-structured Parzen estimator and what is known so far.

    A pure function of its arguments: the sampler is made anew from ``seed`` and the number of finished trials.

    >>> [sorted(params) for params in suggest({"p": (0.0, 0.5)}, [({"p": 0.1}, 0.3)], 2, seed=0)]
    [['p'], ['p']]
    """
    distributions: dict[str, BaseDistribution] = {name: FloatDistribution(*bounds) for name, bounds in space.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=(seed + len(finished)) % 2**32, n_startup_trials=8)
    with quiet(*_LOGGERS):
        study = optuna.create_study(sampler=sampler, direction=_DIRECTIONS[better])
        for params, score in finished:
            study.add_trial(create_trial(params=params, distributions=distributions, value=score))
        return [dict(study.ask(distributions).params) for _ in range(count)]
