"""Stopped in the middle, by a signal or by another driver: finished runs are kept and the same command goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xarray as xr
from typed import Done, process, start

# three shapes: a quick one to be kept, then two that take longer than any test waits
SLOW = """
from zoneout_lab import Arm, Study

STUDY = Study(
    name="slow", title="Slow", question="Does it stop?", baseline="quick", seeds=2,
    change={"model.hidden": 4, "training.epochs": 1, "training.batch": 256},
    arms=[Arm(name="quick"), *(Arm(name=f"long{k}", change={"training.epochs": {long} + k}) for k in range(2))],
)
"""


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    path = tmp_path / "slow.py"
    path.write_text(SLOW.replace("{long}", "20000"))
    return path


def wait_for(condition, what: str, seconds: float = 60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {what}")


def group(leader: int) -> list[str]:
    """Processes that live in the group of a driver, itself and its workers."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == leader and fields[0] != "Z":
            found.append(stat.parent.name)
    return found


def busy(out: Path, driver, workers: int) -> Path:
    """The study's folder once the quick runs are kept and the long ones train."""
    (folder,) = wait_for(lambda: list(out.glob("slow-*")), "the folder")
    # a run is kept once the manifest lists it, which is after its file is there
    wait_for(lambda: (folder / "MANIFEST.json").exists() and len(entries(folder)) == 2, "the quick runs")
    assert driver.poll() is None
    assert len(group(driver.pid)) > (0 if workers == 1 else workers)
    return folder


def entries(folder: Path) -> dict:
    return json.loads((folder / "MANIFEST.json").read_text())["runs"]


def assert_whole(folder: Path) -> None:
    """Two finished runs, in the manifest and on disk, and nothing half-written."""
    names = [path.name for path in folder.rglob("*") if path.is_file()]
    assert not [name for name in names if name.endswith(".part")]
    listed = [entry["file"] for entry in entries(folder).values()]
    assert len(listed) == 2
    for file in listed:
        xr.open_datatree(folder / file, engine="h5netcdf").close()
    assert {path.name for path in (folder / "runs").iterdir()} == {Path(file).name for file in listed}


@pytest.mark.parametrize(
    ("number", "to", "workers", "code"),
    [
        (signal.SIGTERM, "driver", 1, 143),
        pytest.param(signal.SIGTERM, "driver", 2, 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, "group", 2, 130, marks=pytest.mark.slow),
    ],
)
def test_stopped_by_a_signal(slow, tmp_path, number, to, workers, code):
    out = tmp_path / "out"
    driver = start("run", str(slow), "--out", str(out), "--workers", str(workers), "--no-tracking")
    try:
        folder = busy(out, driver, workers)
        # Ctrl-C in a terminal reaches the whole group
        (os.killpg if to == "group" else os.kill)(driver.pid, number)
        output, errors = driver.communicate(timeout=30)
        done = Done(driver.returncode, output, errors)
        assert done.code == code, done.errors
        assert "Traceback" not in done.errors
        assert f"Stopped. What was trained is kept. To go on: zoneout-lab run {slow} --out {out}" in done.errors
        assert not done.output
        wait_for(lambda: not group(driver.pid), "the end of all workers", 10)
        assert_whole(folder)
    finally:
        if group(driver.pid):
            os.killpg(driver.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("number", "code"), [pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow), (signal.SIGINT, 130)]
)
def test_a_command_that_keeps_nothing_does_not_say_so(number, code):
    started = start("bench", "small", "--rounds", "100000")
    try:
        assert started.stderr.readline() == "Timing small.\n"
        os.kill(started.pid, number)
        output, errors = started.communicate(timeout=30)
    finally:
        started.kill()
    # the line before may be there twice: the signal came while it was written
    assert (started.returncode, output, errors.splitlines()[-1]) == (code, "", "Stopped.")


@pytest.mark.slow
def test_killed_and_gone_on_with(tmp_path, command):
    """Two shapes, one after the other; killed in the second. The same command keeps the first and finishes."""
    slow = tmp_path / "slow.py"
    slow.write_text(SLOW.replace("{long}", "60").replace("range(2)", "range(1)"))
    out = tmp_path / "out"
    words = ("run", str(slow), "--out", str(out), "--workers", "1", "--no-tracking")
    driver = start(*words)
    folder = busy(out, driver, 1)
    other = command(*words)  # while it runs, no other driver is let in
    assert other.code == 75
    assert "Another process" in other.errors
    driver.kill()
    driver.communicate(timeout=30)
    assert driver.returncode == -signal.SIGKILL
    assert_whole(folder)
    kept = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in (folder / "runs").iterdir()}
    done = process(*words)
    assert done.code == 0, done.errors
    assert "2/2 runs done." in done.errors
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in kept} == kept
    assert len(entries(folder)) == 4
    assert command("verify", str(folder)).output.endswith("4 runs are what was written.\n")


def test_failed_runs_are_named_and_the_code_is_3(command, small_file, tmp_path, monkeypatch):
    from zoneout_lab.training import trainer

    def fail(*_arguments, **_options):
        raise RuntimeError("the disk is purple")

    monkeypatch.setattr(trainer, "train", fail)
    done = command("run", str(small_file), "--out", str(tmp_path), "--workers", "1", "--no-tracking")
    assert done.code == 3
    assert "the disk is purple" in done.errors
    assert "4 runs failed: lstm seed 0, lstm seed 1, zoneout seed 0, zoneout seed 1." in done.errors
    assert done.output.startswith("Report: ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_what_comes_after_the_end_changes_nothing(number):
    """While Python takes itself apart, nothing listens any more, and the exit code is the command's."""
    script = (
        "import sys, time\n"
        "class Lasting:\n"
        "    def __del__(self, write=sys.stderr.write, flush=sys.stderr.flush, wait=time.sleep):\n"
        "        write('the end\\n'); flush(); wait(1)\n"
        "lasting = Lasting()\n"
        "from zoneout_lab.__main__ import main\n"
        "sys.argv = ['zoneout-lab', '--version']; main()\n"
    )
    ending = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert ending.stderr is not None
    assert ending.stderr.readline() == "the end\n"
    os.kill(ending.pid, number)
    output, errors = ending.communicate(timeout=60)
    assert (ending.returncode, errors) == (0, "")
    assert output
