"""Any text of yours, character by character."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from zoneout_lab.settings import Model, Setting, Training
from zoneout_lab.tasks.base import Data, Stream, TaskScore
from zoneout_lab.tasks.corpus import Corpus, characters
from zoneout_lab.tasks.encoding import UTF_8
from zoneout_lab.tasks.files import Sources
from zoneout_lab.tasks.options import check_count, keep_plain
from zoneout_lab.tasks.own_text import check_own, own_parts, own_paths, refuse_alike, refuse_short
from zoneout_lab.tasks.task import Task


@dataclass(frozen=True)
class CharText(Task):
    """A plain text file: predict its next character.

    The symbols are all characters in the files, newlines among them: uint8 for up to 256, otherwise int16 or int32, mapped from a
    file in the user's cache. Nothing is shuffled: training comes first in the text, then validation, then test. It is not in the
    paper, so there is no setting of that name.

    Options:
        path: the text, plain, ``.gz``, or a ``.zip`` of one file.
        valid_path, test_path: texts for validation and test; without one, that part is the end of ``path``.
        valid, test: the fractions of ``path`` that they are then.
        length: symbols in a chunk, which makes length − 1 predictions.
        encoding: of the files. One that is visibly in another is refused with the likely one: see ``encoding.decoded``.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     CharText(path=file.name, valid=0.1).score
    'bpc'
    """

    kind: ClassVar[str] = "char_text"
    title: ClassVar[str] = "Characters of a text"
    score: ClassVar[TaskScore] = "bpc"
    sources: ClassVar[Sources | str] = "your own file, named by options.path"
    settings: ClassVar[Mapping[str, Setting]] = MappingProxyType(
        {
            "laptop": Setting(
                model=Model(hidden=64),
                training=Training(optimizer="adam", lr=1e-2, epochs=8, batch=32),
            ),
        }
    )

    path: str = ""
    valid_path: str = ""
    test_path: str = ""
    valid: float = 0.05
    test: float = 0.05
    length: int = 100
    encoding: str = UTF_8

    def __post_init__(self) -> None:
        keep_plain(self)
        check_own(self)
        check_count("length", self.length, least=2)

    @property
    def input_size(self) -> int:
        return self.output_size

    @property
    def output_size(self) -> int:
        return len(self._corpus().about.names)

    def load(self, folder: Path | None = None) -> Data:
        """Read the files; ``folder`` is not looked into.

        Raises InputRefusedError where no path is set, a file cannot be read, is blank or in another encoding, a part is too short, or
        the training characters are all alike; TryAgainError where the cache cannot be written.
        """
        corpus = self._corpus()
        streams = []
        # From any offset of an epoch, at least one chunk has to fit; the other parts are read from their start.
        needed = {"training": 2 * self.length, "validation": self.length, "test": self.length}
        for part, place in zip(needed, own_parts(self, corpus.about.ends), strict=True):
            symbols = corpus.symbols[place]
            refuse_short(self, part, len(symbols), needed[part], "characters")
            streams.append(Stream(symbols, len(corpus.about.names), self.length))
        train, valid, test = streams
        refuse_alike(self, train.symbols, corpus.about.names)
        return Data.of(train, valid, test)

    def _corpus(self) -> Corpus:
        return characters(own_paths(self), encoding=self.encoding)
