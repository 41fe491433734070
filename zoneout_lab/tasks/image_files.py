"""Sets of images with labels in files: IDX pairs as MNIST's, one by one or in a folder, or NumPy's ``.npz`` and ``.npy``."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoneout_lab.errors import InputRefusedError, LabError
from zoneout_lab.tasks.array_headers import check_npy, check_npz
from zoneout_lab.tasks.files import expanded, refusal
from zoneout_lab.tasks.idx import read_any_idx
from zoneout_lab.tasks.image_arrays import Labelled, by, class_numbers, divisor, laid_out

#: what images and labels of each part may be called in an .npz, in small letters or large; the first that is there counts
NAMES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "train": (
        ("train_images", "train_labels"),
        ("x_train", "y_train"),
        ("images", "labels"),
        ("x", "y"),
        ("data", "target"),
        ("data", "targets"),
        ("data", "labels"),
        ("arr_0", "arr_1"),
    ),
    "valid": (
        ("val_images", "val_labels"),
        ("valid_images", "valid_labels"),
        ("x_val", "y_val"),
        ("x_valid", "y_valid"),
    ),
    "test": (("test_images", "test_labels"), ("x_test", "y_test"), ("arr_2", "arr_3")),
}
_FOUR = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
# what NumPy raises where bytes of a file are changed or missing
_DAMAGED = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)

Raw = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class ImageSet:
    """The parts that the files tell apart: ``train`` always, ``valid`` and ``test`` where they are there.

    Pixels are to be divided by ``divisor``. ``notes`` are what a report has to say about how the files were read.
    """

    parts: Mapping[str, Labelled]
    divisor: int
    notes: tuple[str, ...]


def read_images(path: str, labels_path: str, test_path: str, test_labels_path: str) -> ImageSet:
    """Images and labels from the files or the folder that these options name; empty where one is not set.

    An ``.npz`` may call its arrays ``train_images`` and ``train_labels``, ``x_train`` and ``y_train``, ``images`` and ``labels``, ``x``
    and ``y`` or ``data`` and ``target``, in small letters or large; with ``val_`` or ``valid_`` and ``test_`` for ``train_`` (or ``_val``,
    ``_valid``, ``_test``) the other parts. Of arrays without names, which are ``arr_0`` and so on, the first two are images and labels,
    and the next two, where there are four, those of the test. An ``.npy`` or IDX file has its labels in a file of their own. A folder
    has the four files of MNIST, by their names, or torchvision's ``raw`` with them. The last set that was read is kept in memory.

    Raises InputRefusedError where a file is damaged, missing or not what it should be, or images and labels do not fit each other.
    """
    named = [expanded(name) if name else None for name in (path, labels_path, test_path, test_labels_path)]
    if named[0] is not None and named[0].is_dir():
        _refuse_beside(named[0], dict(zip(("labels_path", "test_path", "test_labels_path"), named[1:], strict=True)))
        named = list(mnist_files(named[0]))
    try:
        stamps = tuple((file, file.stat().st_mtime_ns, file.stat().st_size) if file else None for file in named)
    except OSError as error:
        raise InputRefusedError(f"An image file cannot be read ({error}).") from error
    return _read(stamps)


def mnist_files(folder: Path) -> tuple[Path, ...]:
    """Training images, their labels, test images and their labels in a ``folder``, by MNIST's names.

    They are looked for in the folder, else in ``raw`` or the ``raw`` of a folder in it, where torchvision keeps them. A name may end
    in ``.gz`` and have a dot before ``idx``.

    Raises InputRefusedError where there is none, one is missing, or there are several sets.
    """
    places = [folder, folder / "raw", *sorted(folder.glob("*/raw"))]
    found = {place: files for place in places if any(files := [_of_name(place, name) for name in _FOUR])}
    if not found:
        raise InputRefusedError(
            f"{folder} is a folder without {', '.join(_FOUR)} (or .gz), as is any folder raw in it. Name the folder that has these four, "
            "or a file."
        )
    place = next(iter(found))
    if len(found) > 1 and place != folder:
        raise InputRefusedError(f"{folder} has several sets of images: name one of {', '.join(map(str, found))}.")
    missing = [name for name, file in zip(_FOUR, found[place], strict=True) if file is None]
    if missing:
        raise InputRefusedError(
            f"{place} lacks {', '.join(missing)} (or .gz): put the files there, or name others one by one."
        )
    return tuple(file for file in found[place] if file is not None)


def _of_name(place: Path, name: str) -> Path | None:
    names = (name, name.replace("-idx", ".idx"))
    return next((place / n for n in (*names, *(f"{n}.gz" for n in names)) if (place / n).is_file()), None)


@lru_cache(maxsize=1)
def _read(stamps: tuple[tuple[Path, int, int] | None, ...]) -> ImageSet:
    path, labels, test, test_labels = (stamp[0] if stamp else None for stamp in stamps)
    assert path is not None
    raw, notes = _raw(path, labels, "labels_path")
    origin = dict.fromkeys(raw, path)
    if test is not None:
        if "test" in raw:
            notes.append(f"The test part of {path.name} is not used: test_path names another.")
        others, more = _raw(test, test_labels, "test_labels_path")
        raw["test"], origin["test"] = others.get("test") or others["train"], test
        notes += more
    elif test_labels is not None:
        raise InputRefusedError("test_labels_path is set without test_path: set test_path to their images, or neither.")
    parts: dict[str, Labelled] = {}
    for name, (images, classes) in raw.items():
        where = f"{origin[name].name} in {origin[name].parent}"
        upright, note = laid_out(where, images)
        parts[name] = Labelled(upright, class_numbers(where, classes, len(images), len(raw["train"][0])))
        notes.append(note)
    size = parts["train"].images.shape[1:]
    for name, part in parts.items():
        if part.images.shape[1:] != size:
            raise InputRefusedError(
                f"The {name} images of {path} are {by(part.images.shape[1:])} and the training images {by(size)}: they have to be alike."
            )
    scale, more_notes = divisor(f"{path.name} in {path.parent}", parts)
    return ImageSet(parts, scale, tuple(dict.fromkeys(note for note in (*notes, *more_notes) if note)))


def _raw(path: Path, labels: Path | None, option: str) -> tuple[dict[str, Raw], list[str]]:
    """Images and labels of each part as they are in the file, or in two, and what a report has to say about it."""
    images = _array(path)
    if images is None:
        found = _from_npz(path, ("train",) if option == "labels_path" else ("test", "train"))
        _refuse_beside(path, {option: labels})
        return found
    if labels is None:
        raise InputRefusedError(
            f"{path.name} in {path.parent} holds images alone: set options.{option} to their labels."
        )
    classes = _array(labels)
    if classes is None:
        raise InputRefusedError(
            f"{labels.name} in {labels.parent} is an archive: {option} has to be an .npy or IDX file."
        )
    return {"train": (images, classes)}, []


def _array(path: Path) -> NDArray[Any] | None:
    """The array in an ``.npy`` or IDX file; None for an ``.npz``, which has several."""
    try:
        with path.open("rb") as file:
            start = file.read(6)
    except OSError as error:
        raise refusal(path, f"cannot be read ({error})") from error
    if path.suffix.lower() not in (".npz", ".npy") and start != b"\x93NUMPY" and start[:4] != b"PK\3\4":
        return read_any_idx(path)
    with _damage_refused(path), path.open("rb") as file:  # NumPy leaves open what it opens itself and cannot read
        if start == b"\x93NUMPY":
            check_npy(path)
        found = np.load(file, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found
        found.close()
    return None


def _from_npz(path: Path, needed: tuple[str, ...]) -> tuple[dict[str, Raw], list[str]]:
    with _damage_refused(path), path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        names = {name.lower(): name for name in file.files} | {name: name for name in file.files}
        pairs = {part: next((pair for pair in pairs if set(pair) <= set(names)), None) for part, pairs in NAMES.items()}
        check_npz(path, file.zip, [names[name] for pair in pairs.values() if pair for name in pair])
        found = {part: (file[names[pair[0]]], file[names[pair[1]]]) for part, pair in pairs.items() if pair}
        there = list(file.files)
    if not any(part in found for part in needed):
        wanted = " or ".join(" and ".join(pair) for part in needed for pair in NAMES[part])
        raise InputRefusedError(f"{path.name} in {path.parent} has the arrays {', '.join(there)}; it needs {wanted}.")
    unread = sorted(set(there) - {names[name] for pair in pairs.values() if pair for name in pair})
    if pairs["train"] == ("arr_0", "arr_1"):
        if unread:
            raise InputRefusedError(
                f"{path.name} in {path.parent} has {len(there)} arrays without names. Two are taken as images and labels, four as those of "
                "training and test; give others names, for example x_train and y_train."
            )
        if pairs["test"]:
            return found, [f"Of the arrays without names in {path.name}, the last two are taken as the test's."]
    return found, [f"Of the arrays in {path.name}, these are not read: {', '.join(unread)}."] if unread else []


@contextmanager
def _damage_refused(path: Path) -> Iterator[None]:
    try:
        yield
    except LabError:
        raise
    except _DAMAGED as error:
        if "Object arrays" in str(error):
            raise InputRefusedError(
                f"{path.name} in {path.parent} has an array of Python objects, which are not read. Save numbers, for example "
                "labels.astype(int)."
            ) from error
        raise refusal(path, f"is damaged or no {path.suffix or '.npz'} file ({error})") from error


def _refuse_beside(path: Path, others: Mapping[str, Path | None]) -> None:
    extra = [option for option, other in others.items() if other is not None]
    if extra:
        raise InputRefusedError(f"{path} has its own, so {', '.join(extra)} would not be read: leave it out.")
