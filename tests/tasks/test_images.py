"""Images of one's own: the same as pMNIST on its files, parts told apart or drawn, and what is refused."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from idx_bytes import idx
from sklearn.datasets import load_digits

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.tasks import Data, Examples, Images

DIGITS = load_digits()
PIXELS, LABELS = DIGITS.images.astype(np.uint8), DIGITS.target


def examples(data: Data) -> list[Examples]:
    parts = [data.train, data.valid, data.test]
    assert all(isinstance(part, Examples) for part in parts)
    return [part for part in parts if isinstance(part, Examples)]


def npz(path: Path, **arrays: Any) -> str:
    np.savez(path, **arrays)
    return str(path)


def test_mnists_files_give_pmnists_test(shared_data: Path, loaded: Callable[..., Data]) -> None:
    names = [str(shared_data / "mnist" / f"t10k-{what}-ubyte.gz") for what in ("images-idx3", "labels-idx1")]
    task = Images(path=names[0], labels_path=names[1], test_path=names[0], test_labels_path=names[1], test_examples=100)
    assert (task.input_size, task.output_size) == (1, 10)
    ours = examples(task.load())[2]
    theirs = examples(loaded("pmnist", train_examples=300, valid_examples=200, test_examples=100))[2]
    assert torch.equal(ours.inputs, theirs.inputs)
    assert torch.equal(ours.targets, theirs.targets)


def test_drawn_parts_are_disjoint_complete_and_in_proportion(tmp_path: Path) -> None:
    images = PIXELS.copy()
    images[:, 0, 0], images[:, 0, 1] = np.divmod(np.arange(len(images)), 256)  # a name for each
    task = Images(npz(tmp_path / "a.npz", images=images, labels=LABELS), valid=0.2, test=0.1, permute=False)
    parts = examples(task.load())
    assert [len(part) for part in parts] == [1258, 359, 180]
    seen = []
    for part in parts:
        numbers = (part.inputs[:, 0, 0] * 255 * 256 + part.inputs[:, 1, 0] * 255).round().long()
        assert part.targets.tolist() == LABELS[numbers].tolist()
        shares = np.bincount(part.targets, minlength=10) - np.bincount(LABELS) * len(part) / len(LABELS)
        assert np.abs(shares).max() < 2
        seen += numbers.tolist()
    assert sorted(seen) == list(range(1797))


def test_the_seeds_decide_the_split_and_the_order(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", x=PIXELS, y=LABELS)
    digests = [
        Images(path, **options).load().digest  # type: ignore[arg-type]
        for options in ({}, {}, {"split_seed": 1}, {"permutation_seed": 2}, {"permute": False})
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4
    plain, permuted = (examples(Images(path, permute=p).load())[0].inputs for p in (False, True))
    assert torch.equal(plain[:, torch.from_numpy(Images(path).order(64))], permuted)


@pytest.mark.parametrize(
    "names",
    [
        ("train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"),
        ("x_train", "y_train", "x_valid", "y_valid", "x_test", "y_test"),
    ],
)
def test_parts_that_the_file_tells_apart_are_kept(tmp_path: Path, names: tuple[str, ...]) -> None:
    arrays = {}
    for k, (start, end) in enumerate(((0, 100), (100, 130), (130, 150))):
        arrays[names[2 * k]] = PIXELS[start:end]
        arrays[names[2 * k + 1]] = LABELS[start:end, None]
    parts = examples(Images(npz(tmp_path / "a.npz", **arrays)).load())
    assert [len(part) for part in parts] == [100, 30, 20]
    assert [t for part in parts for t in part.targets.tolist()] == LABELS[:150].tolist()


def test_colours_are_features_and_real_numbers_stay(tmp_path: Path) -> None:
    images = np.random.default_rng(0).normal(size=(40, 3, 5, 2)).astype(np.float32)
    task = Images(npz(tmp_path / "a.npz", images=images, labels=np.arange(40) % 4), permute=False)
    assert (task.input_size, task.output_size) == (2, 4)
    parts = examples(task.load())
    assert parts[0].inputs.shape == (32, 15, 2)
    rows = {bytes(image): label for image, label in zip(images.reshape(40, 15, 2), np.arange(40) % 4, strict=True)}
    for part in parts:
        for image, target in zip(part.inputs.numpy(), part.targets.tolist(), strict=True):
            assert rows[bytes(image)] == target


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", images=PIXELS[:50], labels=LABELS[:50])
    assert Images(path).output_size == 10
    npz(tmp_path / "a.npz", images=PIXELS[:60], labels=LABELS[:60] % 3)
    assert Images(path).output_size == 3


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"pixels": PIXELS}, "has the arrays pixels; it needs train_images and train_labels or"),
        ({"images": PIXELS, "labels": LABELS[:-1]}, "has 1,797 images, and labels 1796"),
        ({"images": PIXELS, "labels": LABELS - 1}, "one whole number from 0"),
        ({"images": PIXELS, "labels": LABELS / 2}, "one whole number from 0"),
        ({"images": PIXELS.reshape(-1, 64), "labels": LABELS}, "images 1797 × 64 of type uint8"),
        ({"images": PIXELS.astype(int), "labels": LABELS}, "of type int64"),
        ({"images": np.full((9, 2, 2), np.nan), "labels": LABELS[:9]}, "not numbers"),
        ({"images": PIXELS, "labels": LABELS, "x_test": PIXELS[:9, :4], "y_test": LABELS[:9]}, "they have to be alike"),
        ({"images": PIXELS[:3], "labels": LABELS[:3]}, "would be split train 3, valid 0, test 0"),
        ({"images": np.array([None]), "labels": LABELS}, "is damaged or no .npz file"),
    ],
)
def test_arrays_that_cannot_be_right_are_refused(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    with pytest.raises(InputRefusedError) as refused:
        Images(npz(tmp_path / "a.npz", **arrays)).load()
    assert said in str(refused.value)


def test_files_that_cannot_be_right_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"zone")
    with pytest.raises(InputRefusedError, match=r"a\.npz .* is damaged or no \.npz file"):
        Images(str(tmp_path / "a.npz")).load()
    (tmp_path / "i.gz").write_bytes(gzip.compress(idx(PIXELS)))
    with pytest.raises(InputRefusedError, match=r"holds images alone: set options\.labels_path"):
        Images(str(tmp_path / "i.gz")).load()
    for content, said in (
        (b"zone", "begins 7a6f6e65"),
        (b"\0\0\x08\x03\0\0", "is truncated: 6 bytes"),
        (b"", "nowhere"),
    ):
        (tmp_path / "i").write_bytes(content)
        with pytest.raises(InputRefusedError) as refused:
            Images(str(tmp_path / "i"), labels_path=str(tmp_path / "i")).load()
        assert said in str(refused.value)


def test_more_examples_than_there_are_cannot_be_asked_for(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", images=PIXELS[:50], labels=LABELS[:50])
    with pytest.raises(InputRefusedError, match=r"41 examples are asked for, and that part of .* has 40"):
        Images(path, train_examples=41).load()
