"""Character-level Penn Treebank: the known counts, the alphabet, and what is noted or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.tasks import CharPTB, Data, Stream

ALPHABET = "\n #$&'*-./0123456789<>N\\abcdefghijklmnopqrstuvwxyz"


def streams(data: Data) -> list[Stream]:
    parts = [data.train, data.valid, data.test]
    assert all(isinstance(part, Stream) for part in parts)
    return [part for part in parts if isinstance(part, Stream)]


def text(stream: Stream, count: int) -> str:
    return "".join(ALPHABET[s] for s in stream.symbols[:count].tolist())


def test_the_counts_are_those_of_the_paper(loaded: Callable[..., Data]) -> None:
    data = loaded("char_ptb")
    assert [len(s) for s in streams(data)] == [5_059_550, 396_412, 446_184]
    assert [len(set(s.symbols.tolist())) for s in streams(data)] == [50, 50, 48]
    assert data.notes == ()
    assert all((s.classes, s.length, s.steps) == (50, 100, 99) for s in streams(data))


def test_an_epoch_has_the_papers_number_of_updates(loaded: Callable[..., Data]) -> None:
    batches = loaded("char_ptb").train.epoch(np.random.default_rng(0), 32)
    assert len(batches) == 1582
    assert [len(batch) for batch in batches] == [32] * 1581 + [2]


def test_the_text_is_the_files_without_leading_spaces(shared_data: Path, loaded: Callable[..., Data]) -> None:
    for split, stream in zip(("train", "valid", "test"), streams(loaded("char_ptb")), strict=True):
        lines = (shared_data / "ptb" / f"ptb.{split}.txt").read_text().splitlines(keepends=True)[:40]
        wanted = "".join(line[1:] for line in lines)
        assert all(line[0] == " " for line in lines)
        assert text(stream, len(wanted)) == wanted


def test_limits_keep_the_beginning_and_the_alphabet(loaded: Callable[..., Data]) -> None:
    small = loaded("char_ptb", train_chars=300, valid_chars=250, test_chars=200)
    assert [len(s) for s in streams(small)] == [300, 250, 200]
    for part, everything in zip(streams(small), streams(loaded("char_ptb")), strict=True):
        assert torch.equal(part.symbols, everything.symbols[: len(part)])
        assert part.classes == 50
    assert small.digest != loaded("char_ptb").digest


def test_small_text_of_the_same_format_is_used_and_noted(ptb_folder: Path) -> None:
    data = CharPTB(length=10).load(ptb_folder)
    # 49 symbols, a space and a newline a line.
    assert [len(s) for s in streams(data)] == [20 * 51, 6 * 51, 5 * 51]
    assert text(streams(data)[2], 51) == ALPHABET[1:] + " \n"
    assert [note.split(" (")[0] for note in data.notes] == ["training text", "validation text", "test text"]


def test_the_digest_changes_with_one_character(ptb_folder: Path) -> None:
    before = CharPTB(length=10).load(ptb_folder).digest
    path = ptb_folder / "ptb.test.txt"
    path.write_text(path.read_text().replace("abc", "abd", 1))
    assert CharPTB(length=10).load(ptb_folder).digest != before


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("ptb.valid.txt", b"", "is empty or ends in the middle of a line"),
        ("ptb.test.txt", b" no it was n't bl", "ends in the middle of a line"),
        ("ptb.train.txt", b" abc \n" * 99, "it has 5 symbols, not 50"),
        ("ptb.valid.txt", b" no it was \r\n" * 20, r"has the symbol '\r'"),
        ("ptb.valid.txt", " café \n".encode() * 20, "not ASCII"),
        ("ptb.test.txt", b" no \n", "has 4 characters, and 20 are asked for"),
    ],
    ids=["empty", "cut", "alphabet", "windows", "unicode", "short"],
)
def test_text_that_cannot_be_right_is_refused(ptb_folder: Path, name: str, content: bytes, said: str) -> None:
    (ptb_folder / name).write_bytes(content)
    with pytest.raises(InputRefusedError, match=name) as refused:
        CharPTB(length=10).load(ptb_folder)
    assert said in str(refused.value)
    assert str(ptb_folder) in str(refused.value)


def test_more_than_there_is_cannot_be_asked_for(ptb_folder: Path) -> None:
    with pytest.raises(InputRefusedError, match=r"ptb\.valid\.txt .* has 306 characters, and 307 are asked for"):
        CharPTB(length=10, valid_chars=307).load(ptb_folder)
    assert len(CharPTB(length=10, valid_chars=306).load(ptb_folder).valid) == 306


def test_a_limit_below_two_chunks_is_refused() -> None:
    with pytest.raises(InputRefusedError, match="train_chars is 199"):
        CharPTB(train_chars=199)


def test_a_character_is_one_byte_of_memory(loaded: Callable[..., Data]) -> None:
    assert [s.symbols.dtype for s in streams(loaded("char_ptb"))] == [torch.uint8] * 3


def test_overlapping_chunks_are_an_option_of_training_alone(loaded: Callable[..., Data]) -> None:
    apart, overlapping = loaded("char_ptb"), loaded("char_ptb", chunks="overlapping")
    assert [s.overlapping for s in streams(overlapping)] == [True, False, False]
    assert [s.overlapping for s in streams(apart)] == [False] * 3
    batches = overlapping.train.epoch(np.random.default_rng(0), 32)
    assert len(batches) == 1582
    assert len(set(np.concatenate(batches) % 100)) == 100
    assert apart.digest != overlapping.digest
