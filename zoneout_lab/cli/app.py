"""The commands. Each says what it does in its help, does it with the study and results layers, and shows what came of it."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from zoneout_lab.cli import options as o
from zoneout_lab.cli.console import output
from zoneout_lab.cli.flags import Command, Group
from zoneout_lab.cli.judge_command import judge
from zoneout_lab.cli.summary import show_behind, show_over_tasks, show_summary

app = typer.Typer(
    name="zoneout-lab",
    cls=Group,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
RUNS = Path("runs")


def _version(wanted: bool) -> None:
    if wanted:
        output.print(metadata.version("zoneout-lab"), highlight=False)
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Ablation studies of recurrent-network regularization: run them, get a verdict, read the report."""


@app.command("list")
def list_studies(as_json: o.AsJson = False) -> None:
    """The studies that come with the package, by the claims of the paper that they test, and the tasks with their presets."""
    from zoneout_lab.cli.catalogue import show_catalogue

    show_catalogue(as_json=as_json)


@app.command()
def plan(
    study: o.StudyName,
    task: o.TaskName = None,
    preset: o.Preset = None,
    seeds: o.SeedCount = None,
    seed: o.SeedValue = None,
    change: o.Change = None,
    data: o.Data = None,
    out: o.Out = RUNS,
    device: o.Device = "cpu",
    workers: o.Workers = None,
    force: o.Force = False,
    as_json: o.AsJson = False,
) -> None:
    """What a study would run, how long it would take and whether it can answer. Writes no results; of a training function it tries the first epochs."""
    from zoneout_lab.cli.plan import show_plan, show_plans

    chosen, declared, words, _ = o.chosen_study(study, task, preset, seeds, seed, change)
    if chosen.tasks:
        parts = o.parts_of(chosen, declared, words)
        show_plans(chosen, parts, data=data, out=out, device=device, workers=workers, force=force, as_json=as_json)
        return
    with chosen.code.in_use():
        show_plan(chosen, data=data, out=out, device=device, workers=workers, force=force, as_json=as_json)


@app.command()
def power(
    study: o.StudyName,
    pilot: Annotated[
        Path | None, typer.Option(help="Results of the same arms: a folder, or its study.nc. Default: sizes in sd.")
    ] = None,
    task: o.TaskName = None,
    preset: o.Preset = None,
    seeds: o.SeedCount = None,
    as_json: o.AsJson = False,
) -> None:
    """What a study's seeds can be expected to show, by simulating the test that will be used. Runs nothing."""
    from zoneout_lab.cli.power import show_power

    chosen, _, _, _ = o.chosen_study(study, task, preset, seeds, None, None)
    show_power(chosen, pilot=pilot, as_json=as_json)


@app.command()
def run(
    study: o.StudyName,
    task: o.TaskName = None,
    preset: o.Preset = None,
    seeds: o.SeedCount = None,
    seed: o.SeedValue = None,
    change: o.Change = None,
    data: o.Data = None,
    out: o.Out = RUNS,
    device: o.Device = "cpu",
    workers: o.Workers = None,
    scheduler: o.Scheduler = None,
    storage: Annotated[str | None, typer.Option(help="Optuna database URL. Default: SQLite in --out.")] = None,
    tracking: Annotated[
        str | None, typer.Option(help="MLflow tracking URI. Default: $MLFLOW_TRACKING_URI, or SQLite in --out.")
    ] = None,
    no_tracking: Annotated[bool, typer.Option("--no-tracking", help="Leave MLflow out.")] = False,
    checkpoint_every: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Time between two checkpoints of what is being trained.")
    ] = 300,
    force: o.Force = False,
) -> None:
    """Run what is missing of a study and write its report. The same command again does what is still missing."""
    from zoneout_lab.cli.progress import watching
    from zoneout_lab.study import provenance
    from zoneout_lab.study.cluster_connection import check_scheduler
    from zoneout_lab.study.device import check_device, why_missing
    from zoneout_lab.study.on_task import label_of
    from zoneout_lab.study.run_tasks import run_tasks

    chosen, declared, words, flags = o.chosen_study(study, task, preset, seeds, seed, change)
    if scheduler is None:
        check_device(device)
    else:
        why_missing(device)  # the device is a worker's; its name is checked
        check_scheduler(scheduler)
    command = provenance.command(study, flags + o.again(data, out, RUNS, device, force=force))
    parts = o.parts_of(chosen, declared, words, command)
    tasks = iter(part.study.task for part in parts)
    summaries, page = run_tasks(
        chosen,
        parts,
        out=out,
        data=data,
        force=force,
        watch=lambda each: watching(each.objective.metric.removeprefix("valid_")),
        after=lambda summary: show_summary(summary, label_of(next(tasks)) if len(parts) > 1 else ""),
        device=device,
        workers=workers,
        scheduler=scheduler,
        storage=storage,
        tracking=None if no_tracking else tracking or "default",
        checkpoint_every=checkpoint_every,
    )
    if page is not None:
        show_over_tasks([summary.folder for summary in summaries])
        output.print(f"Over all tasks: {page}", highlight=False, soft_wrap=True, markup=False)
    behind = list(dict.fromkeys(mirror for summary in summaries for mirror in summary.behind))
    if behind:
        show_behind(behind)
    if any(summary.failed for summary in summaries):
        raise typer.Exit(3)
    if behind:
        raise typer.Exit(6)


