"""Real data read once, and small files in the same formats."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from zoneout_lab.tasks import Data, make_task
from zoneout_lab.tasks.pmnist import MNIST, SHAPES


@pytest.fixture(scope="session")
def loaded(request: pytest.FixtureRequest) -> Callable[..., Data]:
    """Real data of a task by name and options, read once in a session; skips where they are absent."""

    @cache
    def load(name: str, **options: int | float | str | bool) -> Data:
        folder = None if name == "digits" else request.getfixturevalue("shared_data")
        return make_task(name, options).load(folder)

    return load


@pytest.fixture(autouse=True)
def nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads this machine's cache or named folder, or goes through its proxy."""
    monkeypatch.delenv("ZONEOUT_LAB_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def ptb_folder(tmp_path: Path) -> Path:
    """Three small texts in the format of the Penn Treebank, with all of its 50 symbols."""
    folder = tmp_path / "texts"
    folder.mkdir()
    line = " " + " #$&'*-./0123456789<>N\\abcdefghijklmnopqrstuvwxyz" + " \n"
    for split, lines in (("train", 20), ("valid", 6), ("test", 5)):
        (folder / f"ptb.{split}.txt").write_text(line * lines)
    return folder


def idx(values: np.ndarray) -> bytes:
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


@pytest.fixture(scope="session")
def blank_mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MNIST's four files in format and size, with images that are all alike: in order, and not canonical."""
    folder = tmp_path_factory.mktemp("blank")
    for source, shape in zip(MNIST.files, SHAPES, strict=True):
        values = np.broadcast_to(np.uint8(7), shape)
        (folder / source.name).write_bytes(gzip.compress(idx(values), compresslevel=1))
    return folder
