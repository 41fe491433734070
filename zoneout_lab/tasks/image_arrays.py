"""Arrays of images and of labels as they come: which axis is which, which numbers are pixels, which are classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoneout_lab.errors import InputRefusedError

BYTE = 255
# real pixels beyond this are said: they were hardly meant for a network as they are
_LARGE = 10
# parts whose largest pixels differ by more than this factor were scaled differently
_OTHER_SCALE = 50


@dataclass(frozen=True)
class Labelled:
    """``images`` [N, height, width] or [N, height, width, channels], numbers as in the file, and ``labels`` [N] int64 from 0."""

    images: NDArray[Any]
    labels: NDArray[np.int64]

    def rows(self, index: NDArray[np.int64]) -> Labelled:
        """The images ``index`` with their labels."""
        return Labelled(self.images[index], self.labels[index])


def laid_out(where: str, images: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """Images as [N, height, width] or [N, height, width, channels], and what a report has to say about it, or nothing.

    A second axis of 1 or 3 before two larger ones is taken as channels. N × pixels is taken as a square where it can be one, else as a
    single row. One channel has no axis.

    Raises InputRefusedError where they have other axes or are not finite numbers.

    >>> images, note = laid_out("a.npz", np.zeros((9, 3, 4, 5)))
    >>> images.shape, note
    ((9, 4, 5, 3), 'Images are N × 3 × 4 × 5: the second axis is taken as channels.')
    """
    real = images.dtype.kind == "f"
    if images.ndim not in (2, 3, 4) or 0 in images.shape or not (real or images.dtype.kind in "biu"):
        raise InputRefusedError(
            f"{where} has images {by(images.shape)} of type {images.dtype}; they have to be N × height × width, N × height × width × "
            "channels, N × channels × height × width or N × pixels: whole numbers, real numbers, or true and false."
        )
    if real and not np.abs([images.min(), images.max()]).max() <= np.finfo(np.float32).max:
        raise InputRefusedError(f"{where} has pixels that are infinite, too large for single precision or not numbers.")
    if images.dtype.kind == "i" and images.min() < 0:
        raise InputRefusedError(
            f"{where} has negative pixels of type {images.dtype}: save whole numbers from 0, or real numbers."
        )
    if images.ndim == 2:
        return _unflattened(images)
    shape, note = images.shape[1:], ""
    if images.ndim == 4 and shape[0] in (1, 3) and min(shape[1:]) > shape[0]:
        images = np.moveaxis(images, 1, -1)
        note = f"Images are N × {by(shape)}: the second axis is taken as channels."
    elif images.ndim == 4 and shape[2] > 4:
        note = f"Images are N × {by(shape)}: the last axis is taken as channels."
    return images[..., 0] if images.shape[3:] == (1,) else images, note


def _unflattened(images: NDArray[Any]) -> tuple[NDArray[Any], str]:
    count, pixels = images.shape
    side = isqrt(pixels)
    if side * side == pixels:
        return images.reshape(
            count, side, side
        ), f"Flat images of {pixels:,} values are read as {side} × {side} pixels."
    note = f"Flat images of {pixels:,} values, which make no square, are read as one row of {pixels:,} pixels."
    side = isqrt(pixels // 3)
    if 3 * side * side == pixels:
        note += f" If they are {side} × {side} pixels in three colours, save them as N × {side} × {side} × 3."
    return images.reshape(count, 1, pixels), note


def class_numbers(where: str, labels: NDArray[Any], images: int, training: int) -> NDArray[np.int64]:
    """Labels as [N] int64, for so many ``images``. True and false are 1 and 0, real numbers have to be whole.

    Raises InputRefusedError where they are not one whole number from 0 for each image, or so large that there would be more classes
    than ``training`` images: most would then be without an example.

    >>> class_numbers("a.npz", np.array([[0.0], [2.0]]), images=2, training=10)
    array([0, 2])
    >>> class_numbers("a.npz", np.array([0, 10**9]), images=2, training=200)
    Traceback (most recent call last):
    ...
    zoneout_lab.errors.InputRefusedError: a.npz has the label 1,000,000,000, and with it 1,000,000,001 classes for 200 training images...
    """
    flat = labels.reshape(-1)
    whole = flat.dtype.kind in "biu" or (
        flat.dtype.kind == "f" and bool(np.isfinite(flat).all() and (flat % 1 == 0).all())
    )
    if len(flat) != images or not whole or flat.min() < 0:
        hint = ""
        if labels.ndim == 2 and len(labels) == images and labels.shape[1] > 1:
            hint = " Of one-hot labels, save labels.argmax(axis=1)."
        elif flat.dtype.kind in "USO":
            hint = " Of words, save np.unique(labels, return_inverse=True)[1]."
        raise InputRefusedError(
            f"{where} has {images:,} images, and labels {by(labels.shape)} of type {labels.dtype}; it has to be one whole number "
            f"from 0 for each image.{hint}"
        )
    largest = int(flat.max())
    if largest >= training:
        raise InputRefusedError(
            f"{where} has the label {largest:,}, and with it {largest + 1:,} classes for {training:,} training images. Number the classes "
            "from 0 without gaps, for example by np.unique(labels, return_inverse=True)[1]."
        )
    return flat.astype(np.int64)


def divisor(where: str, parts: Mapping[str, Labelled]) -> tuple[int, tuple[str, ...]]:
    """What the pixels of all parts are divided by, and what a report has to say about it.

    Whole numbers that fit a byte are divided by 255, larger ones by the largest in any part. Real numbers, true and false stay.

    Raises InputRefusedError where some parts have whole numbers and others have not, or real numbers of another size.

    >>> small = Labelled(np.full((2, 3, 3), 4095, np.uint16), np.array([0, 1]))
    >>> divisor("a.npz", {"train": small})
    (4095, ('Pixels are whole numbers up to 4,095, by which they are divided.',))
    """
    types = {name: part.images.dtype for name, part in parts.items()}
    if len({kind.kind.replace("i", "u") for kind in types.values()}) > 1:
        found = ", ".join(f"{name} {kind}" for name, kind in types.items())
        raise InputRefusedError(
            f"{where} has pixels of types that are scaled differently: {found}. Save them all as one."
        )
    kind, most = types["train"].kind, max(part.images.max() for part in parts.values())
    if kind == "f":
        _refuse_other_scales(where, parts)
        least = min(part.images.min() for part in parts.values())
        if max(most, -least) <= _LARGE:
            return 1, ()
        return 1, (f"Pixels are real numbers from {least:g} to {most:g} and are read as they are.",)
    if kind == "b":
        return 1, ()
    most = int(most)
    if most > BYTE:
        return most, (f"Pixels are whole numbers up to {most:,}, by which they are divided.",)
    if most < BYTE / 8 or any(dtype != np.uint8 for dtype in types.values()):
        return BYTE, (f"Pixels are whole numbers up to {most} and are divided by {BYTE}, as bytes are.",)
    return BYTE, ()


def _refuse_other_scales(where: str, parts: Mapping[str, Labelled]) -> None:
    largest = {name: float(np.abs(part.images).max()) for name, part in parts.items()}
    low, high = min(largest, key=lambda name: largest[name]), max(largest, key=lambda name: largest[name])
    if largest[low] > 0 and largest[high] > _OTHER_SCALE * largest[low]:
        raise InputRefusedError(
            f"{where} has pixels up to {largest[high]:g} in the {high} images and up to {largest[low]:g} in the {low} images. Scale all "
            "parts alike."
        )


def without_example(labels: NDArray[np.int64], classes: int) -> str:
    """What a report has to say where some of the classes have no training example; empty where each has one.

    >>> without_example(np.array([1, 2, 2]), classes=5)
    '3 of 5 classes have no training example: 0, 3, 4.'
    """
    missing = np.flatnonzero(np.bincount(labels, minlength=classes) == 0)
    if not len(missing):
        return ""
    more = f" and {len(missing) - 10:,} more" if len(missing) > 10 else ""
    named = ", ".join(map(str, missing[:10])) + more
    return f"{len(missing):,} of {classes:,} classes have no training example: {named}."


def by(shape: tuple[int, ...]) -> str:
    """A shape in words.

    >>> by((9, 28, 28))
    '9 × 28 × 28'
    """
    return " × ".join(map(str, shape))
