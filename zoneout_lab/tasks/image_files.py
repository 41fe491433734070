"""Sets of images with labels in files: IDX pairs as MNIST's, or named arrays in an ``.npz``."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.tasks.files import expanded, refusal
from zoneout_lab.tasks.idx import idx_shape, read_idx

#: what images and labels of each part may be called in an .npz, the first that is there counts
NAMES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "train": (("train_images", "train_labels"), ("x_train", "y_train"), ("images", "labels"), ("x", "y")),
    "valid": (
        ("val_images", "val_labels"),
        ("valid_images", "valid_labels"),
        ("x_val", "y_val"),
        ("x_valid", "y_valid"),
    ),
    "test": (("test_images", "test_labels"), ("x_test", "y_test")),
}


@dataclass(frozen=True)
class Labelled:
    """``images`` [N, height, width] or [N, height, width, channels], bytes or real numbers, and ``labels`` [N] int64 from 0."""

    images: NDArray[Any]
    labels: NDArray[np.int64]

    def rows(self, index: NDArray[np.int64]) -> Labelled:
        """The images ``index`` with their labels."""
        return Labelled(self.images[index], self.labels[index])


def read_images(path: str, labels_path: str, test_path: str, test_labels_path: str) -> Mapping[str, Labelled]:
    """The parts that the files tell apart: ``train`` always, ``valid`` and ``test`` where they are there.

    An ``.npz`` may call its arrays ``train_images`` and ``train_labels``, ``x_train`` and ``y_train``, ``images`` and ``labels`` or
    ``x`` and ``y``; with ``val_`` or ``valid_`` and ``test_`` for ``train_`` (or ``_val``, ``_valid``, ``_test``) the other parts. Any
    other file is read as IDX, and its labels from a file of their own. The last set that was read is kept in memory.

    Raises InputRefusedError where a file is damaged or not what it should be, or images and labels do not fit each other.
    """
    files = [expanded(name) if name else None for name in (path, labels_path, test_path, test_labels_path)]
    try:
        stamps = tuple((file, file.stat().st_mtime_ns, file.stat().st_size) if file else None for file in files)
    except OSError as error:
        raise InputRefusedError(f"An image file cannot be read ({error}).") from error
    return _read(stamps)


@lru_cache(maxsize=1)
def _read(stamps: tuple[tuple[Path, int, int] | None, ...]) -> Mapping[str, Labelled]:
    path, labels, test, test_labels = (stamp[0] if stamp else None for stamp in stamps)
    assert path is not None
    parts = _from_npz(path) if path.suffix == ".npz" else {"train": _from_idx(path, labels, "labels_path")}
    if test is not None:
        parts["test"] = (
            _from_npz(test)["train"] if test.suffix == ".npz" else _from_idx(test, test_labels, "test_labels_path")
        )
    size = parts["train"].images.shape[1:]
    for name, part in parts.items():
        if part.images.shape[1:] != size:
            raise InputRefusedError(
                f"The {name} images of {path} are {_by(part.images.shape[1:])} and the training images {_by(size)}: they have to be alike."
            )
    return parts


def _from_idx(path: Path, labels: Path | None, option: str) -> Labelled:
    if labels is None:
        raise InputRefusedError(
            f"{path.name} in {path.parent} holds images alone: set options.{option} to their labels."
        )
    images, _ = read_idx(path, idx_shape(path))
    classes, _ = read_idx(labels, idx_shape(labels))
    return _labelled(path, images, classes)


def _from_npz(path: Path) -> dict[str, Labelled]:
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {
                part: _labelled(path, file[names[0]], file[names[1]])
                for part, choices in NAMES.items()
                for names in [next((pair for pair in choices if set(pair) <= set(file.files)), None)]
                if names is not None
            }
            there = ", ".join(file.files)
    except InputRefusedError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise refusal(path, f"is damaged or no .npz file ({error})") from error
    if "train" not in found:
        wanted = " or ".join(" and ".join(pair) for pair in NAMES["train"])
        raise InputRefusedError(f"{path.name} in {path.parent} has the arrays {there}; it needs {wanted}.")
    return found


def _labelled(path: Path, images: NDArray[Any], labels: NDArray[Any]) -> Labelled:
    where = f"{path.name} in {path.parent}"
    if images.ndim not in (3, 4) or 0 in images.shape or not (images.dtype == np.uint8 or images.dtype.kind == "f"):
        raise InputRefusedError(
            f"{where} has images {_by(images.shape)} of type {images.dtype}; they have to be N × height × width, with or without × "
            "channels, bytes or real numbers."
        )
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise InputRefusedError(f"{where} has pixels that are infinite or not numbers.")
    flat = labels.reshape(-1)
    if len(flat) != len(images) or flat.dtype.kind not in "iu" or flat.min() < 0:
        raise InputRefusedError(
            f"{where} has {len(images):,} images, and labels {_by(labels.shape)} of type {labels.dtype}; it has to be one whole number "
            "from 0 for each image."
        )
    return Labelled(images, flat.astype(np.int64))


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
