"""``doctor``: what this machine has, and what each task would find."""

from __future__ import annotations

from pathlib import Path

from zoneout_lab.cli.console import print_facts, print_json, size
from zoneout_lab.memory import memory_available
from zoneout_lab.ops.cells import CELLS
from zoneout_lab.ops.engine import describe
from zoneout_lab.study import provenance
from zoneout_lab.tasks import TASKS
from zoneout_lab.tasks.files import where


def show_doctor(data: Path | None, *, as_json: bool) -> None:
    """Print versions, machine, memory, engine and where each task's data are."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    places = {
        name: task.sources if isinstance(task.sources, str) else where(task.sources, data)
        for name, task in TASKS.items()
    }
    engines = {kind: describe(cell(), device) for kind, cell in CELLS.items()}
    facts = {
        "versions": provenance.versions(),
        "machine": provenance.machine(device),
        "git": provenance.git_commit(),
        "memory_available": memory_available(),
        "engine": engines,
        "data": places,
    }
    if as_json:
        print_json(facts)
        return
    print_facts(
        provenance.versions()
        | {name: str(value) for name, value in provenance.machine(device).items()}
        | {"CUDA": "yes" if device == "cuda" else "no GPU that torch can use"}
        | {"memory free": size(memory_available())}
        | {"engine": ", ".join(f"{cell}: {engine}" for cell, engine in engines.items())}
        | {f"data: {task}": place for task, place in places.items()}
    )
