"""The command line as it is started: as a process of its own, or in this one through the same entry point."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typed import SMALL, Done, in_this_process, process


@pytest.fixture(scope="session")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's own study file: two arms, two seeds, a second to train."""
    path = tmp_path_factory.mktemp("mine") / "small.py"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="session")
def finished(small_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """The folder that ``run`` made of it, changed in two ways, and what it printed."""
    out = tmp_path_factory.mktemp("out")
    options = ["--seeds", "3", "--set", "training.epochs=1", "--workers", "1", "--no-tracking", "--out", str(out)]
    done = process("run", str(small_file), *options)
    assert done.code == 0, done.errors
    (folder,) = out.glob("small-*")
    return folder, done


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Run the entry point in this process."""

    def call(*words: str) -> Done:
        return in_this_process(words, monkeypatch, capfd)

    return call
