"""What ten thousand runs cost beside their training: a results folder of so many is made, and the commands are timed on it.

    python -m analysis.scale /tmp/scale            # ten thousand; takes a quarter of an hour and 1.5 GB
    python -m analysis.scale /tmp/scale --seeds 20 # two hundred

Seconds are of a whole command, with the two or three that imports take. Processor time is that of the command and what it starts.
"""

from __future__ import annotations

import argparse
import os
import subprocess  # nosec B404 # this package's own command, with arguments from below
import sys
import time
from pathlib import Path

from analysis.scale.made import make
from zoneout_lab import load_study
from zoneout_lab.manifest import read
from zoneout_lab.study.mirror import mlflow_mirror, optuna_mirror
from zoneout_lab.study.mirroring import update
from zoneout_lab.study.of_task import TaskStudy
from zoneout_lab.study.spec import overridden

STUDY = str(Path(__file__).with_name("ten_thousand.py"))


def timed(*arguments: str) -> tuple[float, float]:
    """Seconds that a command takes, and processor seconds."""
    before, began = os.times(), time.monotonic()
    subprocess.run([sys.executable, "-m", "zoneout_lab", *arguments], check=True, capture_output=True)  # noqa: S603 # nosec B603
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - began, used


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, help="a folder to work in")
    parser.add_argument("--seeds", type=int, default=1000, help="ten runs for each")
    given = parser.parse_args()
    empty, full, seeds = str(given.out / "empty"), given.out / "full", ("--seeds", str(given.seeds))
    study = overridden(load_study(STUDY), seeds=given.seeds)
    folder = full / study.resolved().id
    if not folder.exists():
        assert isinstance(study, TaskStudy)
        make(study, full)
    runs = len(read(folder)["runs"])
    print(f"| {runs:,} runs | seconds | processor |\n|---|---|---|")
    commands = {
        "plan, none there": ("plan", STUDY, *seeds, "--out", empty),
        "plan, all there": ("plan", STUDY, *seeds, "--out", str(full)),
        "status": ("status", str(full)),
        "export, from the runs' files": ("export", str(folder)),
        "verify": ("verify", str(folder)),
        "report": ("report", str(folder), "--to", str(given.out / "report.html")),
    }
    for what, arguments in commands.items():
        wall, used = timed(*arguments)
        print(f"| {what} | {wall:.1f} | {used:.1f} |", flush=True)
    for mirror in (optuna_mirror(full), mlflow_mirror(full)):
        began, before = time.monotonic(), time.process_time()
        if (error := update(mirror, folder, print)) is not None:
            raise error
        wall, used = time.monotonic() - began, time.process_time() - before
        print(f"| {mirror.name}, each run | {wall / runs:.4f} | {used / runs:.4f} |", flush=True)
    run = ("run", STUDY, *seeds, "--out", str(full))
    for what in ("run, only the report to write", "run, nothing to do"):
        wall, used = timed(*run)
        print(f"| {what} | {wall:.1f} | {used:.1f} |", flush=True)


if __name__ == "__main__":
    main()