@app.command()
def status(
    folder: Annotated[
        Path, typer.Argument(metavar="[FOLDER]", help="A study's results folder, or the folder of all of them.")
    ] = RUNS,
    as_json: o.AsJson = False,
) -> None:
    """How far studies have come: runs done, missing, diverged."""
    from zoneout_lab.cli.status import show_status

    show_status(folder, as_json=as_json)


@app.command()
def verify(
    folder: o.Folder,
    repair: Annotated[
        bool, typer.Option("--repair", help="Rebuild what can be derived, and move aside what is to be trained again.")
    ] = False,
    storage: Annotated[
        str | None, typer.Option(help="Optuna database URL. Default: optuna.db beside the folder, where there is one.")
    ] = None,
    tracking: Annotated[
        str | None, typer.Option(help="MLflow tracking URI. Default: mlflow.db beside the folder, where there is one.")
    ] = None,
    as_json: o.AsJson = False,
) -> None:
    """Check every file of a study, and Optuna's and MLflow's copies of it, against what was written."""
    from zoneout_lab.cli.verify import show_verified

    show_verified(folder, mend=repair, storage=storage, tracking=tracking, as_json=as_json)


@app.command()
def compare(
    folder: o.Results,
    arm: Annotated[str, typer.Argument(metavar="ARM", help="The arm that something is claimed of.")],
    against: Annotated[str, typer.Argument(metavar="AGAINST", help="The arm it is compared with.")],
    metric: Annotated[
        str, typer.Option(help="What they are compared on: valid_score, test_score, a measure's scalar.")
    ],
    direction: Annotated[
        str | None,
        typer.Option(help="The claim: lower, higher, same, 'not lower' or 'not higher'. Default: the arm is better."),
    ] = None,
    margin: Annotated[
        float, typer.Option(help="By more than this, or within it: in the metric's unit, or a factor.")
    ] = 0.0,
    scale: Annotated[
        str | None, typer.Option(help="linear, log or logit. Default: the metric's own; a margin needs it named.")
    ] = None,
    as_json: o.AsJson = False,
) -> None:
    """Compare two arms of a study, paired by seed: the difference, its interval, p and the verdict.

    Exploratory: one comparison, not corrected for others. The declared hypotheses are judged in the report.
    """
    from zoneout_lab.cli.compare import show_comparison

    show_comparison(
        folder, arm, against, metric=metric, direction=direction, margin=margin, scale=scale, as_json=as_json
    )


@app.command("open")
def open_report(folder: o.Results) -> None:
    """Open a study's report in the browser, and print where it is."""
    from zoneout_lab.cli.open import show_in_browser

    show_in_browser(folder)


@app.command()
def export(
    folder: o.Folder,
    to: Annotated[Path | None, typer.Option(help="The file to write. Default: study.nc in the folder.")] = None,
) -> None:
    """Write all of a study's results as one netCDF file that plain xarray opens."""
    from zoneout_lab import schema
    from zoneout_lab.results.open import EXPORT, MANIFEST, open_runs
    from zoneout_lab.results.targets import check_export_target, refuse_to_replace

    own = (folder if folder.is_dir() else folder.parent) / EXPORT
    target = to or own
    refuse_to_replace([folder], [target], made_again=[EXPORT] if (folder / MANIFEST).is_file() else [])
    tree = open_runs(folder)
    if target != own:
        check_export_target(target, tree)
    schema.write_tree(tree, target)
    output.print(str(target), highlight=False, soft_wrap=True, markup=False)


