"""Word-level Penn Treebank: predict the next of 10,000 words, by the protocol of Zaremba et al. 2014."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import torch

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.settings import Model, Setting, Training
from zoneout_lab.tasks.base import Carried, Data, TaskScore
from zoneout_lab.tasks.char_ptb import PTB, characters
from zoneout_lab.tasks.corpus import EOS
from zoneout_lab.tasks.files import Sources, difference, find, read, refusal
from zoneout_lab.tasks.options import check_count, keep_plain
from zoneout_lab.tasks.task import Task

WORDS = 10_000


@dataclass(frozen=True)
class WordPTB(Task):
    """The Penn Treebank in Mikolov's preprocessing, one word a step (section 4.2 of the Zoneout paper).

    929,589 training, 73,760 validation and 82,430 test words, with ``<eos>`` for each newline. Symbols are the 10,000 words of the
    training text in sorted order, int16. Train and valid are parallel streams whose state is carried from window to window, test is
    one stream at batch 1 (W. Zaremba, I. Sutskever & O. Vinyals 2014, arXiv 1409.2329).

    Options:
        length: predictions in a window, over which the gradient flows.
        streams: parallel streams of training and validation. ``training.batch`` has to be as many.
        train_tokens, valid_tokens, test_tokens: keep the first so many; 0 keeps all. Symbols stay those of the whole training text.

    The text is licensed by the Linguistic Data Consortium: M. P. Marcus, B. Santorini & M. A. Marcinkiewicz, 1993;
    preprocessing by T. Mikolov et al., 2010.

    >>> WordPTB().output_size, WordPTB().settings["paper"].model.embedding
    (10000, 1500)
    """

    kind: ClassVar[str] = "word_ptb"
    title: ClassVar[str] = "Word-level Penn Treebank"
    score: ClassVar[TaskScore] = "ppl"
    sources: ClassVar[Sources | str] = PTB
    # The laptop setting stops long before convergence: it shows the task at work and decides no claim of the paper.
    settings: ClassVar[Mapping[str, Setting]] = MappingProxyType(
        {
            "laptop": Setting(
                options={"train_tokens": 30_000, "valid_tokens": 4000, "test_tokens": 2000},
                model=Model(hidden=64, layers=2, embedding=64, init="uniform", init_range=0.1, forget_bias=0.0),
                training=Training(
                    optimizer="sgd",
                    lr=1.0,
                    decay=1.15,
                    decay_after=4,
                    epochs=8,
                    batch=20,
                    loss="sum_over_time",
                    clip=10.0,
                    select="last",
                ),
            ),
            "paper": Setting(
                model=Model(hidden=1500, layers=2, embedding=1500, init="uniform", init_range=0.04, forget_bias=0.0),
                training=Training(
                    optimizer="sgd",
                    lr=1.0,
                    decay=1.15,
                    decay_after=14,
                    epochs=55,
                    batch=20,
                    loss="sum_over_time",
                    clip=10.0,
                    select="last",
                ),
            ),
        }
    )

    length: int = 35
    streams: int = 20
    train_tokens: int = 0
    valid_tokens: int = 0
    test_tokens: int = 0

    def __post_init__(self) -> None:
        keep_plain(self)
        check_count("length", self.length, least=1)
        check_count("streams", self.streams, least=1)
        for name, least in zip(("train_tokens", "valid_tokens", "test_tokens"), self._least(), strict=True):
            check_count(name, getattr(self, name), least=least, zero="all")

    def _least(self) -> tuple[int, int, int]:
        """The fewest words of each part: one window in each training stream, one prediction in each other stream."""
        return self.streams * self.length + 1, self.streams + 1, 2

    @property
    def input_size(self) -> int:
        return WORDS

    @property
    def output_size(self) -> int:
        return WORDS

    def load(self, folder: Path | None = None) -> Data:
        """Read the three texts from where ``files.find`` finds them; texts that differ from the usual ones are noted.

        Raises InputRefusedError where a file is missing from a named folder, is not such a text, is shorter than an option
        asks, or uses a word that the training text does not; TryAgainError where a download fails.
        """
        paths = find(PTB, folder)
        number: dict[str, int] = {}
        splits, notes = [], []
        limits = (self.train_tokens, self.valid_tokens, self.test_tokens)
        for source, limit, least, streams in zip(
            PTB.files, limits, self._least(), (self.streams, self.streams, 1), strict=True
        ):
            path = paths[source.name]
            content = read(path)
            notes.append(difference(source, content))
            words = characters(content, path).decode("ascii").replace("\n", f" {EOS} ").split()
            if not number:
                number = {word: k for k, word in enumerate(sorted(set(words)))}
                if len(number) != WORDS:
                    raise refusal(path, f"is not the Penn Treebank: it has {len(number):,} words, not {WORDS:,}")
            strange = next((word for word in words if word not in number), None)
            if strange is not None:
                raise refusal(path, f"has the word {strange!r}, which the training text does not have")
            needed = limit or least
            if len(words) < needed:
                raise InputRefusedError(
                    f"{path.name} in {path.parent} has {len(words):,} words, and {needed:,} are asked for."
                )
            symbols = np.array([number[word] for word in words[: limit or None]], np.int16)
            splits.append(Carried(torch.from_numpy(symbols), WORDS, self.length, streams))
        train, valid, test = splits
        return Data.of(train, valid, test, tuple(note for note in notes if note))
