"""How long the results of a study take to be read, and how much memory, each way in a process of its own.

python analysis/scale_reading.py runs/ten_thousand-87e6fc
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from zoneout_lab import manifest, schema
from zoneout_lab.report import write_report
from zoneout_lab.results import judge, open_results
from zoneout_lab.results.open import open_quickly, open_runs
from zoneout_lab.study.verify import verify


def some_files(folder: Path) -> None:
    """Read a hundred runs' files."""
    for entry in list(manifest.read(folder)["runs"].values())[:100]:
        schema.read_groups(folder / entry["file"], entry["sha256"])


def export(folder: Path) -> None:
    """Export to another place, from the runs' files."""
    with tempfile.TemporaryDirectory() as place:
        schema.write_tree(open_runs(folder), Path(place) / "study.nc")


def report(folder: Path) -> None:
    """Write the report to another place."""
    with tempfile.TemporaryDirectory() as place:
        write_report(folder, Path(place) / "report.html")


WAYS: dict[str, Callable[[Path], object]] = {
    "100 run files": some_files,
    "study.nc": lambda folder: open_results(folder / "study.nc"),
    "open_quickly": open_quickly,
    "open_results": open_results,
    "verdicts": lambda folder: judge(open_quickly(folder)),
    "verify": verify,
    "report": report,
    "export": export,
}


def measure(way: str, folder: Path) -> str:
    """One line: seconds of processor and of the clock, and the most memory that this process has had."""
    clock, processor = time.perf_counter(), time.process_time()
    WAYS[way](folder)
    spent = time.process_time() - processor, time.perf_counter() - clock
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{way:14}{spent[0]:10.2f} s{spent[1]:10.2f} s{peak:10.0f} MiB"


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(measure(sys.argv[2], Path(sys.argv[1])))
    else:
        print(f"{'':14}{'processor':>12}{'clock':>12}{'memory':>14}", flush=True)
        for each in WAYS:
            subprocess.run([sys.executable, __file__, sys.argv[1], each], check=True)
