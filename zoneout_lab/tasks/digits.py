"""Permuted sequential digits: the default task, real and small enough for a laptop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from zoneout_lab.settings import Model, Setting, Training
from zoneout_lab.tasks.base import Data, Examples, TaskScore
from zoneout_lab.tasks.files import Sources
from zoneout_lab.tasks.options import check_count, check_flag, keep_plain
from zoneout_lab.tasks.task import Task

PIXELS = 64
SIZES = (1097, 350, 350)
SPLIT_SEED = 0


@dataclass(frozen=True)
class Digits(Task):
    """The 1,797 handwritten digits of 8×8 pixels that come with scikit-learn, read one pixel a step in a permuted order.

    Inputs [N, 64, 1] float32 in [0, 1] (17 gray levels, divided by 16); targets [N] int64 in 0–9. Train, valid and test are
    1,097, 350 and 350 examples, every class in its overall proportion: always the same split. The same idea as permuted
    sequential MNIST (Le, Jaitly & Hinton 2015, arXiv 1504.00941) at a twelfth of its length. It is not in the paper, so it
    has no setting of that name.

    Options:
        permute: read the pixels in a fixed random order, otherwise row by row.
        permutation_seed: the seed of that order.

    Source: E. Alpaydin & C. Kaynak, Optical Recognition of Handwritten Digits (test part), UCI, 1998.

    >>> data = Digits().load()
    >>> len(data.train), len(data.valid), len(data.test), data.train.steps
    (1097, 350, 350, 64)
    """

    kind: ClassVar[str] = "digits"
    title: ClassVar[str] = "Permuted sequential digits (8×8)"
    score: ClassVar[TaskScore] = "error"
    sources: ClassVar[Sources | str] = "inside scikit-learn"
    settings: ClassVar[Mapping[str, Setting]] = MappingProxyType(
        {
            "laptop": Setting(
                model=Model(hidden=32),
                training=Training(optimizer="adam", lr=1e-2, epochs=25, batch=32),
            ),
        }
    )

    permute: bool = True
    permutation_seed: int = 1

    def __post_init__(self) -> None:
        keep_plain(self)
        check_flag("permute", self.permute)
        check_count("permutation_seed", self.permutation_seed)

    @property
    def input_size(self) -> int:
        return 1

    @property
    def output_size(self) -> int:
        return 10

    def order(self) -> NDArray[np.int64]:
        """The pixel read at each step [64].

        >>> Digits(permute=False).order()[:3]
        array([0, 1, 2])
        """
        if not self.permute:
            return np.arange(PIXELS)
        return np.random.default_rng(self.permutation_seed).permutation(PIXELS)

    def load(self, folder: Path | None = None) -> Data:
        """The three splits. The data come with scikit-learn, so ``folder`` is not looked into and nothing is downloaded."""
        from sklearn.datasets import load_digits

        pixels, classes = load_digits(return_X_y=True)
        inputs = torch.from_numpy(np.ascontiguousarray(pixels[:, self.order()] / 16, np.float32)).unsqueeze(-1)
        targets = torch.from_numpy(classes.astype(np.int64))
        train, valid, test = (
            Examples(inputs[rows], targets[rows])
            for rows in stratified(classes, SIZES, np.random.default_rng(SPLIT_SEED))
        )
        return Data.of(train, valid, test)


def stratified(classes: NDArray[np.int64], sizes: tuple[int, ...], rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Split the examples at random into parts of exactly these ``sizes``, every class in its overall proportion.

    Each class is spread evenly over [0, 1) in random order; a part is then a stretch of that line, so that it holds of every
    class what its length tells, to within two examples.

    >>> parts = stratified(np.repeat([0, 1], [20, 10]), (15, 15), np.random.default_rng(0))
    >>> [np.bincount(np.repeat([0, 1], [20, 10])[part]).tolist() for part in parts]
    [[10, 5], [10, 5]]
    """
    place = np.empty(len(classes))
    for label in np.unique(classes):
        members = rng.permutation(np.flatnonzero(classes == label))
        place[members] = (np.arange(len(members)) + rng.random()) / len(members)
    line = np.argsort(place, kind="stable")
    return np.split(line[: sum(sizes)], np.cumsum(sizes)[:-1])
