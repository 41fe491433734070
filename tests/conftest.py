"""What all tests share. Without a GPU, Triton's interpreter runs the kernels on CPU tensors; it is asked for before triton is imported."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

# read before any test takes the variable away
REAL = Path(os.environ.get("ZONEOUT_LAB_DATA") or Path(__file__).parents[2] / "shared" / "data")


def pytest_collection_finish() -> None:
    """What libraries and the list of tests hold stays; a garbage collection that went through it all would take half a second each."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def heard() -> Iterator[None]:
    """No signal is ignored, here or in what is started from here, as one is below nohup or in a shell's background."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session", autouse=True)
def empty_databases_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Optuna's and MLflow's empty databases are made once, by the functions that make them for everybody, and copied from then on: MLflow's
    tables take a hundred migrations, more than two seconds. Nothing in them depends on where they lie.

    That is so in this process; those that tests start make their own.
    """
    from zoneout_lab.study import mirroring  # here: what is above comes before triton is imported
    from zoneout_lab.study.databases import sqlite_path
    from zoneout_lab.study.sqlite_files import make_whole

    folder = tmp_path_factory.mktemp("databases")

    def made_of_copy(path: Path, make: Callable[[str], None]) -> bool:
        made = folder / f"{make.__module__}.db"

        def copied(url: str) -> None:
            if not made.exists():
                make_whole(made, make)
            shutil.copyfile(made, sqlite_path(url) or "")

        return make_whole(path, copied)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mirroring, "make_whole", made_of_copy)
        yield


@pytest.fixture(scope="session", autouse=True)
def panels_drawn_once() -> Iterator[None]:
    """What reports show of the same data is drawn once; a test that compares two drawings takes ``drawn_anew``."""
    from drawn_once import draw_once

    with pytest.MonkeyPatch.context() as patch:
        draw_once(patch)
        yield


@pytest.fixture
def drawn_anew() -> Callable[[], None]:
    """To be called between two drawings that are to be compared."""
    from drawn_once import forget

    return forget


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the real PTB and MNIST files."""
    if not ((REAL / "ptb").is_dir() and (REAL / "mnist").is_dir()):
        pytest.skip(f"no real data: {REAL} has no ptb/ and mnist/ (ZONEOUT_LAB_DATA names another folder)")
    return REAL


@pytest.fixture(scope="session")
def own(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, str]]:
    """The options that name a user's own file, by task: real text and real images, none for a task that needs no file."""
    from sklearn.datasets import load_digits  # only here: it is slow to import

    folder = tmp_path_factory.mktemp("own")
    digits = load_digits()
    np.savez(folder / "digits.npz", images=(digits.images * 255 / 16).astype(np.uint8), labels=digits.target)
    text = (shared_data / "ptb" / "ptb.test.txt").read_text(encoding="ascii")
    (folder / "book.txt").write_text(text[:200_000], encoding="utf-8")
    names = {"char_text": "book.txt", "word_text": "book.txt", "images": "digits.npz"}
    return lambda task: {"path": str(folder / names[task])} if task in names else {}


@pytest.fixture(scope="session")
def text8_folder(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """100,000,000 bytes in the format of text8, from the Penn Treebank: in order, and not canonical."""
    folder = tmp_path_factory.mktemp("text8")
    text = (shared_data / "ptb" / "ptb.train.txt").read_bytes().replace(b"N", b"n").replace(b"<unk>", b"")
    letters = bytes(range(ord("a"), ord("z") + 1))
    kept = b" ".join(text.translate(bytes(b if b in letters else 32 for b in range(256))).split()) + b" "
    with (folder / "text8").open("wb") as file:
        left = 100_000_000
        while left:
            left -= file.write(kept[:left])
    yield folder
    (folder / "text8").unlink()


@pytest.fixture
def poisoned() -> Iterator[None]:
    """Every tensor that torch.empty makes is full of NaN."""
    deterministic, fill = (
        torch.are_deterministic_algorithms_enabled(),
        torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
    )
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True  # type: ignore[attr-defined]
    assert torch.empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = fill  # type: ignore[attr-defined]


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Everything runs with one thread and again with two."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)
