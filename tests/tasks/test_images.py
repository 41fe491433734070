"""Images of one's own: the same as pMNIST on its files, parts told apart or drawn, axes, scales and classes, and what is refused."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from idx_bytes import idx
from image_sets import COLOURS, KINDS, LABELS, PIXELS, every, examples, npz

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.tasks import Data, Images


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
        ({"images": LABELS, "labels": LABELS}, "images 1797 of type int64"),
        ({"images": PIXELS[:, None, None], "labels": LABELS}, "images 1797 × 1 × 1 × 8 × 8 of type uint8"),
        ({"images": PIXELS.astype("S3"), "labels": LABELS}, "of type |S3"),
        ({"images": PIXELS.astype(complex), "labels": LABELS}, "of type complex128"),
        ({"images": PIXELS.astype(int) - 1, "labels": LABELS}, "negative pixels of type int64"),
        ({"images": PIXELS * 1e300, "labels": LABELS}, "too large for single precision"),
        ({"images": PIXELS, "labels": LABELS.astype(str)}, "np.unique(labels, return_inverse=True)[1]"),
        ({"images": PIXELS, "labels": np.eye(10)[LABELS]}, "Of one-hot labels, save labels.argmax(axis=1)"),
        ({"images": PIXELS, "labels": np.where(LABELS == 3, np.nan, LABELS)}, "one whole number from 0"),
        ({"images": PIXELS, "labels": np.where(LABELS == 3, 1797, LABELS)}, "1,798 classes for 1,797 training images"),
        ({"images": PIXELS, "labels": LABELS.astype(np.uint64) + 2**63}, "has the label 9,223,372,036,854,775,817"),
        ({"images": PIXELS, "labels": LABELS * 1e30}, "training images. Number the classes from 0 without gaps"),
        (
            {"x_train": PIXELS, "y_train": LABELS, "x_test": PIXELS[:3], "y_test": [0, 1, 10**9]},
            "has the label 1,000,000,000",
        ),
        ({"x_train": PIXELS, "y_train": LABELS, "x_test": PIXELS / 255, "y_test": LABELS}, "train uint8, test float64"),
        ({"x_train": PIXELS > 3, "y_train": LABELS, "x_test": PIXELS, "y_test": LABELS}, "train bool, test uint8"),
        ({"arr_0": PIXELS, "arr_1": PIXELS, "arr_2": LABELS, "arr_3": LABELS}, "and labels 1797 × 8 × 8"),
        ({"arr_0": PIXELS, "arr_1": LABELS, "arr_2": LABELS}, "has 3 arrays without names"),
        ({"images": np.full((9, 2, 2), np.nan), "labels": LABELS[:9]}, "not numbers"),
        ({"images": PIXELS, "labels": LABELS, "x_test": PIXELS[:9, :4], "y_test": LABELS[:9]}, "they have to be alike"),
        ({"images": PIXELS[:3], "labels": LABELS[:3]}, "would be split train 3, valid 0, test 0"),
        ({"images": np.array([None]), "labels": LABELS}, "has an array of Python objects"),
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


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_channels_that_come_first_are_features(tmp_path: Path, channels: int, dtype: type) -> None:
    last = COLOURS[..., :channels].astype(dtype)
    tasks = [
        Images(npz(tmp_path / f"{name}.npz", x=images, y=KINDS))
        for name, images in (("last", last), ("first", np.moveaxis(last, -1, 1)))
    ]
    assert [(task.input_size, examples(task.load())[0].steps) for task in tasks] == [(channels, 20)] * 2
    datas = [task.load() for task in tasks]
    assert datas[0].digest == datas[1].digest
    said = f"Images are N × {channels} × 5 × 4: the second axis is taken as channels."
    assert [said in data.notes for data in datas] == [False, True]


@pytest.mark.parametrize(
    ("shape", "wanted", "said"),
    [
        ((3, 5, 2), (15, 2), ""),
        ((3, 3, 3), (9, 3), ""),
        ((1, 1, 1), (1, 1), ""),
        ((4, 4, 1), (16, 1), ""),
        ((1, 4, 1), (4, 1), ""),
        ((1, 7), (7, 1), ""),
        ((2, 8, 9), (16, 9), "Images are N × 2 × 8 × 9: the last axis is taken as channels."),
        ((3, 4, 4), (16, 3), "Images are N × 3 × 4 × 4: the second axis is taken as channels."),
        ((1, 2, 3), (6, 1), "Images are N × 1 × 2 × 3: the second axis is taken as channels."),
        ((49,), (49, 1), "Flat images of 49 values are read as 7 × 7 pixels."),
        ((50,), (50, 1), "Flat images of 50 values, which make no square, are read as one row of 50 pixels."),
        ((48,), (48, 1), "If they are 4 × 4 pixels in three colours, save them as N × 4 × 4 × 3."),
    ],
)
def test_axes_are_read_as_the_notes_say(
    tmp_path: Path, shape: tuple[int, ...], wanted: tuple[int, int], said: str
) -> None:
    images = np.random.default_rng(0).random((30, *shape), np.float32)
    data = Images(npz(tmp_path / "a.npz", images=images, labels=np.arange(30) % 2), permute=False).load()
    assert examples(data)[0].inputs.shape[1:] == wanted
    assert len(data.notes) == bool(said)
    assert said in "".join(data.notes)
    if len(shape) == 1:
        assert every(data) == {bytes(image): k % 2 for k, image in enumerate(images)}


def test_parts_may_be_laid_out_differently(tmp_path: Path) -> None:
    arrays = {"x_train": PIXELS, "y_train": LABELS, "x_val": PIXELS[:9, None], "y_val": LABELS[:9]}
    arrays |= {"x_test": PIXELS[:9].reshape(9, 64), "y_test": LABELS[:9]}
    train, valid, test = examples(Images(npz(tmp_path / "a.npz", **arrays)).load())
    assert torch.equal(train.inputs[:9], valid.inputs)
    assert torch.equal(train.inputs[:9], test.inputs)


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, ">i2", np.int32, np.int64, np.uint64])
def test_whole_numbers_of_other_types_are_read_as_bytes(tmp_path: Path, dtype: Any) -> None:
    pixels = PIXELS * 7  # at most 112
    tasks = [Images(npz(tmp_path / f"{n}.npz", x=x, y=LABELS)) for n, x in (("a", pixels), ("b", pixels.astype(dtype)))]
    plain, other = (task.load() for task in tasks)
    assert plain.digest == other.digest
    assert plain.notes == ()
    assert other.notes == ("Pixels are whole numbers up to 112 and are divided by 255, as bytes are.",)


def test_larger_whole_numbers_fill_the_range_in_all_parts_alike(tmp_path: Path) -> None:
    arrays = {"x_train": PIXELS.astype(np.uint16) * 256, "y_train": LABELS}
    arrays |= {"x_test": PIXELS.astype(np.uint16) * 512, "y_test": LABELS}
    data = Images(npz(tmp_path / "a.npz", **arrays), permute=False).load()
    assert data.notes == ("Pixels are whole numbers up to 8,192, by which they are divided.",)
    test = examples(data)[2].inputs.numpy()
    assert np.array_equal(test, PIXELS.reshape(-1, 64, 1).astype(np.float32) / 16)
    assert examples(data)[0].inputs.max() == 0.5


def test_real_numbers_of_another_scale_in_another_part_are_refused(tmp_path: Path) -> None:
    whole, shares = PIXELS[:100] / 16 * 255.0, PIXELS[100:200] / 16
    path = npz(tmp_path / "a.npz", x_train=whole, y_train=LABELS[:100], x_test=shares, y_test=LABELS[100:200])
    with pytest.raises(InputRefusedError, match="up to 255 in the train images and up to 1 in the test images"):
        Images(path).load()


def test_true_and_false_are_one_and_zero(tmp_path: Path) -> None:
    data = Images(npz(tmp_path / "a.npz", X=PIXELS > 7, y=LABELS > 4), permute=False).load()
    assert every(data) == {bytes(i): int(k > 4) for i, k in zip((PIXELS > 7).astype(np.float32), LABELS, strict=True)}
    assert data.notes == ()


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (PIXELS / 16, ""),
        (PIXELS.astype(np.float32), "Pixels are real numbers from 0 to 16 and are read as they are."),
        (PIXELS, "Pixels are whole numbers up to 16 and are divided by 255, as bytes are."),
    ],
)
def test_an_unusual_scale_is_noted(tmp_path: Path, pixels: np.ndarray, said: str) -> None:
    assert Images(npz(tmp_path / "a.npz", x=pixels, y=LABELS)).load().notes == ((said,) if said else ())


def test_classes_without_a_training_example_are_noted(tmp_path: Path) -> None:
    pixels = PIXELS[:400] * 15
    labels = np.where(LABELS[:400] == 0, 399, LABELS[:400])  # as many classes as images: just allowed
    task = Images(npz(tmp_path / "a.npz", x=pixels, y=labels))
    assert task.output_size == 400
    assert task.load().notes == (
        "390 of 400 classes have no training example: 0, 10, 11, 12, 13, 14, 15, 16, 17, 18 and 380 more.",
    )
    task = Images(npz(tmp_path / "b.npz", x=pixels, y=np.sort(LABELS[:400])), train_examples=30)
    assert task.load().notes == ("9 of 10 classes have no training example: 1, 2, 3, 4, 5, 6, 7, 8, 9.",)
