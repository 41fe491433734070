"""Optuna: every run is a trial, asked for and told by the one driver; settings to try come from its sampler.

The ledger mirrors the result files. Without a database nothing is lost: a run goes on and the ledger says once that it is out of
reach. Sampling happens in memory from the finished runs, so that an interrupted search goes on as if it had not been.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from zoneout_lab.metrics import Better
from zoneout_lab.settings import Run
from zoneout_lab.study.databases import may_pass, quiet, reason, remedy

_LOGGERS = ("optuna", "alembic")  # they announce each study, trial and table, and the driver reports what matters of it

Space = Mapping[str, tuple[float, float]]
Params = dict[str, float]
_DIRECTIONS: dict[Better, Literal["minimize", "maximize"]] = {"lower": "minimize", "higher": "maximize"}


class Ledger:
    """One Optuna study per study folder, with a trial for each run.

    Args:
        storage: database URL (SQLite or any server Optuna knows).
        name: the study's id.
        arms: names of all arms.
        sampler: what the trials' settings came from, recorded with Optuna's version.
        warn: told once where the database does not answer.
        better: which scores are better, ``lower`` or ``higher``.
    """

    def __init__(
        self,
        storage: str,
        name: str,
        arms: Sequence[str],
        sampler: str,
        warn: Callable[[str], None],
        *,
        better: Better = "lower",
    ) -> None:
        self._warn = warn
        self._arms = list(arms)
        self._study: optuna.Study | None = None
        self._trials: dict[str, optuna.Trial] = {}
        self._done: set[str] = set()
        with self._or_warn():
            study = optuna.create_study(
                storage=storage,
                study_name=name,
                sampler=optuna.samplers.RandomSampler(seed=0),
                direction=_DIRECTIONS[better],
                load_if_exists=True,
            )
            study.set_user_attr("sampler", sampler)
            study.set_user_attr("optuna", optuna.__version__)
            for trial in study.get_trials(deepcopy=False):
                if trial.state == TrialState.RUNNING:
                    # left behind by a driver that died: its runs are enqueued again
                    study.tell(trial.number, state=TrialState.FAIL)
                elif trial.state == TrialState.WAITING:
                    # only a trial that was asked for can be told; the next one to be asked for is one that waits
                    study.tell(study.ask(), state=TrialState.FAIL)
                elif "sha256" in trial.user_attrs:
                    self._done.add(trial.user_attrs["run"])
            self._study = study

    def begin(self, run: Run, searched: Space | None = None, *, again: bool = False) -> None:
        """Enqueue a run and ask for its trial; unless ``again``, not where it has a finished one."""
        with self._or_warn():
            if self._study is not None and (again or run.id not in self._done):
                params, space = self._point(run, searched or {})
                self._study.enqueue_trial(params, user_attrs={"run": run.id})
                self._trials[run.id] = self._study.ask(space)

    def end(self, run: Run, score: float | None, facts: Mapping[str, Any]) -> None:
        """Tell a run's score (None where it has none: the trial counts as failed) and what is known of its file."""
        with self._or_warn():
            if self._study is None or run.id not in self._trials:
                return
            trial = self._trials.pop(run.id)
            for name, value in facts.items():
                trial.set_user_attr(name, value)
            state = TrialState.FAIL if score is None else TrialState.COMPLETE
            self._study.tell(trial, score, state=state)
            self._done.add(run.id)

    def _point(self, run: Run, searched: Space) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
        space: dict[str, BaseDistribution] = {
            "arm": CategoricalDistribution(self._arms),
            "seed": IntDistribution(0, 2**31 - 1),
        }
        params: dict[str, Any] = {"arm": run.arm, "seed": run.seed}
        for name, bounds in searched.items():
            space[f"{run.arm}.{name}"] = FloatDistribution(*bounds)
            params[f"{run.arm}.{name}"] = run.regularizer[name]
        return params, space

    @contextmanager
    def _or_warn(self) -> Iterator[None]:
        """Give up on the database for the rest of this process where it does not answer, saying so once."""
        try:
            with quiet(*_LOGGERS):
                yield
        except Exception as error:  # noqa: BLE001 - drivers raise their own kinds, and none may cost a run
            self._study = None
            fault = "does not answer" if may_pass(error) else "cannot be used"
            self._warn(
                f"Optuna's database {fault} ({reason(error)}); runs go on without it. {remedy(error, '--storage', 'record them')}"
            )


@dataclass(frozen=True)
class Told:
    """What a database says of a finished run: the SHA-256 of its file, its status there, and its score (None where it has none)."""

    sha256: str
    status: str
    score: float | None


def told_of(storage: str, name: str) -> dict[str, list[Told]]:
    """What Optuna's database has of a study's finished runs, by their ids; nothing where it does not have the study.

    Raises what Optuna and the database's driver raise where it cannot be read.
    """
    with quiet(*_LOGGERS):
        if name not in optuna.get_all_study_names(storage):
            return {}
        trials = optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False)
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
