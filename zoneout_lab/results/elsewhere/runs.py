"""The rows of a table as runs: those that finished, with a column for each metric."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoneout_lab.errors import InputRefusedError, UsageError, unknown
from zoneout_lab.results.elsewhere import names
from zoneout_lab.results.elsewhere.columns import labels, numbers
from zoneout_lab.results.elsewhere.files import chosen, read_table
from zoneout_lab.results.legible import legible

if TYPE_CHECKING:
    import pandas as pd

_FINISHED = frozenset({"finished", "complete", "completed", "success", "succeeded", "done"})
#: what Weights & Biases calls the columns of its table of runs, and the states of a run
_WANDB = {"Name", "State", "Created", "Runtime"}
_WANDB_STATES = frozenset({"finished", "running", "crashed", "failed", "killed", "pending", "preempted", "preempting"})


def rows_of(
    table: Any,
    arm: str,
    by: list[str],
    metrics: names.Metrics | None,
    long: tuple[str, str] | None,
    state: str | None,
    name: str,
) -> tuple[pd.DataFrame, str, str, str | None]:
    """The columns that are needed, what the table is called, the SHA-256 of its file, and the column of states."""
    import pandas as pd

    def wanted(columns: tuple[str, ...]) -> list[str]:
        if metrics is None and long is None:
            return list(columns)
        some = list(long) if long else list(names.described(metrics or ()))
        twice = {each: n for each, n in Counter([arm, *by, *some]).items() if n > 1}
        if twice:
            raise UsageError(f"The column {legible(next(iter(twice)))!r} is named for two things.")
        return [arm, *by, *some, *([ended] if (ended := state or _wandb_state(columns)) else [])]

    if isinstance(table, pd.DataFrame):
        columns = [str(column) for column in table.columns]
        frame = table.set_axis(columns, axis=1).reset_index(drop=True)
        if twice := [each for each, n in Counter(columns).items() if n > 1]:
            raise InputRefusedError(f"The table has two columns called {legible(twice[0])!r}.")
        if not len(frame):
            raise InputRefusedError("The table has no rows.")
        frame = frame[chosen(columns, wanted(tuple(columns)))]
        found, digest = name or "a pandas table", ""
    elif isinstance(table, str | Path):
        read = read_table(Path(table), wanted)
        frame, found, digest, columns = read.frame, legible(read.name), read.sha256, list(read.names)
    else:
        raise InputRefusedError(f"A table is a pandas DataFrame or the path of a file; got {type(table).__name__}.")
    for column in (arm, *by):
        if column not in frame:
            raise unknown("column", column, map(legible, columns))
    ended = state or _wandb_state(tuple(columns))
    if state is None and ended and not set(labels_of_states(frame[ended])) <= _WANDB_STATES:
        ended = None
    return frame, found, digest, ended


def labels_of_states(column: pd.Series) -> list[str]:
    """The different states that runs are in, in small letters."""
    return sorted({str(each).strip().lower() for each in column.unique()})


def _wandb_state(columns: tuple[str, ...]) -> str | None:
    return "State" if set(columns) >= _WANDB else None


def finished(frame: pd.DataFrame, state: str | None, notes: list[str]) -> pd.DataFrame:
    """The rows of runs that finished, with the numbers they have in the table; how many others there are is noted."""
    if state is None:
        return frame
    ended = frame[state].astype(str).str.strip().str.lower()
    others = Counter(ended[~ended.isin(_FINISHED)])
    if not others:
        return frame
    counted = ", ".join(f"{n:,} {legible(each) or 'without a state'}" for each, n in sorted(others.items()))
    rest = frame[ended.isin(_FINISHED)]
    if not len(rest):
        raise InputRefusedError(f"No run has finished: {counted}.")
    notes.append(f"Runs that did not finish are left out: {counted}.")
    return rest


def wide(
    frame: pd.DataFrame,
    arm: str,
    by: list[str],
    long: tuple[str, str],
    metrics: names.Metrics | None,
    notes: list[str],
) -> tuple[pd.DataFrame, list[str]]:
    """A table with one metric in each row as one with a column for each. A run has the number of the first of its rows."""
    name, value = long
    codes, texts = labels(frame[name], "metric")
    wanted = texts if metrics is None else list(names.described(metrics))
    for each in wanted:
        if each not in texts:
            raise unknown("metric", each, map(legible, texts))
    if len(wanted) > names.MOST_METRICS:
        raise InputRefusedError(
            f"{legible(name)} names {len(wanted):,} metrics, and up to {names.MOST_METRICS} are read at once."
        )
    if taken := {arm, *by} & set(wanted):
        raise InputRefusedError(f"A metric is called {legible(sorted(taken)[0])!r}, which is a column too.")
    keys = [arm, *by]
    # a missing key would be dropped from the groups without a word
    for key in keys:
        labels(frame[key], legible(key))
    run = frame.groupby(keys, sort=False, dropna=False).ngroup().to_numpy()
    first = frame[keys].iloc[np.unique(run, return_index=True)[1]].copy()
    for each in wanted:
        rows = np.flatnonzero(codes == texts.index(each))
        where = run[rows]
        if len(np.unique(where)) < len(where):
            _, counts = np.unique(where, return_counts=True)
            at = first.iloc[int(np.unique(where)[np.argmax(counts)])]
            called = ", ".join(f"{legible(key)} {legible(at[key])}" for key in keys)
            raise InputRefusedError(f"{legible(each)} has {counts.max()} values for {called}. A run has one.")
        column = np.full(len(first), np.nan)
        parsed, infinite = numbers(frame[value].iloc[rows], each)
        column[where] = parsed
        notes += missing(infinite, each)
        first[each] = column
    return first, wanted


def missing(infinite: int, column: str) -> list[str]:
    """What is said of values that are infinite, where there are some."""
    if not infinite:
        return []
    one = infinite == 1
    return [
        f"{infinite:,} value{'s' * (not one)} of {legible(column)} {'is' if one else 'are'} infinite and count{'s' * one} as missing."
    ]


def numeric(frame: pd.DataFrame, but: set[str | None], notes: list[str]) -> list[str]:
    """The columns that hold numbers and nothing else, of those that are not named for something."""
    found: list[str] = []
    skipped: list[str] = []
    for column in frame.columns:
        if column in but or not str(column).strip():  # an index without a name
            continue
        try:
            values, _ = numbers(frame[column], str(column))
        except InputRefusedError:
            continue
        if not np.isfinite(values).any():
            continue
        (skipped if str(column).lower() in names.RESERVED else found).append(str(column))
    if not found:
        raise InputRefusedError("No column holds numbers beside those that are named: give metrics.")
    if skipped:
        notes.append(f"Not taken for a metric, by its name: {', '.join(map(legible, skipped))}.")
    return found
