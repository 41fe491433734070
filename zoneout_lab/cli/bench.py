"""``bench``: how long a training step takes, ours beside what others would write, as tables, JSON and a plot."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from zoneout_lab.bench import Case, Measured, Setup, Sweep, chosen, measure, timing_process
from zoneout_lab.bench.cases import RATES
from zoneout_lab.bench.peers import LAYER_NAMES, TORCH
from zoneout_lab.bench.rounds import Spread, spread
from zoneout_lab.bench.timing import Say
from zoneout_lab.cli.console import errors, output, print_facts, print_json, redraws
from zoneout_lab.errors import InputRefusedError, unknown
from zoneout_lab.ops.cells import CELLS, as_cell
from zoneout_lab.ops.engine import describe
from zoneout_lab.report.text import count
from zoneout_lab.study import provenance
from zoneout_lab.study.device import check_device

_WIDE = 110  # columns from which on a peer's note stands beside its name
_BUSY = 1.25  # quartiles of one peer's time further apart than this: something else was running


def show_bench(
    names: Sequence[str],
    *,
    everything: bool,
    setup: Setup,
    threads: int | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Time the cases and print what came out.

    Args:
        names: of cases; empty for the usual ones.
        everything: all cases instead.
        setup: cell, device and rounds.
        threads: of torch; None for torch's own number.
        plot: a file for the figure.
        as_json: JSON instead of tables.

    Raises:
        UsageError: an unknown case, cell or device.
        InputRefusedError: nothing fits the memory, or the plot's place cannot be written to.
    """
    import torch

    check_device(setup.device)
    if setup.cell not in LAYER_NAMES:
        raise unknown("cell", setup.cell, LAYER_NAMES)
    cases = chosen(names, setup.device, everything=everything)
    if plot is not None:
        from zoneout_lab.bench.plot import check_target, draw

        check_target(plot)
    used = threads or torch.get_num_threads()
    results: list[Measured | Sweep] = []
    with timing_process(used):
        for case in cases:
            with _telling(case) as say:
                results.append(measure(case, setup, say))
            _notes(results[-1])
    if not any(result.rows for result in results):
        raise InputRefusedError(
            "Nothing was timed: no case fits the memory. `zoneout-lab doctor` says how much is free."
        )
    facts = _facts(setup, used, _command(names, everything, setup, threads))
    if as_json:
        print_json(facts | {"cases": [result.to_json() for result in results]})
    else:
        _print(facts, results, setup)
    if plot is not None:
        draw(results, setup.cell, plot, caption=f"{_machine(facts)} · {setup.rounds} rounds, medians and quartiles")
        errors.print(f"Plot: {plot}", highlight=False, soft_wrap=True, markup=False)


def _facts(setup: Setup, threads: int, command: str) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "command": command,
        "machine": provenance.machine(setup.device),
        "versions": provenance.versions(),
        "git": provenance.git_commit(),
        "threads": threads,
        "engine": describe(as_cell(setup.cell), setup.device.partition(":")[0]),
        "cell": setup.cell,
        "dtype": "float32",
        "zoneout": {state: rate for state, rate in RATES.items() if state in CELLS[setup.cell].states},
        "rounds": setup.rounds,
        "warmup": setup.warmup,
    }
    if setup.device.startswith("cuda"):
        import torch

        facts["tf32"] = {"cudnn": torch.backends.cudnn.allow_tf32, "matmul": torch.backends.cuda.matmul.allow_tf32}
    return facts


def _machine(facts: dict[str, Any]) -> str:
    machine = facts["machine"]
    threads = f"{count(facts['threads'], 'thread')} of {machine['cores']} cores"
    return f"{machine.get('gpu', machine['processor'])}, {threads}, torch {facts['versions']['torch']}"


def _print(facts: dict[str, Any], results: Sequence[Measured | Sweep], setup: Setup) -> None:
    layer = LAYER_NAMES[setup.cell]
    rates = ", ".join(f"{state} {rate}" for state, rate in facts["zoneout"].items())
    shown = {
        "command": facts["command"],
        "machine": _machine(facts),
        "work": f"forward + backward in {facts['dtype']}; zoneout {rates}",
        "engine": f"zl.{layer}: {facts['engine']}",
    }
    if "tf32" in facts:
        shown["tf32"] = ", ".join(f"{what}: {'yes' if on else 'no'}" for what, on in facts["tf32"].items())
    print_facts(shown)
    for result in results:
        if not result.rows:
            continue
        output.print(f"\n[bold]{result.case.name}[/]: {escape(result.case.what)}; {result.case.sizes}", highlight=False)
        output.print(_sweep_table(result, layer) if isinstance(result, Sweep) else _table(result, layer))
    size = "8,192² bf16" if setup.device.startswith("cuda") else "2,048² float32"
    legend = [
        f"{setup.rounds} rounds, every peer in each. ms and µs: medians. ×: median (and quartiles) of the ratio within each round."
    ]
    if any(isinstance(result, Measured) for result in results):
        legend.append(f"Floor: the products alone, at the rate of a {size} product in the same rounds.")
    output.print(f"\n[dim]{' '.join(legend)}[/]", highlight=False)


