"""The calibration's README: what the tables show, quoted from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.calibration.draws import Row


def page(tables: Mapping[str, Sequence[Row]], about: Mapping[str, Any]) -> str:
    """The whole page in Markdown."""
    every = [(name, row) for name, rows in tables.items() for row in rows]
    promised = [(name, row) for name, row in every if "above" in row]
    above = [(name, row) for name, row in promised if row["above"]]
    below = [(name, row) for name, row in every if row.get("below")]
    expected = 0.005 * len(promised)
    parts = [
        "# Calibration of the statistics",
        "",
        "How often the routines of `zoneout_lab/stats` are wrong where the truth is known, by simulation. Each rate has its 99% Clopper–Pearson interval. "
        f"Made by `python -m analysis.calibration --simulations {about['simulations']}` in {about['minutes']:g} minutes on one core ({about['machine']}, Python {about['python']}, NumPy {about['numpy']}, "
        f"SciPy {about['scipy']}); the same command gives the same numbers. Every table is here as CSV.",
        "",
        f"**{len(promised)} rates are promised to be at most a nominal level. The intervals of {len(above)} lie wholly above it** "
        f"(chance alone would put about {expected:.0f} there if every rate were exactly nominal).",
        *[f"- `{name}`: {_said(row)}" for name, row in above],
        *([f"Intervals that cover less than promised: {len(below)}.", *[f"- `{name}`: {_said(row)}" for name, row in below]] if below else ["No interval covers less than it promises."]),
        "",
        *_errors(tables["errors"]),
        *_coverage(tables["coverage"]),
        *_section(
            "Several hypotheses", tables["familywise"], ("correction", "differences", "n"),
            "Chance of any verdict among five hypotheses, all null, with a shared baseline (correlation .5). Lognormal differences are outside what is promised.",
        ),
        *_section(
            "Power with a shared baseline", tables["power"], ("correction", "n", "m", "mean power"),
            "All hypotheses have d_z = 1 (mean power) or none has an effect (rate: familywise error). Normal differences, correlation .5.",
        ),
        *_section(
            "What `zoneout-lab power` promises", tables["promises"], ("n", "m", "d_z", "promised"),
            "The promised power against the rate on fresh samples. Beyond ten seeds it is simulated with fewer flips and slightly understated.",
        ),
        *_boundaries(tables["boundaries"]),
        *_section(
            "Claims of absence", tables["equivalence"], ("claim", "n", "effect", "what"),
            "The margin is one sd. Power: no true difference. Error: the true difference equals the margin.",
        ),
        *_section(
            "Looking more than once", tables["looks"], ("looks", "m", "spending"),
            "Chance of any verdict over all looks, all hypotheses null.",
        ),
        *_section(
            "`decide_at_looks` itself", tables["looks_themselves"], ("looks", "m", "true", "spending"),
            "Chance of a verdict on a null hypothesis; `true` of the m hypotheses have d_z = 1.5.",
        ),
        *_section(
            "Runs that diverge", tables["divergence"], ("lost", "n", "judged by"),
            "Each of the baseline's worst runs is lost with this probability, none of the arm's. The rate is how often the arm is judged worse, which it is not.",
        ),
        *_section(
            "Cautions", tables["cautions"], ("arms", "n", "of", "skew", "outlier", "spread"),
            "How often a caution is given. 'False verdicts' are those that lognormal values of mean zero give against a tame baseline.",
        ),
    ]  # fmt: skip
    if "profiles" in tables:
        names = [name for name in tables["profiles"][0] if name not in _RATE]
        text = "Differences of smooth curves of 100 timesteps. Here `rate` has a 95% Wilson interval; a share has a mean only."
        parts += _section("Profiles over time", tables["profiles"], names, text)
    for name, heads, title, about_it in _TASKS:
        if name in tables:
            parts += _section(title, tables[name], heads, about_it)
    return "\n".join(parts).rstrip() + "\n"


_TASKS = (
    (
        "tasks", ("differences", "tasks", "n", "m"), "Several tasks",
        "Chance of any verdict over all tasks where no arm differs on any of them; n seeds on each, m hypotheses with a shared baseline, one task's differences a thousand "
        "times another's. Lognormal differences of mean zero are outside what is promised; skews of one kind add up over tasks.",
    ),
    (
        "tasks_opposed", ("effect", "n"), "Two tasks that disagree",
        "A difference of so many sd on one task, and the same the other way round on the other: none on average.",
    ),
    (
        "tasks_power", ("test", "tasks", "n"), "Power over several tasks",
        "One hypothesis, a difference of one sd on each task, spreads as above.",
    ),
)  # fmt: skip

_RATE = ("rate", "low", "high", "simulations", "nominal", "above", "below")


def _said(row: Row) -> str:
    what = ", ".join(f"{name} {value}" for name, value in row.items() if name not in _RATE)
    return f"{what}: {_rate(row)}"


def _rate(row: Row) -> str:
    interval = f" ({row['low']:.3f}–{row['high']:.3f})" if math.isfinite(row["low"]) else ""
    return f"{row['rate']:.3f}{interval}"


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    lines = ["| " + " | ".join(str(cell) for cell in row) + " |" for row in (head, *rows)]
    return [lines[0], "|" + "---|" * len(head), *lines[1:], ""]


def _section(title: str, rows: Sequence[Row], names: Sequence[str], text: str) -> list[str]:
    cells = [[row.get(name, "") for name in names] + ([_rate(row)] if "rate" in row else []) for row in rows]
    return [
        f"## {title}",
        "",
        *([text, ""] if text else []),
        *_table([*names, "rate (interval)"][: len(cells[0])], cells),
    ]


def _by_seeds(rows: Sequence[Row], first: str) -> list[str]:
    seeds = sorted({row["n"] for row in rows})
    kinds = list(dict.fromkeys((row[first], row["differences"]) for row in rows))
    found = {(row[first], row["differences"], row["n"]): row for row in rows}
    cells = [[*kind, *(_rate(found[(*kind, n)]) for n in seeds)] for kind in kinds]
    return _table([first, "differences", *(f"n = {n}" for n in seeds)], cells)


def _errors(rows: Sequence[Row]) -> list[str]:
    text = (
        "How often a difference is found at .05 where there is none. With five seeds the sign-flip test finds nothing at all. The promise of the sign-flip test is for "
        "symmetric differences, that of the sign test for the median of any."
    )
    return ["## One comparison", "", text, "", *_by_seeds(rows, "test")]


def _coverage(rows: Sequence[Row]) -> list[str]:
    text = "How often 95% intervals hold the centre (for lognormal differences the mean, and for `median` the median). Infinite intervals count as holding it."
    return ["## Intervals", "", text, "", *_by_seeds(rows, "interval")]


def _boundaries(rows: Sequence[Row]) -> list[str]:
    text = (
        "Effects a hair's breadth inside or outside ±margin, where one verdict is right and its neighbour wrong: the chance of any wrong verdict in the family. "
        f"The highest rate of the {len(rows)} settings, by claims and correction; all of them are in `boundaries.csv`."
    )
    worst: dict[tuple[str, str, int], Row] = {}
    for row in rows:
        key = (row["claims"], row["correction"], row["m"])
        if key not in worst or row["rate"] > worst[key]["rate"]:
            worst[key] = row
    cells = [
        [*key, row["n"], row["correlation"], row["differences"], row["margin"], row["effects"], _rate(row)]
        for key, row in worst.items()
    ]
    head = ["claims", "correction", "m", "n", "correlation", "differences", "margin (sd)", "effects", "highest rate"]
    return ["## On the boundaries of the margins", "", text, "", *_table(head, cells)]
