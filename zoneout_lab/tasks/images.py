"""Any set of small images of yours, read pixel by pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.settings import Model, Setting, Training
from zoneout_lab.tasks.base import Data, Examples, TaskScore
from zoneout_lab.tasks.digits import stratified
from zoneout_lab.tasks.files import Sources
from zoneout_lab.tasks.image_arrays import Labelled, without_example
from zoneout_lab.tasks.image_files import ImageSet, read_images
from zoneout_lab.tasks.options import check_count, check_file, check_flag, check_fraction, keep_plain
from zoneout_lab.tasks.task import Task


@dataclass(frozen=True)
class Images(Task):
    """Images of one size with a class each, one pixel a step. The classes are 0 to the largest label, and no more than training images.

    Inputs [N, height · width, channels] float32: bytes are divided by 255, real numbers are taken as they are; see
    ``image_arrays.divisor`` for other types and ``image_arrays.laid_out`` for which axis is which. Targets [N] int64. The notes say
    where channels came first, images were flat, the scale is unusual, arrays were not read or a class has no training example.
    Parts that the files do not tell apart are drawn from the training images, every class in its proportion. It is not in the paper,
    so there is no setting of that name.

    Options:
        path: images as an IDX file (also ``.gz``) or ``.npy``, an ``.npz`` of images and labels, or a folder with MNIST's four
            files; which names arrays and files may have is said by ``image_files.read_images``.
        labels_path: the labels of an IDX file or ``.npy``, as IDX or ``.npy``.
        test_path, test_labels_path: the same for the test.
        valid, test: the fractions drawn for validation and test where the files have no such part.
        split_seed: of that drawing.
        permute: read the pixels in a fixed random order, otherwise row by row.
        permutation_seed: the seed of that order.
        train_examples, valid_examples, test_examples: keep the first so many; 0 keeps all.

    >>> Images(valid=1)
    Traceback (most recent call last):
    ...
    zoneout_lab.errors.InputRefusedError: valid is 1; it has to be a fraction, from 0 to below 1.
    """

    kind: ClassVar[str] = "images"
    title: ClassVar[str] = "Images pixel by pixel"
    score: ClassVar[TaskScore] = "error"
    sources: ClassVar[Sources | str] = "your own file, named by options.path"
    settings: ClassVar[Mapping[str, Setting]] = MappingProxyType(
        {
            "laptop": Setting(
                model=Model(hidden=32),
                training=Training(optimizer="adam", lr=1e-2, epochs=10, batch=50),
            ),
        }
    )

    path: str = ""
    labels_path: str = ""
    test_path: str = ""
    test_labels_path: str = ""
    valid: float = 0.1
    test: float = 0.1
    split_seed: int = 0
    permute: bool = True
    permutation_seed: int = 1
    train_examples: int = 0
    valid_examples: int = 0
    test_examples: int = 0

    def __post_init__(self) -> None:
        keep_plain(self)
        for option in ("path", "labels_path", "test_path", "test_labels_path"):
            check_file(option, getattr(self, option), folder=option == "path")
        check_fraction("valid", self.valid)
        check_fraction("test", self.test)
        check_flag("permute", self.permute)
        for option in ("split_seed", "permutation_seed", "train_examples", "valid_examples", "test_examples"):
            check_count(option, getattr(self, option))

    @property
    def input_size(self) -> int:
        images = self._read().parts["train"].images
        return int(images.shape[3]) if images.ndim == 4 else 1

    @property
    def output_size(self) -> int:
        return 1 + max(int(part.labels.max()) for part in self._read().parts.values())

    def order(self, pixels: int) -> NDArray[np.int64]:
        """The pixel read at each step [pixels].

        >>> sorted(Images().order(4).tolist())
        [0, 1, 2, 3]
        """
        if not self.permute:
            return np.arange(pixels)
        return np.random.default_rng(self.permutation_seed).permutation(pixels)

    def load(self, folder: Path | None = None) -> Data:
        """Read the files; ``folder`` is not looked into.

        Raises InputRefusedError where no path is set, a file is not what it should be, images and labels do not fit each other, or
        a part would be empty.
        """
        found = self._read()
        parts = dict(found.parts)
        drawn = [name for name in ("valid", "test") if name not in parts]
        labels = parts["train"].labels
        sizes = [round(len(labels) * getattr(self, name)) for name in drawn]
        left = len(labels) - sum(sizes)
        if left < 1 or not all(sizes):
            shares = ", ".join(f"{name} {size}" for name, size in zip(["train", *drawn], [left, *sizes], strict=True))
            raise InputRefusedError(
                f"The {len(labels):,} images of {self.path} would be split {shares}: change the fractions."
            )
        rows = stratified(labels, (left, *sizes), np.random.default_rng(self.split_seed))
        whole = parts["train"]
        for name, kept in zip(["train", *drawn], rows, strict=True):
            parts[name] = whole.rows(np.sort(kept))
        train, valid, test = (
            self._examples(parts[name], limit, found.divisor)
            for name, limit in (
                ("train", self.train_examples),
                ("valid", self.valid_examples),
                ("test", self.test_examples),
            )
        )
        note = without_example(train.targets.numpy(), self.output_size)
        return Data.of(train, valid, test, (*found.notes, note) if note else found.notes)

    def _read(self) -> ImageSet:
        if not self.path:
            raise InputRefusedError(
                "images reads a set of your own, and none is named: set options.path to an .npz file, to a folder with MNIST's four "
                "files, or to an IDX or .npy file together with options.labels_path."
            )
        return read_images(self.path, self.labels_path, self.test_path, self.test_labels_path)

    def _examples(self, part: Labelled, limit: int, divisor: int) -> Examples:
        images, labels = part.images[: limit or None], part.labels[: limit or None]
        if limit > len(labels):
            raise InputRefusedError(
                f"{limit:,} examples are asked for, and that part of {self.path} has {len(labels):,}."
            )
        pixels = int(images.shape[1] * images.shape[2])
        read = images.reshape(len(images), pixels, -1)[:, self.order(pixels)]
        values = np.ascontiguousarray(read, np.float32)
        if divisor != 1:
            values = values / np.float32(divisor)
        return Examples(torch.from_numpy(values), torch.from_numpy(labels.astype(np.int64)))
