"""The complete trials of Optuna studies as results: what was tried anywhere, compared here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import pandas as pd
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from zoneout_lab.errors import InputRefusedError, LabError, TryAgainError, UsageError, unknown
from zoneout_lab.metrics import Metric
from zoneout_lab.results.elsewhere.arguments import paired_columns
from zoneout_lab.results.elsewhere.names import Metrics, described, plain
from zoneout_lab.results.elsewhere.table import results_from
from zoneout_lab.results.legible import legible
from zoneout_lab.study.databases import check_database_url, may_pass, quiet, reason, sqlite_path, without_password
from zoneout_lab.study.patience import Answered, with_patience
from zoneout_lab.study.sqlite_files import holds

if TYPE_CHECKING:
    import xarray as xr

_BETTER = {StudyDirection.MINIMIZE: "lower", StudyDirection.MAXIMIZE: "higher"}


def results_from_optuna(
    study: optuna.Study | str | Path | Sequence[optuna.Study],
    *,
    names: str | Sequence[str] | None = None,
    arm: str = "arm",
    seed: str | None = "seed",
    block: str | Sequence[str] = (),
    metrics: Metrics | None = None,
    **more: Any,
) -> xr.DataTree:
    """The complete trials of Optuna studies, as :func:`zoneout_lab.results_from` makes results of a table.

    A field of a trial is one of its parameters, else one of its user attributes; ``study`` is the name of its study and ``number`` its own number. Trials that are
    running, failed, pruned or waiting, or lack what they are to be told apart by, are left out; how many is said.

    Args:
        study: an Optuna study, several, or the URL of the database that has them, or the path of its file.
        names: of the studies to read from a URL; by default the only one there.
        arm: the field that says what a trial is of.
        seed: the field that trials are paired by.
        block: several of them.
        metrics: as for ``results_from``, by the objectives' names (``value`` where there is one without a name) or user attributes. By default the
            objectives, with the direction that was optimized.
        more: what else ``results_from`` takes.

    Raises:
        InputRefusedError: there is no such database, or its trials cannot be compared.
        UsageError: no such study.
        TryAgainError: the database did not answer within seconds.

    >>> import optuna
    >>> optuna.logging.set_verbosity(optuna.logging.ERROR)
    >>> one = optuna.create_study(study_name="one")
    >>> for arm in ("a", "b"):
    ...     for seed in range(6):
    ...         one.add_trial(optuna.create_trial(value=seed + (arm == "b"), user_attrs={"arm": arm, "seed": seed}))
    >>> results_from_optuna(one, baseline="a")["metrics"]["value"].values[1]
    array([1., 2., 3., 4., 5., 6.])
    """
    apart = {key: bool(more[key]) for key in ("average", "paired") if key in more}
    by = paired_columns(arm, seed, block, **apart)
    shown = ""
    if isinstance(study, Path):
        study = f"sqlite:///{study}"
    if isinstance(study, str):
        shown = without_password(study)
        studies = _read(study, shown, _names(names))
    else:
        given = [study] if isinstance(study, optuna.Study) else study
        if not isinstance(given, Sequence) or not all(isinstance(each, optuna.Study) for each in given):
            raise InputRefusedError(
                f"study is {legible(repr(study))}; give an Optuna study, a list of them, or the URL of one database, sqlite:///…, with names= of its studies."
            )
        studies = [(each.study_name, _objectives(each), each.get_trials(deepcopy=False)) for each in given]
    objectives = studies[0][1] if studies else {}
    if not studies or any(each != objectives for _, each, _ in studies):
        raise UsageError(
            "Name one Optuna study at least; several need the same objectives, optimized in the same directions."
        )
    about = described(dict(objectives) if metrics is None else metrics)
    for name, each in about.items():  # what is known of an objective is its direction
        if name in objectives and each.better is None:
            about[name] = plain(name, objectives[name].better) if each == plain(name) else each
    rows, states, without = [], Counter[str](), Counter[str]()
    for label, _, trials in studies:
        for trial in trials:
            if trial.state != TrialState.COMPLETE:
                states[trial.state.name.lower()] += 1
                continue
            fields = _fields(label, trial, list(objectives))
            if lacks := next((column for column in (arm, *by) if fields.get(column) is None), None):
                without[lacks] += 1
                continue
            rows.append({column: fields.get(column) for column in (arm, *by, *about)})
    counted = ", ".join(f"{n:,} {state}" for state, n in sorted(states.items()))
    notes = [f"Trials that are not complete are left out: {counted}."] if states else []
    notes += [
        f"{n:,} complete trial{'s' * (n != 1)} without {legible(column)} {'are' if n != 1 else 'is'} left out."
        for column, n in without.items()
    ]
    if not rows:
        every = f" ({' '.join(notes)})" if notes else ""
        raise InputRefusedError(f"No complete trial has {' and '.join(map(legible, (arm, *by)))}{every}.")
    if absent := [name for name in about if all(row[name] is None for row in rows)]:
        raise unknown("metric", absent[0], map(legible, objectives))
    called = ", ".join(legible(label) for label, _, _ in studies[:3]) + (" and others" if len(studies) > 3 else "")
    source: dict[str, Any] = {
        "kind": "optuna",
        "name": f"the Optuna {'studies' if len(studies) > 1 else 'study'} {called}",
        "notes": notes,
    }
    if shown:
        source["place"] = {"database": shown}
    return results_from(
        pd.DataFrame(rows, columns=[arm, *by, *about]),
        arm=arm,
        seed=seed,
        block=block,
        metrics=about,
        source=source,
        **more,
    )


_Study = tuple[str, dict[str, Metric], list[FrozenTrial]]


def _objectives(study: optuna.Study) -> dict[str, Metric]:
    directions = study.directions
    names = study.metric_names or (
        ["value"] if len(directions) == 1 else [f"value_{k}" for k in range(len(directions))]
    )
    return {name: plain(name, _BETTER.get(side)) for name, side in zip(names, directions, strict=True)}  # type: ignore[arg-type]


def _fields(study: str, trial: FrozenTrial, objectives: list[str]) -> dict[str, Any]:
    own = {"study": study, "number": trial.number}
    # a parameter whose choice is None has this value, and does not lack one
    params = {name: "None" if value is None else value for name, value in trial.params.items()}
    return own | trial.user_attrs | params | dict(zip(objectives, trial.values or (), strict=False))


def _names(given: object) -> list[str] | None:
    names = [given] if isinstance(given, str) else given
    if names is None:
        return None
    if not isinstance(names, Sequence) or not all(isinstance(each, str) for each in names):
        raise InputRefusedError(
            f"names is {legible(repr(given))}; give the name of an Optuna study, or a list of names."
        )
    return list(names)


def _why(error: BaseException) -> str:
    """What the database said, which Optuna wraps."""
    while error.__cause__ is not None:
        error = error.__cause__
    return reason(error)


def _read(url: str, shown: str, names: Sequence[str] | None) -> list[_Study]:
    check_database_url(url, "The database")
    path = sqlite_path(url)
    # a storage makes the tables that it does not find
    if path is not None and not holds(path, "trials"):
        raise InputRefusedError(f"{path} is not an Optuna database, or does not exist.")

    def work(answered: Answered) -> list[_Study]:
        storage = optuna.storages.RDBStorage(url, skip_table_creation=True)
        try:
            known = optuna.get_all_study_names(storage)
            answered()
            if names is None and len(known) != 1:
                raise UsageError(
                    f"{shown} has {len(known)} studies: name those that are meant, of {', '.join(map(legible, known[:20])) or 'none'}."
                )
            found = []
            for name in known if names is None else names:
                if name not in known:
                    raise unknown("Optuna study", name, map(legible, known))
                each = optuna.load_study(study_name=name, storage=storage)
                found.append((name, _objectives(each), each.get_trials(deepcopy=False)))
                answered()
            return found
        finally:
            storage.engine.dispose()

    try:
        with quiet("optuna", "alembic"):
            return with_patience(work)
    except LabError:
        raise
    except Exception as error:
        if may_pass(error):
            raise TryAgainError(f"The database at {shown} does not answer: {_why(error)}. Try again later.") from error
        raise InputRefusedError(f"The database at {shown} cannot be read: {_why(error)}.") from error
