"""The rows of a table as runs: those that finished, with a column for each metric."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoneout_lab.errors import InputRefusedError, UsageError, unknown
from zoneout_lab.results.elsewhere import names
from zoneout_lab.results.elsewhere.columns import Codes, Floats, labels, numbers, row_of
from zoneout_lab.results.elsewhere.files import chosen, read_table
from zoneout_lab.results.legible import legible
from zoneout_lab.stats.scales import are_whole
from zoneout_lab.stats.signflip import slack_of

if TYPE_CHECKING:
    import pandas as pd

    from zoneout_lab.metrics import Metric

#: what Weights & Biases calls the columns of its table of runs, that of how they ended, and how they can end
_WANDB = {"Name", "State", "Created", "Runtime"}
_WANDB_STATE, _WANDB_FINISHED = "State", "finished"
_WANDB_STATES = frozenset({"finished", "running", "crashed", "failed", "killed", "pending", "preempted", "preempting"})
_FINISHED = frozenset({"finished", "complete", "completed", "success", "succeeded", "done"})


def rows_of(
    table: Any,
    arm: str,
    by: list[str],
    metrics: names.Metrics | None,
    long: tuple[str, str] | None,
    state: str | None,
    name: str,
    *,
    whole: bool = False,
) -> tuple[pd.DataFrame, str, str, str | None]:
    """The columns that are needed, or the ``whole`` table, what it is called, the SHA-256 of its file, and the column of states."""
    import pandas as pd

    def wanted(columns: tuple[str, ...]) -> list[str]:
        if arm in columns and (lacking := [each for each in by if each not in columns]):
            error = unknown("column", lacking[0], map(legible, columns))
            raise UsageError(
                f"{error} Runs are paired by it: name another with seed= (--seed NAME), or compare arms without pairs, paired=False (--unpaired)."
            )
        if metrics is None and long is None:
            return list(columns)
        some = list(long) if long else list(names.described(metrics or ()))
        twice = {each: n for each, n in Counter([arm, *by, *some]).items() if n > 1}
        if twice:
            raise UsageError(f"The column {legible(next(iter(twice)))!r} is named for two things.")
        counts = Counter(columns)
        more = [each for each in counts if counts[each] == 1] if whole else []
        named = [arm, *by, *some, *([ended] if (ended := state or _wandb_state(columns)) else [])]
        return list(dict.fromkeys(named + more))

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
    if state is None and ended is not None:
        taken = {arm, *by, *(long or ()), *([] if metrics is None else names.described(metrics))}
        states = set(_states(frame[ended]))
        of_wandb = set(columns) >= _WANDB and states <= _WANDB_STATES
        ended = ended if ended not in taken and (of_wandb or _WANDB_FINISHED in states) else None
    return frame, found, digest, ended


def _states(column: pd.Series) -> pd.Series:
    """How runs ended, in small letters; empty where that is not said."""
    return column.astype(object).where(column.notna(), "").astype(str).str.strip().str.lower()


def _wandb_state(columns: tuple[str, ...]) -> str | None:
    """The column that can be that of Weights & Biases: which columns are exported is chosen there, and its states decide."""
    return _WANDB_STATE if columns.count(_WANDB_STATE) == 1 else None


def finished(frame: pd.DataFrame, state: str | None, notes: list[str]) -> pd.DataFrame:
    """The rows of runs that finished, with the numbers they have in the table; how many others there are is noted."""
    if state is None:
        return frame
    ended = _states(frame[state])
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
    *,
    average: bool = False,
) -> tuple[pd.DataFrame, list[str]]:
    """A table with one metric in each row as one with a column for each. A run has the number of the first of its rows; several values of a metric are
    averaged, or refused."""
    import pandas as pd

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
    # by their labels: a seed may be a number in one row and a text in another
    apart: list[Any] = [labels(frame[key], legible(key), paired_by=key != arm)[0] for key in keys]
    if not by:  # nothing tells runs apart, and each metric is compared by itself
        apart.append(pd.DataFrame({0: apart[0], 1: codes}).groupby([0, 1]).cumcount().to_numpy())
    run: Codes = (
        pd.DataFrame(dict(enumerate(apart)))
        .groupby(list(range(len(apart))), sort=False)
        .ngroup()
        .to_numpy()
        .astype(np.intp)
    )
    first = frame[keys].iloc[np.unique(run, return_index=True)[1]].copy()
    for each in wanted:
        rows = np.flatnonzero(codes == texts.index(each))
        where = run[rows]
        counts = np.bincount(where, minlength=len(first))
        if counts.max() > 1 and not average:
            those = rows[where == counts.argmax()]
            called = ", ".join(f"{legible(key)} {legible(frame[key].iloc[those[0]])}" for key in keys)
            raise InputRefusedError(
                f"{legible(each)} has {len(those)} values for {called}: rows {row_of(frame, those[0])} and {row_of(frame, those[1])}. A run has one: name "
                "the columns that tell them apart as a block, leave out copies, or average them."
            )
        parsed, infinite = numbers(frame[value].iloc[rows], each)
        notes += missing(infinite, each)
        first[each] = mean_of(parsed, where, len(first))
        if counts.max() > 1:
            notes.append(averaged(counts, each))
    return first, wanted


def mean_of(values: Floats, place: Codes, size: int) -> Floats:
    """The mean of the values at each of ``size`` places: NaN where there is none, or one of them is missing."""
    counts = np.bincount(place, minlength=size)
    with np.errstate(invalid="ignore", divide="ignore"):
        out: Floats = np.where(counts == 1, np.nan, np.bincount(place, weights=values, minlength=size) / counts)
    once = counts[place] == 1
    out[place[once]] = values[once]  # as it was given, to the last bit
    return out


def averaged(counts: Codes, metric: str = "") -> str:
    """What is said of values that are means of so many rows, where there are any."""
    low, high = int(counts[counts > 0].min()), int(counts.max())
    of = f" of {legible(metric)}" if metric else ""
    return f"Each value{of} is the mean of {low if low == high else f'{low} to {high}'} rows."


def copies(frame: pd.DataFrame, those: Sequence[str], *, refuse: bool) -> list[str]:
    """What is said of rows that are alike in every column, ``those`` among them. Raises InputRefusedError where that cannot be by chance."""
    some = frame[list(dict.fromkeys(those))]
    try:
        alike = np.flatnonzero(some.duplicated(keep=False))
    except TypeError:  # lists, mappings
        alike = np.flatnonzero(some.astype(str).duplicated(keep=False))
    texts = frame.iloc[alike].astype(str)
    again = np.flatnonzero(texts.duplicated())
    if not len(again):
        return []
    n, second = len(again), int(again[0])
    if not refuse:
        return [
            f"{n:,} row{'s are' if n > 1 else ' is'} alike in every column with one before: what is a copy counts twice."
        ]
    first = int(np.flatnonzero((texts == texts.iloc[second]).all(axis=1))[0])
    more = f", and there are {n - 1:,} more such rows" if n > 1 else ""
    raise InputRefusedError(
        f"Rows {row_of(texts, first)} and {row_of(texts, second)} are alike in every column{more}: copies would count as runs. Leave them out."
    )


def missing(infinite: int, column: str) -> list[str]:
    """What is said of values that are infinite, where there are some."""
    if not infinite:
        return []
    one = infinite == 1
    return [
        f"{infinite:,} value{'s' * (not one)} of {legible(column)} {'is' if one else 'are'} infinite and count{'s' * one} as missing."
    ]


def rounded(values: Floats, column: str) -> list[str]:
    """What is said of values so close to each other, for their size, that rounding may make the difference."""
    some = values[np.isfinite(values)]
    largest = float(np.abs(some).max(initial=0.0))
    if not some.size or are_whole(some) or not 0 < float(some.max() / 2 - some.min() / 2) < 2.0**-41 * largest:
        return []
    least = float(slack_of(np.zeros(1), np.array([largest]))[0])
    return [
        f"The values of {legible(column)} agree to 12 digits: what differs by less than {least:.2g} counts as rounding."
    ]


def in_another_unit(values: Floats, column: str, about: Metric) -> list[str]:
    """What is said of fractions that are called percentages, and of percentages that are called fractions: of all of them, or they may be what they are called."""
    some = values[np.isfinite(values)]
    if not some.any():
        return []
    if about.unit == "%" and some.min() >= 0 and some.max() <= 1:
        return [
            f"{legible(column)} is said to be in %, and all its values lie between 0 and 1: {some[0]:.4g} is shown as {some[0]:.4g}%. If they are fractions, their unit is 1."
        ]
    if about.unit == "1" and some.min() > 1 and not about.counts:
        return [
            f"{legible(column)} is said to be a fraction, unit 1, and all its values are above 1: {some[0]:.4g} is shown as {100 * some[0]:.4g}%. If they are percentages, "
            "their unit is %; if neither, they have none."
        ]
    return []


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
