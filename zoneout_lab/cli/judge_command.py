"""The command ``judge``, with its options: what :mod:`zoneout_lab.cli.judge` is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from zoneout_lab.cli import options as o


def judge(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="A .csv, .tsv, .jsonl or .parquet file, one run in each row; or results; or with --experiment MLflow's tracking URI.",
        ),
    ],
    experiment: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="An experiment of MLflow's, whose --arm and --seed are params.NAME, tags.NAME or run_name.",
        ),
    ] = None,
    baseline: Annotated[str | None, typer.Option(help="The arm that others are compared with.")] = None,
    metric: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="A column of results. May be given again.")
    ] = None,
    better: Annotated[
        list[str] | None, typer.Option(metavar="SIDE", help="higher or lower, for each metric in order.")
    ] = None,
    unit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="UNIT",
            help="% for percentages, 1 for fractions to be shown as such, or any other; for each metric in order.",
        ),
    ] = None,
    arm: Annotated[str, typer.Option(metavar="COLUMN", help="The column that says what a run is of.")] = "arm",
    seed: Annotated[str, typer.Option(metavar="COLUMN", help="The column that runs are paired by.")] = "seed",
    block: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Columns that they are paired by together, the outermost first."),
    ] = None,
    hypotheses: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Claims, as TOML. Without them all is exploratory.")
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="The chance of any wrong verdict over all of them. Default: 0.05.")
    ] = None,
    average: Annotated[bool, typer.Option("--average", help="Average rows of one arm and pair.")] = False,
    unpaired: Annotated[bool, typer.Option("--unpaired", help="Compare arms as independent samples.")] = False,
    names_in: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Names of metrics, where each row has one of them.")
    ] = None,
    values_in: Annotated[str | None, typer.Option(metavar="COLUMN", help="Their values.")] = None,
    state: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="How a run ended; those that did not finish are left out.")
    ] = None,
    title: Annotated[str, typer.Option(help="What the report is called.")] = "",
    report_file: Annotated[Path | None, typer.Option("--report", metavar="FILE", help="Write an HTML report.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the results as netCDF, which report and index read.")
    ] = None,
    as_json: o.AsJson = False,
) -> None:
    """Verdicts on results that were made elsewhere: a table of runs, each with its arm, seed and scores.

    zoneout-lab judge results.csv --arm method --baseline full --metric accuracy --better higher --report report.html
    """
    from zoneout_lab.cli.judge import Asked, show_judged
    from zoneout_lab.errors import UsageError

    if (names_in is None) != (values_in is None):
        raise UsageError(
            "--names-in and --values-in go together: one column has the names of metrics, the other their values."
        )
    asked = Asked(
        experiment=experiment,
        arm=arm,
        seed=seed,
        block=block or (),
        metric=metric or (),
        better=better or (),
        unit=unit or (),
        long=(names_in, values_in) if names_in is not None and values_in is not None else None,
        state=state,
        baseline=baseline,
        hypotheses=hypotheses,
        alpha=alpha,
        average=average,
        unpaired=unpaired,
        title=title,
    )
    show_judged(table, asked, report=report_file, out=out, as_json=as_json)
