"""Memory that really runs out while a batch trains: its halves fit, and come to the same results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small_study import arrays, assert_same_bits
from typed import environment

# how much memory training asks for beyond what the process has when it begins; or a limit to that, in kilobytes
SCRIPT = """
import json, resource, sys
from pathlib import Path
from zoneout_lab import Arm, Study
from zoneout_lab.study.driver import Watcher
from zoneout_lab.study.run import run_study

study = Study(
    name="wide", title="Wide", question="Does it fit?", baseline="lstm", seeds=4, arms=[Arm(name="lstm")],
    change={"model.hidden": 64, "training.epochs": 1, "training.batch": 1024},
)
before, asked, warnings = [], [], []


def kilobytes(name):
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name)]
    return int(line.split()[1])


def begin(_):
    before.append(kilobytes("VmSize"))
    if len(sys.argv) > 2:
        limit = (before[0] + int(sys.argv[2])) * 1024
        resource.setrlimit(resource.RLIMIT_AS, (limit, -1))


def progress(*_):
    asked.append(kilobytes("VmPeak") - before[0])


def say(_):
    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))  # the report is written


watcher = Watcher(begin=begin, warn=warnings.append, progress=progress, say=say)
summary = run_study(study, out=Path(sys.argv[1]), workers=1, tracking=None, watcher=watcher)
print(json.dumps({"folder": str(summary.folder), "failed": summary.failed, "warnings": warnings, "asked": asked}))
"""


def trained(*words: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, *words],
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory that a process may ask for")
def test_a_batch_that_does_not_fit_is_halved(tmp_path: Path) -> None:
    """Seen to fail where `Driver._train` does not train the halves of what ran out of memory."""
    whole = trained(str(tmp_path / "whole"))
    assert whole["warnings"] == []
    halved = trained(str(tmp_path / "halved"), str(int(whole["asked"][0] * 0.75)))
    assert halved["failed"] == [], halved
    assert halved["warnings"] == ["4 runs do not fit the memory together; they are trained in two parts."]
    assert_same_bits(arrays(Path(whole["folder"])), arrays(Path(halved["folder"])))
