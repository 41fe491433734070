"""The copying problem: remember a few symbols over a known number of steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import torch
from torch.nn import functional as F

from zoneout_lab.settings import Model, Setting, Training
from zoneout_lab.tasks.base import Data, Examples, TaskScore
from zoneout_lab.tasks.files import Sources
from zoneout_lab.tasks.options import check_count, keep_plain
from zoneout_lab.tasks.task import Task


@dataclass(frozen=True)
class Copying(Task):
    """Read ``items`` random symbols, then blanks, then a delimiter; say the symbols again, in order, over the last ``items`` steps.

    Inputs are one-hot [N, 2·items + blanks, symbols + 2] float32: the symbols, the blank, the delimiter. Of the ``blanks`` + ``items``
    steps after the symbols all are blank but for the one just before the answer, the delimiter. Targets [N, items] int64 are
    read at the last ``items`` timesteps. Every symbol is asked for exactly ``blanks`` + ``items`` steps after it was read: that is the
    horizon. Who remembers nothing is wrong in 1 − 1/symbols of all answers, with a cross-entropy of log(symbols).

    Only the answers are scored; Arjovsky et al. also score the blanks before them. It is not in the paper, so there is no setting of
    that name.

    Options:
        blanks: steps between the last symbol and the first answer, the delimiter the last of them.
        items, symbols: how many symbols to remember, of how many kinds.
        train_examples, valid_examples, test_examples: how many are made. Memory is 4 bytes for each input value.
        seed: of what is made. The three parts are drawn apart: none depends on the size of another.

    Source: S. Hochreiter & J. Schmidhuber 1997; in this form M. Arjovsky, A. Shah & Y. Bengio 2016, arXiv 1511.06464, with 10
    items of 8 symbols.

    >>> data = Copying(blanks=3, items=2, symbols=4, train_examples=50).load()
    >>> data.train.inputs.shape, data.train.reads
    (torch.Size([50, 7, 6]), 2)
    """

    kind: ClassVar[str] = "copying"
    title: ClassVar[str] = "Copying"
    score: ClassVar[TaskScore] = "error"
    sources: ClassVar[Sources | str] = "made when it is loaded"
    settings: ClassVar[Mapping[str, Setting]] = MappingProxyType(
        {
            "laptop": Setting(
                options={"blanks": 10, "items": 3, "train_examples": 2000, "valid_examples": 500, "test_examples": 500},
                model=Model(hidden=64),
                training=Training(optimizer="adam", lr=1e-2, epochs=20, batch=50),
            ),
        }
    )

    blanks: int = 100
    items: int = 10
    symbols: int = 8
    train_examples: int = 10_000
    valid_examples: int = 1000
    test_examples: int = 1000
    seed: int = 1

    def __post_init__(self) -> None:
        keep_plain(self)
        check_count("symbols", self.symbols, least=2)
        for name in ("blanks", "items", "train_examples", "valid_examples", "test_examples"):
            check_count(name, getattr(self, name), least=1)
        check_count("seed", self.seed)

    @property
    def input_size(self) -> int:
        return self.symbols + 2

    @property
    def output_size(self) -> int:
        return self.symbols

    @property
    def horizon(self) -> int:
        """Steps from reading a symbol to saying it.

        >>> Copying(blanks=100, items=10).horizon
        110
        """
        return self.blanks + self.items

    def load(self, folder: Path | None = None) -> Data:
        """Make the three splits; nothing is read, so ``folder`` is not looked into."""
        sizes = (self.train_examples, self.valid_examples, self.test_examples)
        train, valid, test = (self._made(count, part) for part, count in enumerate(sizes))
        return Data.of(train, valid, test)

    def _made(self, count: int, part: int) -> Examples:
        rng = np.random.default_rng([self.seed, part])
        targets = torch.from_numpy(rng.integers(self.symbols, size=(count, self.items)))
        read = torch.full((count, self.items + self.horizon), self.symbols)
        read[:, : self.items] = targets
        read[:, self.horizon - 1] = self.symbols + 1
        return Examples(F.one_hot(read, self.input_size).float(), targets)
