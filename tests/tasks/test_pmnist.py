"""Permuted sequential MNIST: the order of pixels, the split, and what is noted or refused."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from idx_bytes import idx

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.tasks import Data, Examples, PermutedMNIST, make_task
from zoneout_lab.tasks.idx import read_idx

SMALL = {"train_examples": 300, "valid_examples": 200, "test_examples": 100}
Part = partial(PermutedMNIST, **SMALL)  # type: ignore[arg-type]


def test_the_permutation_reads_every_pixel_once() -> None:
    order = PermutedMNIST().order()
    assert sorted(order.tolist()) == list(range(784))
    assert not np.array_equal(order, PermutedMNIST(permutation_seed=2).order())


def test_the_authors_index_sees_501_pixels() -> None:
    order = PermutedMNIST(index="with_replacement").order()
    assert np.array_equal(order, np.random.RandomState(1).randint(0, 784, 784))
    assert order[:5].tolist() == [37, 235, 72, 767, 715]
    assert len(order) == 784
    assert len(set(order.tolist())) == 501
    assert len(set(range(784)) - set(order.tolist())) == 283


@pytest.mark.parametrize("index", ["permutation", "with_replacement"])
def test_the_splits_are_those_parts_of_the_files(shared_data: Path, loaded: Callable[..., Data], index: str) -> None:
    data = loaded("pmnist", index=index, **SMALL)
    order = PermutedMNIST(index=index).order()  # type: ignore[arg-type]
    folder = shared_data / "mnist"
    images, _ = read_idx(folder / "train-images-idx3-ubyte.gz", (60000, 28, 28))
    labels, _ = read_idx(folder / "train-labels-idx1-ubyte.gz", (60000,))
    test_images, _ = read_idx(folder / "t10k-images-idx3-ubyte.gz", (10000, 28, 28))
    test_labels, _ = read_idx(folder / "t10k-labels-idx1-ubyte.gz", (10000,))
    wanted = (
        (data.train, images[:300], labels[:300]),
        (data.valid, images[50000:50200], labels[50000:50200]),
        (data.test, test_images[:100], test_labels[:100]),
    )
    for split, pixels, classes in wanted:
        assert isinstance(split, Examples)
        assert split.inputs.shape == (len(classes), 784, 1)
        flat = pixels.reshape(-1, 784)[:, order].astype(np.float64) / 255
        assert np.abs(split.inputs[:, :, 0].numpy() - flat).max() < 1e-7
        assert split.targets.tolist() == classes.tolist()


def test_without_limits_every_image_is_used(loaded: Callable[..., Data]) -> None:
    data = loaded("pmnist")
    assert [len(data.train), len(data.valid), len(data.test)] == [50_000, 10_000, 10_000]
    assert data.train.steps == 784
    small = loaded("pmnist", **SMALL)
    assert isinstance(data.train, Examples)
    assert isinstance(small.train, Examples)
    assert torch.equal(data.train.inputs[:300], small.train.inputs)
    assert data.digest != small.digest


def test_the_digest_follows_the_index(loaded: Callable[..., Data]) -> None:
    by_index = {loaded("pmnist", index=i, **SMALL).digest for i in ("permutation", "with_replacement")}
    assert len({*by_index, loaded("pmnist", permutation_seed=5, **SMALL).digest}) == 3


def test_files_that_are_not_canonical_are_used_and_noted(blank_mnist: Path) -> None:
    data = Part().load(blank_mnist)
    assert [len(data.train), len(data.valid), len(data.test)] == [300, 200, 100]
    assert [note.split(" (")[0] for note in data.notes] == [
        "training images",
        "training labels",
        "test images",
        "test labels",
    ]
    assert all("differs from the canonical file: SHA-256" in note for note in data.notes)


def test_canonical_content_is_recognised_however_compressed(shared_data: Path, loaded: Callable[..., Data]) -> None:
    notes = loaded("pmnist", **SMALL).notes
    assert not [note for note in notes if "test" in note or "labels" in note]
    images = gzip.decompress((shared_data / "mnist" / "train-images-idx3-ubyte.gz").read_bytes())
    # The folder's README: level 1 of 255 reads as 0 there, which the canonical file does have.
    recovered = b"\x01" not in images[16:]
    assert len(notes) == (1 if recovered else 0)
    assert all(note.startswith("training images (train-images-idx3-ubyte.gz)") for note in notes)


def damaged(source: Path, folder: Path, name: str, content: bytes) -> Path:
    shutil.copytree(source, folder)
    (folder / name).write_bytes(content)
    return folder


LABELS = "t10k-labels-idx1-ubyte.gz"
HEADER = bytes([0, 0, 8, 1, 0, 0, 0x27, 0x10])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is truncated: 0 bytes"),
        (b"<html>not found</html>", "is damaged or not gzip"),
        (gzip.compress(HEADER + bytes(10_000), mtime=0)[:-9], "the gzip stream has no end"),
        (gzip.compress(HEADER + bytes(10_000), mtime=0)[:-5] + b"\x00" * 5, "is damaged or not gzip"),
        (gzip.compress(HEADER[:5], mtime=0), "is truncated: 5 bytes are less than its header"),
        (gzip.compress(b"\0\0\x0d\x01" + HEADER[4:] + bytes(10_000), mtime=0), "begins 00000d01, expected 00000801"),
        (gzip.compress(HEADER[:6] + b"\0\x05" + bytes(5), mtime=0), "holds 5 values, expected 10,000"),
        (gzip.compress(HEADER + bytes(9_999), mtime=0), "is truncated: it does not hold the 10,000 values"),
        (gzip.compress(HEADER + bytes(10_001), mtime=0), "is too long"),
    ],
    ids=["empty", "html", "cut", "checksum", "header", "type", "count", "short", "long"],
)
def test_a_file_that_cannot_be_right_is_refused(blank_mnist: Path, tmp_path: Path, content: bytes, said: str) -> None:
    folder = damaged(blank_mnist, tmp_path / "mine", LABELS, content)
    with pytest.raises(InputRefusedError, match=LABELS) as refused:
        Part().load(folder)
    assert said in str(refused.value)
    assert str(folder) in str(refused.value)
    assert "Get the file again" in str(refused.value)


@pytest.mark.parametrize("name", ["train-labels-idx1-ubyte.gz", LABELS])
def test_a_set_of_more_than_ten_classes_is_refused(blank_mnist: Path, tmp_path: Path, name: str) -> None:
    count = 10_000 if name == LABELS else 60_000
    content = gzip.compress(idx(np.arange(count, dtype=np.uint8) % 11), compresslevel=1)
    with pytest.raises(InputRefusedError, match=f"{name} has the label 10, and pmnist has ten classes"):
        Part().load(damaged(blank_mnist, tmp_path / "mine", name, content))


def test_limits_beyond_the_splits_are_refused() -> None:
    for option in ({"train_examples": 50_001}, {"valid_examples": 10_001}, {"test_examples": True}):
        with pytest.raises(InputRefusedError, match="or 0 for all"):
            make_task("pmnist", option)