def _table(result: Measured, layer: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("\npeer", overflow="fold")
    between = " — " if output.width >= _WIDE else "\n  "
    for title in ("\nms", "µs per\ntimestep", f"×\nnn.{layer}", "\nquartiles", f"×\nzl.{layer}", "×\nfloor"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in result.rows:
        table.add_row(
            f"{escape(row.label)}[dim]{between}{escape(row.note)}[/]",
            _three(1e3 * spread(row.seconds).median),
            _three(1e6 * row.per_timestep.median),
            "1" if row.peer == TORCH else _three(row.ratio.median),
            "" if row.peer == TORCH else _quartiles(row.ratio),
            _three(row.to_ours.median),
            _three(row.floor.median),
        )
    if result.floor is not None:
        floor = result.floor.median
        last = (_three(1e3 * floor), _three(1e6 * floor / result.case.steps), "", "", "", "1")
        table.add_row(f"floor[dim]{between}products alone[/]", *last)
    return table


def _sweep_table(result: Sweep, layer: str) -> Table:
    table = Table(box=None, pad_edge=False)
    titles = ("R", f"R × nn.{layer}\nms", f"zl.{layer}\nms", "ms per\nreplica", f"× R ×\nnn.{layer}", "\nquartiles",
              "× one\nreplica", "\nquartiles")  # fmt: skip
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    for row in result.rows:
        ours = 1e3 * spread(row.ours).median
        table.add_row(
            str(row.replicas),
            _three(1e3 * spread(row.torch).median),
            _three(ours),
            _three(ours / row.replicas),
            _three(row.ratio.median),
            _quartiles(row.ratio),
            _three(row.to_one.median),
            "" if row is result.rows[0] else _quartiles(row.to_one),
        )
    return table


def _notes(result: Measured | Sweep) -> None:
    for what, why in result.left_out.items():
        errors.print(
            f"[yellow]Note:[/] {result.case.name}: {escape(what)} is left out: {escape(why)}.",
            highlight=False,
            soft_wrap=True,
        )
    apart = [each.high / each.low for each in map(spread, result.timings)]
    if apart and sorted(apart)[len(apart) // 2] > _BUSY:
        errors.print(
            f"[yellow]Note:[/] {result.case.name}: times of the same work vary by a factor of {max(apart):.1f} between quartiles; "
            "something else seems to be using this machine.",
            highlight=False,
            soft_wrap=True,
        )


def _command(names: Sequence[str], everything: bool, setup: Setup, threads: int | None) -> str:
    usual = Setup()
    words = ["zoneout-lab", "bench", *names, *(["--all"] if everything else [])]
    for flag, value, default in (
        ("--cell", setup.cell, usual.cell),
        ("--device", setup.device, usual.device),
        ("--rounds", setup.rounds, usual.rounds),
        ("--threads", threads, None),
    ):
        words += [flag, str(value)] if value != default else []
    return shlex.join(words)


def _three(value: float) -> str:
    """A number to about three digits; below 1 to three decimal places.

    >>> [_three(value) for value in (12345.6, 123.4, 9.999, 1.234, 0.0456)]
    ['12,346', '123', '10.0', '1.23', '0.046']
    """
    return f"{value:,.{0 if value >= 99.95 else 1 if value >= 9.995 else 2 if value >= 0.9995 else 3}f}"


def _quartiles(value: Spread) -> str:
    """
    >>> _quartiles(Spread(1.0, 0.95, 1.052))
    '0.950–1.05'
    """
    return f"{_three(value.low)}–{_three(value.high)}"


@contextmanager
def _telling(case: Case) -> Iterator[Say]:
    """Draw a case's progress on stderr; where that is not a terminal, a line for the case."""
    bar = Progress(
        TextColumn("{task.fields[case]}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[what]}"),
        console=errors,
        disable=not redraws(errors),
        expand=True,
        transient=True,
    )
    task = bar.add_task("", total=1, case=case.name, what="starting")
    if bar.disable:
        errors.print(f"Timing {case.name}.", highlight=False)

    def say(what: str, done: int, rounds: int) -> None:
        words = f"round {done}/{rounds}" if done else what
        bar.update(task, total=rounds, completed=done, what=words)

    with bar:
        yield say
