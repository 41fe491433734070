"""A table of anybody's runs as results: checked, paired and described, in the form that a study's have."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import numpy.typing as npt
import xarray as xr

from zoneout_lab import schema, stats
from zoneout_lab.descriptions import describe
from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.metrics import described as listed
from zoneout_lab.results.elsewhere import claims, names
from zoneout_lab.results.elsewhere.arguments import check_kinds, pair_columns, paired_columns
from zoneout_lab.results.elsewhere.called import arm_named, called
from zoneout_lab.results.elsewhere.columns import Codes, Floats, numbers, row_of
from zoneout_lab.results.elsewhere.columns import labels as labelled
from zoneout_lab.results.elsewhere.pairs import Paired, paired_by
from zoneout_lab.results.elsewhere.runs import (
    averaged,
    copies,
    finished,
    in_another_unit,
    mean_of,
    missing,
    numeric,
    rounded,
    rows_of,
    wide,
)
from zoneout_lab.results.legible import legible
from zoneout_lab.results.readable import readable
from zoneout_lab.stats.signflip import check_alpha

if TYPE_CHECKING:
    import pandas as pd

    from zoneout_lab.metrics import Metric

MOST_ARMS = 1000
MOST_CELLS = 20_000_000  # arms × pairs × metrics
#: beyond, the flips of a family are not made jointly: they would take minutes
MOST_JOINT = 2000


def results_from(
    table: pd.DataFrame | str | Path,
    *,
    arm: str = "arm",
    seed: str | None = "seed",
    block: str | Sequence[str] = (),
    metrics: names.Metrics | None = None,
    long: tuple[str, str] | None = None,
    state: str | None = None,
    average: bool = False,
    paired: bool = True,
    baseline: object = None,
    labels: Mapping[Any, str] | None = None,
    hypotheses: Sequence[Any] = (),
    alpha: float = 0.05,
    family: stats.Family | None = None,
    title: str = "",
    source: dict[str, Any] | None = None,
) -> xr.DataTree:
    """Results that were made elsewhere, in the form that a study's have: compared, judged, reported and exported like them.

    Each row of the table is one run of one arm. Runs of two arms are paired by their seed, or by a ``block`` of several columns: every distinct
    combination is one pair. Pairs that share the first column of a block (folds of one dataset) may agree with each other; every comparison
    then says what p becomes when whole groups are flipped, too.

    A missing or infinite value is no value, and its pair is said to be lost. Where ``hypotheses`` are given, they count as declared for this judgement; with
    only a ``baseline``, every arm is compared with it on each metric of which one way is better, and all of that is marked exploratory.

    Args:
        table: a pandas DataFrame, or the path of a .csv, .tsv, .jsonl or .parquet file.
        arm: the column that says which method, setting or condition a run is of.
        seed: the column that runs are paired by.
        block: columns that runs are paired by together, instead of ``seed``.
        metrics: column → :class:`zoneout_lab.Metric`, or ``"higher"`` or ``"lower"``, whichever is better; or just names. By default every other
            column that holds numbers.
        long: the columns that hold a metric's name and its value, where each row has one metric.
        state: the column that says how a run ended. Runs that did not finish are left out, which is said.
        average: average the rows of one arm and pair, folds for example, instead of refusing them.
        paired: False for a test of two independent samples.
        baseline: the arm that others are compared with.
        labels: arm → what it is called in sentences, tables and the report; by default as in the table.
        hypotheses: values of :class:`zoneout_lab.Hypothesis`, or mappings with its fields.
        alpha: the chance of any wrong verdict, over all hypotheses together.
        family: how they are corrected, ``joint`` or ``holm``; by default jointly where runs are paired.
        title: what the report is called.
        source: what is recorded of where the table is from, beside what is known.

    Raises:
        InputRefusedError: the file cannot be read, a cell is not what it should be, a pair has two rows of one arm. Nothing is written.
        UsageError: a column, arm or metric that is not there.

    >>> import pandas as pd, zoneout_lab as zl
    >>> table = pd.DataFrame(
    ...     {
    ...         "method": ["plain", "new"] * 6,
    ...         "seed": [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5],
    ...         "accuracy": [80.1, 81.0, 79.5, 81.2, 80.3, 80.9, 80.0, 81.5, 79.9, 80.2, 80.4, 81.1],
    ...     }
    ... )
    >>> about = {"accuracy": zl.Metric("test accuracy", unit="%", better="higher")}
    >>> results = zl.results_from(table, arm="method", metrics=about, baseline="plain")
    >>> print(zl.judge(results)[0].comparison.verdict)
    supported
    """
    by = paired_columns(arm, seed, block, average=average, paired=paired)
    check_alpha(alpha)
    check_kinds(long, state, hypotheses, title)
    if family not in (None, *get_args(stats.Family)):
        raise UsageError(f"family is one of {', '.join(get_args(stats.Family))}; got {family!r}.")
    if not paired and family == "joint":
        raise UsageError(
            "Hypotheses about runs that are not paired are corrected by Holm: there are no pairs to flip jointly."
        )
    told: dict[str, Any] = {"rows": 0, "notes": []} | (source or {})
    notes: list[str] = told["notes"]
    # copies count twice where rows are averaged, or nothing has to tell them apart
    whole = average or not paired
    frame, told["name"], digest, state = rows_of(
        table, arm, by, metrics, long, state, told.get("name", ""), whole=whole
    )
    if digest:
        told["sha256"] = digest
    told["rows"] = len(frame)
    frame = finished(frame, state, notes)
    if block and seed not in (None, "seed", *by):
        notes.append(
            f"{legible(seed)}, given as the seed, is not looked at: runs are told apart by the block, {' × '.join(map(legible, pair_columns(seed, block)))}."
        )
    apart = pair_columns(seed, block)
    if whole:
        refuse = not average and bool(apart) and set(apart) <= set(frame)
        own = long if long is not None else frame.columns if metrics is None else names.described(metrics)
        notes += copies(frame, [arm, *own], refuse=refuse)
    if long is not None:
        frame, found = wide(frame, arm, by, long, metrics, notes, average=average)
        metrics = found if metrics is None else metrics
    described = names.described(numeric(frame, {arm, *apart, state}, notes) if metrics is None else metrics)
    stored = names.stored(list(described))
    notes += [f"{legible(c)} is called {name} here." for c, name in stored.items() if c != name]

    codes, arms = labelled(frame[arm], "arm")
    if len(arms) > MOST_ARMS:
        raise InputRefusedError(
            f"{legible(arm)} has {len(arms):,} different values, and up to {MOST_ARMS:,} arms are compared. Is it the column of arms?"
        )
    pairs = paired_by(frame, by) if by else _numbered(codes)
    if len(arms) * len(pairs.seeds) * len(stored) > MOST_CELLS:
        raise InputRefusedError(
            f"{len(arms):,} arms, {len(pairs.seeds):,} pairs and {len(stored)} metrics are more than the {MOST_CELLS:,} cells that are held. Is what "
            "runs are paired by the same for all arms?"
        )
    cell = codes * len(pairs.seeds) + pairs.place
    values = {}
    for column, name in stored.items():
        values[name], infinite = numbers(frame[column], column)
        notes += missing(infinite, column) + rounded(values[name], column)
        notes += in_another_unit(values[name], column, described[column])
    if not by or not average:
        _refuse_twice(cell, arms, pairs, frame)
    elif len(np.unique(cell)) < len(cell):
        notes.append(averaged(np.bincount(cell)))
    shape = len(arms), len(pairs.seeds)
    grids = {name: mean_of(each, cell, shape[0] * shape[1]).reshape(shape) for name, each in values.items()}
    alone = [
        f"{legible(a)} has one run"
        for a, n in zip(arms, np.bincount(codes, minlength=len(arms)), strict=True)
        if n == 1
    ]
    notes += (
        [
            f"{'; '.join(alone[:5])}{f'; and so do {len(alone) - 5} other arms' if len(alone) > 6 else '; and so does another' if len(alone) > 5 else ''}: no verdict rests on one."
        ]
        if alone
        else []
    )

    named, names_of = _arm(baseline, arms), called(labels, arms)
    about = {stored[column]: each for column, each in described.items()}
    if hypotheses:
        declared = claims.checked(hypotheses, names_of, described, stored)
    elif named:
        declared = claims.everything(names_of, named, described, stored)
        notes += _without_side(described)
    else:
        declared = []
    joint = paired and len(pairs.seeds) <= MOST_JOINT
    study: dict[str, Any] = {
        "name": _slug(title or told["name"]),
        "title": legible(title or f"Results of {told['name']}"),
        "arms": [{"name": each, "label": names_of[each]} for each in arms],
        "hypotheses": declared,
        "alpha": alpha,
        "family": family or ("joint" if joint else "holm"),
        "metrics": listed(about),
        "standing": "judging" if hypotheses else "exploratory",
        "paired": paired,
    }
    if named:
        study["baseline"] = named
    if pairs.texts and paired:
        study["blocks"] = [legible(column) for column in by]
    told |= {"arm": arm, "pairs": by, "columns": {name: column for column, name in stored.items()}}
    return _tree(grids, arms, pairs, about, {"study": study, "source": told})


def _numbered(codes: Codes) -> Paired:
    """Runs that nothing tells apart, numbered within their arm."""
    place = np.empty(len(codes), dtype=np.intp)
    for code in np.unique(codes):
        at = np.flatnonzero(codes == code)
        place[at] = np.arange(len(at))
    return Paired(place, np.arange(int(place.max()) + 1, dtype=np.int64))


def _refuse_twice(cell: npt.NDArray[np.intp], arms: list[str], pairs: Paired, frame: pd.DataFrame) -> None:
    order = np.argsort(cell, kind="stable")
    again = np.flatnonzero(np.diff(cell[order]) == 0)
    if not len(again):
        return
    first, second = sorted(int(row) for row in order[again[0] : again[0] + 2])
    arm, place = divmod(int(cell[first]), len(pairs.seeds))
    called = pairs.texts[place] if pairs.texts else f"seed {pairs.seeds[place]}"
    copies = frame.iloc[first].astype(str).equals(frame.iloc[second].astype(str))
    why = " They are copies of each other." if copies else ""
    more = f", and there are {len(again) - 1:,} more such rows" if len(again) > 1 else ""
    raise InputRefusedError(
        f"{legible(arms[arm])} has two rows at {called}: rows {row_of(frame, first)} and {row_of(frame, second)}{more}.{why} Each pair has one run of an arm: name the columns that "
        "tell them apart as a block, leave out copies, or average them."
    )


def _arm(baseline: object, arms: list[str]) -> str:
    if baseline is None:
        return ""
    name = arm_named(baseline, arms, "baseline")
    if len(arms) < 2:
        raise InputRefusedError(f"{legible(name)} is the only arm: there is nothing to compare it with.")
    return name


def _without_side(described: dict[str, Metric]) -> list[str]:
    those = [legible(column) for column, about in described.items() if not about.better]
    if not those:
        return []
    return [
        f"Not judged, since nothing says which way is better: {', '.join(those[:10])}{' and others' if len(those) > 10 else ''}."
    ]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.rpartition(".")[0].lower() or text.lower()).strip("_")[:64] or "results"


def _tree(
    grids: dict[str, Floats], arms: list[str], pairs: Paired, about: dict[str, Metric], record: dict[str, Any]
) -> xr.DataTree:
    coords: dict[str, Any] = {"arm": arms, "seed": pairs.seeds}
    for name, texts, long_name in (
        ("block", pairs.texts, "what a pair is of"),
        ("group", pairs.groups, "what some pairs share"),
    ):
        if texts:
            coords[name] = ("seed", list(texts), {"long_name": long_name})
    metrics = xr.Dataset({name: (("arm", "seed"), values) for name, values in grids.items()}, coords=coords)
    some = np.zeros((len(arms), len(pairs.seeds)), dtype=bool)
    for values in grids.values():
        some |= np.isfinite(values)
    metrics["status"] = ("arm", "seed"), np.where(some, "finished", "missing").astype(object).astype(str)
    describe(metrics, about)
    provenance = xr.Dataset(coords={"arm": arms, "seed": pairs.seeds}, attrs=schema.encoded(record))
    tree = xr.DataTree.from_dict({"/metrics": metrics, "/provenance": describe(provenance)})
    tree.attrs.update(kind="study", schema=schema.VERSION)
    return readable(tree)
