"""Any text of yours, word by word, with the state carried from window to window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from zoneout_lab.settings import Model, Setting, Training
from zoneout_lab.tasks.base import Carried, Data, TaskScore
from zoneout_lab.tasks.corpus import Corpus, words
from zoneout_lab.tasks.encoding import UTF_8
from zoneout_lab.tasks.files import Sources
from zoneout_lab.tasks.options import check_count, keep_plain
from zoneout_lab.tasks.own_text import check_own, held_out, own_parts, own_paths, refuse_alike, refuse_short
from zoneout_lab.tasks.task import Task


@dataclass(frozen=True)
class WordText(Task):
    """A plain text file: predict its next word. Words are what white space separates, with ``<eos>`` for each line end.

    The symbols are ``<unk>`` and the most frequent words of the training part; every other word is read as ``<unk>``, and a
    perplexity counts that as right. They are int16 or int32 (uint8 for up to 256), mapped from a file in the user's cache. Train and
    valid are parallel streams, test is one. It is not in the paper, so there is no setting of that name.

    Options:
        path: the text, plain, ``.gz``, or a ``.zip`` of one file.
        valid_path, test_path: texts for validation and test; without one, that part is the end of ``path``.
        valid, test: the fractions of ``path`` that they are then.
        vocabulary: symbols there may be, ``<unk>`` and ``<eos>`` among them; 0: every word of the training part.
        length: predictions in a window, over which the gradient flows.
        streams: parallel streams of training and validation. ``training.batch`` has to be as many.
        encoding: of the files. One that is visibly in another is refused with the likely one: see ``encoding.decoded``.

    >>> WordText(vocabulary=1)
    Traceback (most recent call last):
    ...
    zoneout_lab.errors.InputRefusedError: vocabulary is 1; it has to be a whole number of at least 2, or 0 for every word.
    """

    kind: ClassVar[str] = "word_text"
    title: ClassVar[str] = "Words of a text"
    score: ClassVar[TaskScore] = "ppl"
    sources: ClassVar[Sources | str] = "your own file, named by options.path"
    settings: ClassVar[Mapping[str, Setting]] = MappingProxyType(
        {
            "laptop": Setting(
                options={"vocabulary": 2000},
                model=Model(hidden=64, embedding=64),
                training=Training(optimizer="adam", lr=1e-2, epochs=8, batch=20),
            ),
        }
    )

    path: str = ""
    valid_path: str = ""
    test_path: str = ""
    valid: float = 0.05
    test: float = 0.05
    vocabulary: int = 10_000
    length: int = 35
    streams: int = 20
    encoding: str = UTF_8

    def __post_init__(self) -> None:
        keep_plain(self)
        check_own(self)
        check_count("vocabulary", self.vocabulary, least=2, zero="every word")
        check_count("length", self.length, least=1)
        check_count("streams", self.streams, least=1)

    @property
    def input_size(self) -> int:
        return self.output_size

    @property
    def output_size(self) -> int:
        return len(self._corpus().about.names)

    def load(self, folder: Path | None = None) -> Data:
        """Read the files; ``folder`` is not looked into.

        Raises InputRefusedError where no path is set, a file cannot be read, is blank or in another encoding, a part is too short, or
        the training words are all alike; TryAgainError where the cache cannot be written.
        """
        corpus = self._corpus()
        parts = own_parts(self, corpus.about.ends)
        # The least: one window in each training stream, one prediction in each other stream.
        needed = (self.streams * self.length + 1, self.streams + 1, 2)
        splits = []
        for part, place, least, streams in zip(
            ("training", "validation", "test"), parts, needed, (self.streams, self.streams, 1), strict=True
        ):
            symbols = corpus.symbols[place]
            refuse_short(self, part, len(symbols), least, "words")
            splits.append(Carried(symbols, len(corpus.about.names), self.length, streams))
        train, valid, test = splits
        refuse_alike(self, train.symbols, corpus.about.names)
        return Data.of(train, valid, test)

    def _corpus(self) -> Corpus:
        return words(own_paths(self), self.vocabulary, held_out(self), encoding=self.encoding)
