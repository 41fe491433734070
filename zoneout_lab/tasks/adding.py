"""The adding problem: the sum of two marked numbers in a long sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import torch

from zoneout_lab.settings import Model, Setting, Training
from zoneout_lab.tasks.base import Data, Examples, TaskScore
from zoneout_lab.tasks.files import Sources
from zoneout_lab.tasks.options import check_count, keep_plain
from zoneout_lab.tasks.task import Task


@dataclass(frozen=True)
class Adding(Task):
    """Numbers from U[0, 1), two of which are marked, one in each half of the sequence: say their sum at the end.

    Inputs [N, length, 2] float32 are the number and its mark, 0 or 1. Targets [N] float32 are the sum of the marked numbers, in
    [0, 2). Always answering 1 gives a mean squared error of 1/6. It is not in the paper, so there is no setting of that name.

    Options:
        length: T, the steps of a sequence.
        train_examples, valid_examples, test_examples: how many are made. Memory is 8 bytes for each step.
        seed: of what is made. The three parts are drawn apart: none depends on the size of another.

    Source: S. Hochreiter & J. Schmidhuber 1997; in this form M. Arjovsky, A. Shah & Y. Bengio 2016, arXiv 1511.06464.

    >>> data = Adding(length=7, train_examples=50).load()
    >>> data.train.inputs.shape, data.train.targets.dtype
    (torch.Size([50, 7, 2]), torch.float32)
    """

    kind: ClassVar[str] = "adding"
    title: ClassVar[str] = "Adding"
    score: ClassVar[TaskScore] = "mse"
    sources: ClassVar[Sources | str] = "made when it is loaded"
    settings: ClassVar[Mapping[str, Setting]] = MappingProxyType(
        {
            "laptop": Setting(
                options={"length": 30, "train_examples": 2000, "valid_examples": 500, "test_examples": 500},
                model=Model(hidden=32),
                training=Training(optimizer="adam", lr=1e-2, epochs=20, batch=50),
            ),
        }
    )

    length: int = 100
    train_examples: int = 10_000
    valid_examples: int = 1000
    test_examples: int = 1000
    seed: int = 1

    def __post_init__(self) -> None:
        keep_plain(self)
        check_count("length", self.length, least=2)
        for name in ("train_examples", "valid_examples", "test_examples"):
            check_count(name, getattr(self, name), least=1)
        check_count("seed", self.seed)

    @property
    def input_size(self) -> int:
        return 2

    @property
    def output_size(self) -> int:
        return 1

    def load(self, folder: Path | None = None) -> Data:
        """Make the three splits; nothing is read, so ``folder`` is not looked into."""
        sizes = (self.train_examples, self.valid_examples, self.test_examples)
        train, valid, test = (self._made(count, part) for part, count in enumerate(sizes))
        return Data.of(train, valid, test)

    def _made(self, count: int, part: int) -> Examples:
        rng = np.random.default_rng([self.seed, part])
        values = rng.random((count, self.length), np.float32)
        half = self.length // 2
        marks = np.zeros_like(values)
        for first, end in ((0, half), (half, self.length)):
            marks[np.arange(count), rng.integers(first, end, size=count)] = 1
        targets = (values * marks).sum(1, dtype=np.float32)
        return Examples(torch.from_numpy(np.stack([values, marks], axis=-1)), torch.from_numpy(targets))
