"""The finished runs of an MLflow experiment as results: what was logged anywhere, compared here."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from zoneout_lab.errors import InputRefusedError, LabError, TryAgainError, UsageError, unknown
from zoneout_lab.results.elsewhere.arguments import paired_columns
from zoneout_lab.results.elsewhere.names import Metrics, described
from zoneout_lab.results.elsewhere.table import results_from
from zoneout_lab.results.legible import legible
from zoneout_lab.study.databases import check_database_url, may_pass, quiet, reason, sqlite_path, without_password
from zoneout_lab.study.patience import Answered, with_patience
from zoneout_lab.study.sqlite_files import holds

if TYPE_CHECKING:
    import xarray as xr
    from mlflow.entities import Run

_PAGE = 1000
_MOST = 100_000
_FINISHED = "FINISHED"
#: what MLflow's databases keep in place of an infinity, which they cannot hold
_FOR_INFINITY = sys.float_info.max


def results_from_mlflow(
    uri: str | Path,
    experiment: str,
    *,
    arm: str = "params.arm",
    seed: str | None = "params.seed",
    block: str | Sequence[str] = (),
    metrics: Metrics,
    **more: Any,
) -> xr.DataTree:
    """The finished runs of an MLflow experiment, as :func:`zoneout_lab.results_from` makes results of a table.

    Runs that are still running, have failed or were deleted, or lack what they are to be told apart by, are left out; how many is said, on screen and in the
    report. Nothing is written to the server.

    Args:
        uri: of the tracking server or its database, or the path of the database's file.
        experiment: its name, or its id.
        arm: which parameter or tag says what a run is of: ``params.arm``, ``tags.method``. ``run_name`` is the run's own name.
        seed: the same for what runs are paired by.
        block: several of them.
        metrics: by the names they were logged under, as for ``results_from``; the last value of each counts.
        more: what else ``results_from`` takes: ``baseline``, ``labels``, ``hypotheses``, ``alpha``, ``average``, ``paired``, ``title``.

    Raises:
        InputRefusedError: MLflow is not installed, there is no such database, or its runs cannot be compared.
        UsageError: no such experiment.
        TryAgainError: the server did not answer within seconds.
    """
    apart = {key: bool(more[key]) for key in ("average", "paired") if key in more}
    by = paired_columns(arm, seed, block, **apart)
    for column in (arm, *by):
        if column != "run_name" and column.partition(".")[0] not in ("params", "tags"):
            raise UsageError(f"{column!r} is not a field of a run: it begins with params. or tags., or is run_name.")
    names = described(metrics)
    if not isinstance(experiment, str):
        raise InputRefusedError(f"experiment is {experiment!r}; give its name or its id, as a text.")
    if isinstance(uri, Path):
        uri = str(uri) if uri.is_dir() else f"sqlite:///{uri}"
    if not isinstance(uri, str):
        raise InputRefusedError(
            f"uri is {uri!r}; give the URI of a tracking server, http://…, or the path of MLflow's database."
        )
    shown = without_password(uri)
    runs = _asked(uri, experiment, shown)
    notes: list[str] = []
    finished = _finished(runs, notes, legible(experiment))
    rows, without = [], Counter[str]()
    for run in finished:
        row: dict[str, Any] = {column: _field(run, column) for column in (arm, *by)}
        if lacks := next((column for column, value in row.items() if value is None), None):
            without[lacks] += 1
            continue
        rows.append(row | {name: _value(run, name) for name in names})
    notes += [
        f"{n:,} finished run{'s' * (n != 1)} without {legible(column)} {'are' if n != 1 else 'is'} left out."
        for column, n in without.items()
    ]
    if not rows:
        raise InputRefusedError(
            f"No finished run of {legible(experiment)} has {' and '.join(map(legible, (arm, *by)))}."
        )
    if unlogged := [name for name in names if all(row[name] is None for row in rows)]:
        logged = sorted({name for run in finished for name in run.data.metrics})
        raise unknown("metric", unlogged[0], map(legible, logged))
    table = pd.DataFrame(rows, columns=[arm, *by, *names])
    source = {
        "kind": "mlflow",
        "name": f"the MLflow experiment {legible(experiment)}",
        "place": {"tracking server": shown},
        "notes": notes,
    }
    return results_from(table, arm=arm, seed=seed, block=block, metrics=names, source=source, **more)


def _asked(uri: str, experiment: str, shown: str) -> list[Run]:
    """All runs of an experiment, deleted ones too. Raises as :func:`results_from_mlflow` does."""
    try:
        import mlflow  # noqa: F401
    except ModuleNotFoundError:
        raise InputRefusedError('MLflow is not installed: pip install "zoneout-lab[tracking]"') from None
    from zoneout_lab.study.tracked_database import is_database

    if is_database(uri):
        check_database_url(uri, "The tracking URI")
    path = sqlite_path(uri)
    # a client makes the tables and folders that it does not find
    if path is not None and not holds(path, "experiments"):
        raise InputRefusedError(f"{path} is not an MLflow database, or does not exist.")
    if "://" not in uri and not Path(uri.removeprefix("file:")).is_dir():
        raise InputRefusedError(
            f"There is no folder {shown}. A server's URI begins with http://, a database's with sqlite:///."
        )
    try:
        with quiet("mlflow", "alembic"):
            return with_patience(lambda answered: _all_runs(uri, experiment, answered))
    except LabError:
        raise
    except Exception as error:
        if may_pass(error):
            raise TryAgainError(f"MLflow at {shown} does not answer: {_why(error)}. Try again later.") from error
        raise InputRefusedError(f"MLflow at {shown} cannot be read: {_why(error)}.") from error


def _why(error: BaseException) -> str:
    """What went wrong, without the whole of a request."""
    text = reason(error)
    return text if len(text) <= 160 else f"{text[:160]}…"


def _all_runs(uri: str, experiment: str, answered: Answered) -> list[Run]:
    from mlflow.entities import ViewType

    from zoneout_lab.study.tracked_database import client_of

    with client_of(uri) as client:
        found = client.get_experiment_by_name(experiment)
        answered()
        known = client.search_experiments(view_type=ViewType.ALL, max_results=1000)
        answered()
        if found is None:
            found = next((each for each in known if each.experiment_id == experiment), None)
        if found is None:
            raise unknown("experiment", experiment, [legible(each.name) for each in known])
        runs: list[Run] = []
        token: str | None = None
        while True:
            page = client.search_runs(
                [found.experiment_id], run_view_type=ViewType.ALL, max_results=_PAGE, page_token=token
            )
            answered()
            runs += page
            token = page.token
            if not token:
                return runs
            if len(runs) >= _MOST:
                raise InputRefusedError(
                    f"{legible(experiment)} has more than {_MOST:,} runs, which is as many as are read."
                )


def _finished(runs: Sequence[Run], notes: list[str], experiment: str) -> list[Run]:
    """The runs that finished and were not deleted; how many others there are is noted."""
    deleted = [run for run in runs if run.info.lifecycle_stage != "active"]
    active = [run for run in runs if run.info.lifecycle_stage == "active"]
    others = Counter(run.info.status.lower() for run in active if run.info.status != _FINISHED)
    counted = [f"{n:,} {status}" for status, n in sorted(others.items())]
    counted += [f"{len(deleted):,} deleted"] if deleted else []
    finished = [run for run in active if run.info.status == _FINISHED]
    if not finished:
        rest = f": {', '.join(counted)}" if counted else ""
        raise InputRefusedError(f"No run of {experiment} has finished{rest}.")
    if counted:
        notes.append(f"Runs that did not finish, or were deleted, are left out: {', '.join(counted)}.")
    return finished


def _value(run: Run, metric: str) -> float | None:
    """The last value of a metric, infinite where a database holds the largest number instead; None where there is none."""
    value = run.data.metrics.get(metric)
    return math.copysign(math.inf, value) if value is not None and abs(value) >= _FOR_INFINITY else value


def _field(run: Run, column: str) -> str | None:
    if column == "run_name":
        return run.info.run_name or None
    kind, _, name = column.partition(".")
    value = (run.data.params if kind == "params" else run.data.tags).get(name)
    return value if value is not None and str(value).strip() else None
