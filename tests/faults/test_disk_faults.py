"""Disks that fill up, folders that may no longer be written to or are gone: said aloud, and nothing half-written is taken for whole."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_study import arrays, assert_same_bits
from typed import SMALL, Done, environment, in_this_process

from zoneout_lab import schema
from zoneout_lab.study.mirror_compared import in_mlflow, in_optuna
from zoneout_lab.study.mirroring import behind
from zoneout_lab.study.verify import verify

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
SEED = int(os.environ.get("FAULT_SEED", "0"))
# root may write wherever it likes, unless it is without these
AS_OTHERS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mine") / "small.py"
    path.write_text(SMALL)
    return path


@pytest.fixture
def command(file, monkeypatch, capfd):
    """The study's ``run`` with results in a folder, in this process."""

    def call(out: Path) -> Done:
        return in_this_process(words(file, out), monkeypatch, capfd)

    return call


@pytest.fixture
def whole(command, tmp_path) -> Path:
    """Results on a disk that has room."""
    done = command(tmp_path / "whole")
    assert done.code == 0, done.errors
    (folder,) = (tmp_path / "whole").glob("small-*")
    return folder


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own in memory, which takes root to make."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64M", "disk", str(place)], capture_output=True, text=True
    )
    if made.returncode != 0:
        pytest.skip(f"no small disk can be mounted: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def words(file: Path, out: Path) -> list[str]:
    return ["run", str(file), "--out", str(out), "--workers", "1", "--checkpoint-every", "0"]


def process(file: Path, out: Path, *before: str, limit: int | None = None) -> subprocess.Popen[str]:
    """The same as a process of its own, whose files may not become longer than so many bytes."""

    def begin() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.Popen(
        [*before, sys.executable, "-m", "zoneout_lab", *words(file, out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        preexec_fn=begin,
    )


def assert_loud_and_whole(done: Done, out: Path, *gone: str) -> None:
    """It says what was wrong, and every file that has its final name is all of that file; some may be gone."""
    assert "Traceback" not in done.errors
    if done.code == 6:  # the results themselves are complete
        assert done.errors.splitlines()[-1].startswith("Not up to date: ")
    elif done.code != 0:
        assert done.code in (5, 75), done
        assert "Error: " in done.errors
    for folder in out.glob("small-*"):
        # one that is not in the manifest was written just before that could not be
        for path in folder.glob("runs/*.nc"):
            schema.read_tree(path)
        if (folder / "MANIFEST.json").exists():
            assert {damage.path.name for row in verify(folder) for damage in row.damages} <= set(gone)
    if done.code in (0, 6):
        (folder,) = out.glob("small-*")
        assert (folder / "study.nc").exists()
        assert (folder / "report.html").exists()


def assert_as_if_nothing_had_happened(done: Done, out: Path, whole: Path) -> None:
    assert done.code == 0, done.errors
    assert "Warning" not in done.errors
    (folder,) = out.glob("small-*")
    assert_same_bits(arrays(folder), arrays(whole))
    assert in_optuna(folder, f"sqlite:///{out}/optuna.db").agrees
    assert in_mlflow(folder, f"sqlite:///{out}/mlflow.db").agrees
    assert behind(folder) == []
    assert not [path for path in out.rglob("*") if path.name.endswith((".part", ".making")) or "unusable" in path.name]


def test_a_disk_that_is_full_at_any_write(command, whole, mounted, rounds):
    """Seen to fail where `whole.write_bytes` writes in place."""
    # a file that has two names takes its room once
    used = sum({each.st_ino: each.st_blocks * 512 for each in map(Path.stat, whole.parent.rglob("*"))}.values())
    draw = random.Random(SEED)
    codes = []
    for k in range(rounds):
        out = mounted / str(k)
        out.mkdir()
        filled = mounted / "filled"
        room = draw.randrange(used // 4096) * 4096
        free = shutil.disk_usage(mounted).free
        with filled.open("wb") as rest:
            os.posix_fallocate(rest.fileno(), 0, free - room)
        done = command(out)
        assert_loud_and_whole(done, out)
        codes.append(done.code)
        filled.unlink()
        assert_as_if_nothing_had_happened(command(out), out, whole)
        shutil.rmtree(out)
    assert set(codes) <= {5, 6, 75}


def test_files_that_may_not_grow(file, command, whole, tmp_path, rounds):
    """Protected by the renames in `whole.write_bytes`. (Four rounds miss those of databases: test_mirrors_killed.py does not.)"""
    largest = max(path.stat().st_size for path in whole.parent.rglob("*"))
    draw = random.Random(SEED + 1)
    codes = []
    for k in range(rounds):
        out = tmp_path / str(k)
        limit = round(largest ** draw.uniform(0, 1))
        driver = process(file, out, limit=limit)
        output, errors = driver.communicate(timeout=600)
        assert_loud_and_whole(Done(driver.returncode, output, errors), out)
        codes.append(driver.returncode)
        assert_as_if_nothing_had_happened(command(out), out, whole)
    assert set(codes) <= {5, 6, 75}


def test_a_folder_that_becomes_read_only(file, command, whole, tmp_path, rounds):
    """Protected by the errors that `whole.write_bytes` makes of the system's: seen to fail where it raises those."""
    before: tuple[str, ...] = ()
    if os.getuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may write everywhere, and setpriv is not installed")
        before = AS_OTHERS
    draw = random.Random(SEED + 2)
    codes = []
    for k in range(rounds):
        out = tmp_path / str(k)
        out.mkdir()
        driver = process(file, out, *before)
        try:
            # until it begins to write there is nothing to be made read-only, but for the folder itself
            wait_for_folder(driver, out, draw.random() < 0.2)
            output, errors = driver.communicate(timeout=draw.uniform(0, 3))
        except subprocess.TimeoutExpired:
            pass
        allow(out, False)
        output, errors = driver.communicate(timeout=600)
        done = Done(driver.returncode, output, errors)
        allow(out, True)
        assert_loud_and_whole(done, out)
        codes.append(done.code)
        assert_as_if_nothing_had_happened(command(out), out, whole)
    assert any(codes)


def wait_for_folder(driver: subprocess.Popen[str], out: Path, at_once: bool) -> None:
    while not at_once and driver.poll() is None and not list(out.glob("small-*/MANIFEST.json")):
        threading.Event().wait(0.01)


def allow(out: Path, writing: bool) -> None:
    """All folders and files below may be written to, or none."""
    for path in [out, *out.rglob("*")]:
        path.chmod((0o755 if path.is_dir() else 0o644) if writing else (0o555 if path.is_dir() else 0o444))


@pytest.mark.parametrize("what", ["the study", "everything"])
def test_a_folder_that_is_deleted(command, whole, tmp_path, rounds, what):
    """At a moment of a run that has imported all it needs. Each write makes the folders that it needs; what is written once, at the start,
    is written again by the next run. Seen to fail where `Store.kept` keeps nothing.
    """
    draw = random.Random(SEED + 3)
    began = time.monotonic()
    command(tmp_path / "timed")
    seconds = time.monotonic() - began
    codes = []
    for k in range(rounds):
        out = tmp_path / str(k)
        gone = threading.Timer(draw.uniform(0, seconds), delete, [out, what])
        gone.start()
        done = command(out)
        gone.cancel()
        gone.join()
        if done.code == 4:  # what was written before is gone, and what came after it is there
            assert "is in the manifest and not on disk" in done.errors
        else:
            assert_loud_and_whole(done, out, "spec.json")
        codes.append(done.code)
        assert_as_if_nothing_had_happened(command(out), out, whole)
    assert set(codes) <= {0, 4, 5, 6, 75}


def delete(out: Path, what: str) -> None:
    for path in [out] if what == "everything" else list(out.glob("small-*")):
        shutil.rmtree(path, ignore_errors=True)
