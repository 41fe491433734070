"""Compiled code is run, so it is this user's own, whole, and what was made: nobody else's file, no damaged one, none from a shared folder.

Each of these fails without its line in `cache.py` or `compiled.py`: they were seen to, one after another.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoneout_lab.ops import compiled

pytestmark = pytest.mark.skipif(compiled.library("philox") is None, reason="needs a C compiler, and none was found")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
OTHER = 54_321  # no user's number
EVIL = """
#include <stdio.h>
#include <stdlib.h>
__attribute__((constructor)) static void run(void) { FILE *f = fopen(getenv("MARK"), "w"); if (f) fclose(f); }
"""
# what a process of its own says of the library: it may end by a signal
PROBE = """
import sys, warnings
warnings.simplefilter("error")
from zoneout_lab.ops import compiled
try:
    print("loaded" if compiled.library("philox") else "none", compiled.why_not(), sep="|")
except RuntimeWarning as warning:
    print("warned", warning, sep="|")
"""


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that leaves a mark where it is loaded."""
    folder = tmp_path_factory.mktemp("evil")
    (folder / "evil.c").write_text(EVIL)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / "evil.so", folder / "evil.c"], check=True)
    return folder / "evil.so"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that XDG_CACHE_HOME names; no mark is in it at the end."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("MARK", str(tmp_path / "mark"))
    yield home
    assert not (tmp_path / "mark").exists()


def in_a_process() -> str:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (done.returncode, done.stderr)
    return done.stdout.strip()


def plant(folder: Path, evil: Path) -> Path:
    """The file that whoever knows the sources, the compiler and the processor would put there."""
    folder.mkdir(parents=True, exist_ok=True)
    content = evil.read_bytes()
    texts = [file.read_text(encoding="utf-8") for file in sorted(compiled._SOURCES.glob("*.[ch]"))]
    command = [*(compiled._compiler() or ()), *compiled._FLAGS, *compiled._ATTEMPTS[0]]
    version = compiled._version(tuple(compiled._compiler() or ()))
    key = hashlib.sha256("\n".join([*texts, *command, version, compiled._processor()]).encode()).hexdigest()[:16]
    file = folder / f"philox-{key}-{hashlib.sha256(content).hexdigest()}.so"
    file.write_bytes(content)
    file.chmod(0o755)
    return file


def made(home: Path) -> Path:
    """What a process made there."""
    assert in_a_process().startswith("loaded")
    (file,) = (home / "zoneout_lab").iterdir()
    return file


def test_the_planted_file_would_be_run(home: Path, evil: Path, tmp_path: Path) -> None:
    """That the tests below can fail: this user's own file of that name is trusted."""
    (home / "zoneout_lab").mkdir(mode=0o700)
    plant(home / "zoneout_lab", evil)
    assert in_a_process().startswith("loaded")
    (tmp_path / "mark").unlink()


@as_root
def test_a_file_of_another_user_is_made_again(home: Path, evil: Path) -> None:
    (home / "zoneout_lab").mkdir(mode=0o700)
    os.chown(plant(home / "zoneout_lab", evil), OTHER, OTHER)
    assert made(home).stat().st_uid == os.getuid()


def test_a_file_that_others_can_write_to_is_made_again(home: Path, evil: Path) -> None:
    (home / "zoneout_lab").mkdir(mode=0o700)
    plant(home / "zoneout_lab", evil).chmod(0o777)
    assert made(home).stat().st_mode & 0o777 == 0o700


def test_a_link_is_not_followed(home: Path, evil: Path) -> None:
    (home / "zoneout_lab").mkdir(mode=0o700)
    file = plant(home / "zoneout_lab", evil)
    file.unlink()
    file.symlink_to(evil)
    assert made(home).is_file()
    assert evil.is_file()


@pytest.mark.parametrize("owner", [pytest.param(OTHER, marks=as_root), None], ids=["another user's", "one's own"])
def test_nothing_is_run_from_a_cache_that_all_can_write_to(home: Path, evil: Path, owner: int | None) -> None:
    file = plant(home / "zoneout_lab", evil)
    home.chmod(0o777)
    if owner is not None:
        for path in (file, file.parent):
            os.chown(path, owner, owner)
    said = in_a_process()
    assert said.startswith("warned|Recurrences run without compiled code")
    assert ("another user" if owner else "others can write") in said
    assert "XDG_CACHE_HOME" in said


@pytest.mark.parametrize("owner", [pytest.param(OTHER, marks=as_root), None], ids=["another user's", "one's own"])
def test_nothing_is_run_from_the_temporary_files(home: Path, evil: Path, tmp_path: Path, owner: int | None) -> None:
    home.rmdir()
    home.write_text("in the way of the cache folder")
    file = plant(tmp_path / f"zoneout_lab-{os.getuid()}", evil)
    if owner is not None:
        for path in (file, file.parent):
            os.chown(path, owner, owner)
    assert in_a_process().startswith("warned|")


def test_without_a_folder_the_engine_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.chmod(0o777)
    assert compiled.why_not() == "no private cache folder"
    compiled._warn.cache_clear()
    with pytest.warns(RuntimeWarning, match="several times slower"):
        assert compiled.library.__wrapped__("philox") is None
    assert compiled.library.__wrapped__("philox") is None  # once


@pytest.mark.parametrize("damage", ["truncated", "emptied", "one bit", "a pipe"])
def test_a_damaged_library_is_made_again(home: Path, damage: str) -> None:
    """A truncated one used to end the process with SIGBUS."""
    file = made(home)
    content = bytearray(file.read_bytes())
    if damage == "a pipe":
        file.unlink()
        os.mkfifo(file)
    else:
        content[len(content) // 2] ^= damage == "one bit"
        file.write_bytes(content[: {"truncated": len(content) // 2, "emptied": 0}.get(damage, len(content))])
    again = made(home)
    assert hashlib.sha256(again.read_bytes()).hexdigest() == again.stem.rpartition("-")[2]


def test_several_processes_that_begin_at_once_all_have_it(home: Path) -> None:
    started = [subprocess.Popen([sys.executable, "-c", PROBE], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [each.communicate(timeout=120)[0].partition("|")[0] for each in started] == ["loaded"] * 3
    assert all(file.suffix == ".so" for file in (home / "zoneout_lab").iterdir())
