"""Text8: the first 100 million characters of cleaned-up Wikipedia, predict the next of 27 symbols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from zoneout_lab.settings import Model, Setting, Training
from zoneout_lab.tasks.base import Data, Stream, TaskScore
from zoneout_lab.tasks.corpus import characters
from zoneout_lab.tasks.files import Source, Sources, difference_of, find, refusal
from zoneout_lab.tasks.options import check_count, keep_plain
from zoneout_lab.tasks.task import Task

SYMBOLS = tuple(" abcdefghijklmnopqrstuvwxyz")
TRAIN, VALID, TEST = 90_000_000, 5_000_000, 5_000_000

TEXT8 = Sources(
    subfolder="text8",
    base_url="https://mattmahoney.net/dc/",
    files=(
        Source(
            "text8.zip",
            "text",
            "a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232",
            "6e890197040d37d85beb962ae1f041ff1d9a9ca8d20c7d99c85027eebf51dca7",
            unpacked="text8",
        ),
    ),
)


@dataclass(frozen=True)
class Text8(Task):
    """Wikipedia of March 2006, cut down to the letters a–z and single spaces (section 4.1 of the Zoneout paper).

    Streams of 90,000,000 training, 5,000,000 validation and 5,000,000 test characters, in the order of the text. Symbols are the
    space and the letters, uint8 in a map of a file in the user's cache: 100 MB of disk, and of memory no more than is being read.

    Options:
        length: symbols in a chunk, which makes length − 1 predictions.
        train_chars, valid_chars, test_chars: keep the first so many of each part; 0 keeps all.

    Source: M. Mahoney, About the Test Data, 2006.

    >>> Text8(train_chars=1_000_000).output_size
    27
    """

    kind: ClassVar[str] = "text8"
    title: ClassVar[str] = "Text8"
    score: ClassVar[TaskScore] = "bpc"
    sources: ClassVar[Sources | str] = TEXT8
    # The laptop setting stops long before convergence: it shows the task at work and decides no claim of the paper.
    settings: ClassVar[Mapping[str, Setting]] = MappingProxyType(
        {
            "laptop": Setting(
                options={"train_chars": 100_000, "valid_chars": 10_000, "test_chars": 10_000},
                model=Model(hidden=64, learned_state=True, forget_bias=1.0, init="block_orthogonal"),
                training=Training(optimizer="adam", lr=1e-2, epochs=8, batch=32, clip=1.0, patience=5),
            ),
            # The paper stops early and states neither patience nor a number of epochs; these are ours. Forget bias and learned
            # states are those of the authors' code for the Penn Treebank.
            "paper": Setting(
                model=Model(hidden=2000, learned_state=True, forget_bias=1.0, init="block_orthogonal"),
                training=Training(optimizer="adam", lr=1e-3, epochs=50, batch=128, clip=1.0, patience=5),
            ),
        }
    )

    length: int = 180
    train_chars: int = 0
    valid_chars: int = 0
    test_chars: int = 0

    def __post_init__(self) -> None:
        keep_plain(self)
        check_count("length", self.length, least=2, most=TEST // 2)
        # From any offset of an epoch, at least one chunk has to fit.
        for name, most in (("train_chars", TRAIN), ("valid_chars", VALID), ("test_chars", TEST)):
            check_count(name, getattr(self, name), least=2 * self.length, most=most, zero="all")

    @property
    def input_size(self) -> int:
        return len(SYMBOLS)

    @property
    def output_size(self) -> int:
        return len(SYMBOLS)

    def load(self, folder: Path | None = None) -> Data:
        """Read ``text8.zip``, or in a named folder ``text8``, from where ``files.find`` finds it; one that differs is noted.

        The first time takes a few seconds, in which the text is coded into the cache.

        Raises InputRefusedError where the file is missing from a named folder, damaged, or not 100,000,000 letters and spaces;
        TryAgainError where a download fails or the cache cannot be written.
        """
        (source,) = TEXT8.files
        path = find(TEXT8, folder)[source.name]
        corpus = characters([path])
        about, total = corpus.about, TRAIN + VALID + TEST
        if about.names != SYMBOLS:
            raise refusal(path, f"is not text8: its symbols are {''.join(about.names)[:40]!r}, not the space and a–z")
        if len(corpus.symbols) != total:
            raise refusal(path, f"is not text8: it has {len(corpus.symbols):,} characters, not {total:,}")
        starts = (0, TRAIN, TRAIN + VALID)
        limits = (self.train_chars or TRAIN, self.valid_chars or VALID, self.test_chars or TEST)
        train, valid, test = (
            Stream(corpus.symbols[start : start + limit], len(SYMBOLS), self.length)
            for start, limit in zip(starts, limits, strict=True)
        )
        note = difference_of(source, about.sha256[0])
        return Data.of(train, valid, test, (note,) if note else ())