@app.command()
def report(
    folder: o.Folder,
    other: Annotated[
        Path | None,
        typer.Argument(metavar="[FOLDER2]", help="Other results of the same study, to be set beside the first."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(help="The file to write. Default: report.html in the folder; for two, side_by_side.html here."),
    ] = None,
) -> None:
    """Write a study's HTML report again from its files; of two results of a study, one page that sets them beside each other."""
    from zoneout_lab.report import write_report, write_side_by_side
    from zoneout_lab.results.targets import refuse_to_replace

    alone = (folder if folder.is_dir() else folder.parent) / "report.html"
    target = to or (alone if other is None else Path("side_by_side.html"))
    refuse_to_replace([folder] if other is None else [folder, other], [target])
    written = write_report(folder, target) if other is None else write_side_by_side(folder, other, target)
    output.print(str(written), highlight=False, soft_wrap=True, markup=False)


app.command()(judge)


@app.command()
def index(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDER...", help="Results folders, study.nc files, or folders of results folders."),
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            help="The file to write. Default: index.html in the folder of them, where just one is named; else here."
        ),
    ] = None,
) -> None:
    """Write one HTML page over several studies: each claim of the paper with the verdicts on it, and every study.

    What cannot be read is named and left out, and the exit code then is 4 where something is damaged, else 5.
    """
    from zoneout_lab.cli.index import write

    write(folders, to)


@app.command("across")
def across_tasks(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER FOLDER…", help="Results of one study on each task.")],
    to: Annotated[Path, typer.Option(help="The page to write.")] = Path("across.html"),
) -> None:
    """The verdicts of one study over several tasks, from its results on each, and a page about them."""
    from zoneout_lab.report import write_across
    from zoneout_lab.results.targets import refuse_to_replace

    refuse_to_replace(folders, [to])
    show_over_tasks(folders)
    output.print(str(write_across(folders, to)), highlight=False, soft_wrap=True, markup=False)


@app.command()
def new(
    kind: Annotated[
        o.Kind, typer.Argument(metavar="KIND", help="study, function, regularizer, cell, task or measure.")
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, such as half_zoneout; the file is NAME.py.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write the file to.")] = Path(),
) -> None:
    """Write a working, commented file to start a study or a part of your own from. Nothing is overwritten."""
    from zoneout_lab.cli.new import write_new

    write_new(kind, name, out)


@app.command()
def parts(
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="A Python file, or a study, whose own parts are listed too.")
    ] = None,
    as_json: o.AsJson = False,
) -> None:
    """List every regularizer, cell, task and measure: your own and built in."""
    from zoneout_lab.cli.parts import show_parts

    show_parts(file, as_json=as_json)


@app.command()
def bench(
    cases: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CASE", help="small, pmnist, char_ptb, text8, replicas. Default: those that take minutes."
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every case; on a CPU text8 takes long.")] = False,
    cell: Annotated[str, typer.Option(help="lstm, gru or rnn_tanh.")] = "lstm",
    device: o.Device = "cpu",
    rounds: Annotated[int, typer.Option(min=2, help="How often each peer is timed.")] = 10,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of torch. Default: torch's own choice.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a figure too: a .png or .svg file.")] = None,
    as_json: o.AsJson = False,
) -> None:
    """How long a training step takes: zl.LSTM with zoneout, nn.LSTM without (the ceiling), and the loops people write.

    Every peer goes forward and backward in each round; a ratio is the median, with quartiles, of those within a round.

    Floor: the matrix products alone, at the rate of a large square product (bf16 on a GPU) in the same rounds.
    """
    from zoneout_lab.bench import Setup
    from zoneout_lab.cli.bench import show_bench

    setup = Setup(cell=cell, device=device, rounds=rounds)
    show_bench(cases or [], everything=everything, setup=setup, threads=threads, plot=plot, as_json=as_json)


@app.command()
def doctor(data: o.Data = None, as_json: o.AsJson = False) -> None:
    """What this machine has: versions, processor and GPU, memory, engine, data."""
    from zoneout_lab.cli.doctor import show_doctor

    show_doctor(data, as_json=as_json)


for command in app.registered_commands:
    command.cls = Command
