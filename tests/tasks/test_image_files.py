"""Files that images come in: arrays by their names, .npy, every type of IDX, MNIST's folder, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from idx_bytes import idx
from image_sets import LABELS, PIXELS, npz

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.tasks import Images


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (("X_train", "y_train"), ("X_test", "y_test")),
        (("X_TRAIN", "Y_TRAIN"), ()),
        (("X", "y"), ("Test_Images", "Test_Labels")),
        (("data", "target"), ()),
        (("data", "labels"), ("test_images", "test_labels")),
        (("arr_0", "arr_1"), ()),
        (("arr_0", "arr_1"), ("arr_2", "arr_3")),
    ],
)
def test_arrays_by_their_usual_names(tmp_path: Path, train: tuple[str, str], test: tuple[str, str] | tuple[()]) -> None:
    pixels = PIXELS[:300] * 15
    arrays = dict(zip(train, (pixels[:200], LABELS[:200]), strict=True))
    if test:
        arrays |= dict(zip(test, (pixels[200:], LABELS[200:300]), strict=True))
    data = Images(npz(tmp_path / "a.npz", **arrays)).load()
    wanted = {"x_train": pixels[:200], "y_train": LABELS[:200]}
    if test:
        wanted |= {"x_test": pixels[200:], "y_test": LABELS[200:300]}
    assert data.digest == Images(npz(tmp_path / "b.npz", **wanted)).load().digest
    nameless = "Of the arrays without names in a.npz, the last two are taken as the test's."
    assert data.notes == ((nameless,) if "arr_2" in test else ())


def test_arrays_that_are_not_read_are_named(tmp_path: Path) -> None:
    arrays = {"x_train": PIXELS * 15, "y_train": LABELS, "x_dev": PIXELS, "x_test": PIXELS, "names": np.array(["a"])}
    (note,) = Images(npz(tmp_path / "a.npz", **arrays)).load().notes
    assert note == "Of the arrays in a.npz, these are not read: names, x_dev, x_test."


def test_the_test_of_another_archive_is_its_test_part(tmp_path: Path) -> None:
    arrays = {
        "x_train": PIXELS[:200] * 15,
        "y_train": LABELS[:200],
        "x_test": PIXELS[200:300] * 15,
        "y_test": LABELS[200:300],
    }
    path = npz(tmp_path / "a.npz", **arrays)
    both = Images(path, test_path=path).load()
    assert both.digest == Images(path).load().digest
    assert both.notes == ("The test part of a.npz is not used: test_path names another.",)
    alone = npz(tmp_path / "t.npz", x_test=arrays["x_test"], y_test=arrays["y_test"])
    assert Images(path, test_path=alone).load().digest == both.digest


def test_npy_and_idx_files_with_labels_of_their_own(tmp_path: Path) -> None:
    pixels = PIXELS * 15
    np.save(tmp_path / "x.npy", pixels)
    np.save(tmp_path / "y.npy", LABELS.astype(float)[:, None])
    (tmp_path / "x-idx").write_bytes(idx(pixels))
    (tmp_path / "y.gz").write_bytes(gzip.compress(idx(LABELS.astype(">i4"))))
    wanted = Images(npz(tmp_path / "a.npz", x=pixels, y=LABELS)).load()
    for images in ("x.npy", "x-idx"):
        for labels in ("y.npy", "y.gz"):
            data = Images(str(tmp_path / images), str(tmp_path / labels)).load()
            assert (data.digest, data.notes) == (wanted.digest, ())
    # what a file is counts, not what it is called
    (tmp_path / "a.npz").rename(tmp_path / "b.npy")
    assert Images(str(tmp_path / "b.npy")).load().digest == wanted.digest


@pytest.mark.parametrize("dtype", [">i1", ">i2", ">i4", ">f4", ">f8"])
def test_every_type_of_idx_is_read(tmp_path: Path, dtype: str) -> None:
    pixels = (PIXELS * 7).astype(dtype)
    (tmp_path / "x").write_bytes(idx(pixels))
    np.save(tmp_path / "y.npy", LABELS)
    data = Images(str(tmp_path / "x"), str(tmp_path / "y.npy")).load()
    assert data.digest == Images(npz(tmp_path / "a.npz", x=pixels, y=LABELS)).load().digest


FOUR = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@pytest.fixture
def four() -> dict[str, bytes]:
    values = (PIXELS[:200] * 15, LABELS[:200].astype(np.uint8), PIXELS[200:300] * 15, LABELS[200:300].astype(np.uint8))
    return {name: idx(value) for name, value in zip(FOUR, values, strict=True)}


@pytest.mark.parametrize("place", [".", "raw", "MNIST/raw", "FashionMNIST/raw"])
@pytest.mark.parametrize(("dot", "packed"), [("-", False), (".", False), ("-", True)])
def test_a_folder_with_mnists_files(tmp_path: Path, four: dict[str, bytes], place: str, dot: str, packed: bool) -> None:
    folder = tmp_path / "root" / place
    folder.mkdir(parents=True)
    for name, content in four.items():
        file = folder / (name.replace("-idx", f"{dot}idx") + ".gz" * packed)
        file.write_bytes(gzip.compress(content) if packed else content)
    arrays = {
        "x_train": PIXELS[:200] * 15,
        "y_train": LABELS[:200],
        "x_test": PIXELS[200:300] * 15,
        "y_test": LABELS[200:300],
    }
    wanted = Images(npz(tmp_path / "a.npz", **arrays)).load()
    assert Images(str(tmp_path / "root")).load().digest == wanted.digest


def test_a_folder_that_cannot_be_right_is_refused(tmp_path: Path, four: dict[str, bytes]) -> None:
    def said(match: str, **options: str) -> None:
        with pytest.raises(InputRefusedError, match=match):
            Images(str(tmp_path), **options).load()  # type: ignore[arg-type]

    said("is a folder without train-images-idx3-ubyte")
    raws = [tmp_path / name / "raw" for name in ("KMNIST", "MNIST")]
    for raw in raws:
        raw.mkdir(parents=True)
        for name, content in four.items():
            (raw / name).write_bytes(content)
    said("has several sets of images: name one of .*KMNIST/raw, .*/MNIST/raw")
    for name in FOUR:
        (raws[0] / name).unlink()
    (raws[1] / FOUR[3]).unlink()
    said("MNIST/raw lacks t10k-labels-idx1-ubyte")
    said("labels_path would not be read", labels_path=str(raws[1] / FOUR[1]))
    with pytest.raises(InputRefusedError, match=r"labels_path is .* which is a folder"):
        Images(labels_path=str(tmp_path))


def test_a_file_that_would_not_be_read_is_refused(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", x=PIXELS, y=LABELS)
    np.save(tmp_path / "y.npy", LABELS)
    labels = str(tmp_path / "y.npy")
    for options in (
        {"labels_path": labels},
        {"test_path": path, "test_labels_path": labels},
        {"test_labels_path": labels},
    ):
        with pytest.raises(InputRefusedError, match=r"would not be read|is set without test_path"):
            Images(path, **options).load()  # type: ignore[arg-type]
    with pytest.raises(InputRefusedError, match=r"is an archive: labels_path has to be an \.npy or IDX file"):
        Images(labels, labels_path=path).load()


def test_damaged_arrays_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", PIXELS)
    content = (tmp_path / "x.npy").read_bytes()
    huge = content.replace(b"(1797, 8, 8), ", b"(9999999999999,)".ljust(14))
    assert huge != content
    for damaged in (b"", content[:40], content[:-1], content[:20] + b"(" + content[21:], huge):
        (tmp_path / "x.npy").write_bytes(damaged)
        with pytest.raises(InputRefusedError, match=r"x\.npy in .* is damaged or no \.npy file"):
            Images(str(tmp_path / "x.npy"), str(tmp_path / "x.npy")).load()
