"""A user's own text: which part of which file is which split, by characters and by words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.tasks import Carried, CharText, Split, Stream, WordText, make_task

TEXT = "".join(chr(ord("a") + k % 26) for k in range(1000))
WORDS = " ".join(f"w{k % 50}" for k in range(1000))


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def read(split: Split, names: str | list[str]) -> list[str]:
    assert isinstance(split, Stream | Carried)
    return [names[s] for s in split.symbols.tolist()]


def test_the_end_of_one_file_is_validation_and_test(tmp_path: Path) -> None:
    task = CharText(write(tmp_path / "a.txt", TEXT), valid=0.1, test=0.053, length=20)
    assert task.output_size == 26
    data = task.load()
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    parts = ["".join(read(split, alphabet)) for split in (data.train, data.valid, data.test)]
    assert parts == [TEXT[:847], TEXT[847:947], TEXT[947:]]


def test_files_of_their_own_are_validation_and_test(tmp_path: Path) -> None:
    path, valid, test = (
        write(tmp_path / name, text) for name, text in (("a", TEXT), ("v", "x-z" * 20), ("t", "y." * 20))
    )
    alphabet = "-.abcdefghijklmnopqrstuvwxyz"
    for options, wanted in (
        ({"valid_path": valid, "test_path": test}, (TEXT, "x-z" * 20, "y." * 20)),
        ({"valid_path": valid, "test": 0.1}, (TEXT[:900], "x-z" * 20, TEXT[900:])),
        ({"test_path": test, "valid": 0.1}, (TEXT[:900], TEXT[900:], "y." * 20)),
    ):
        task = CharText(path, length=20, **options)  # type: ignore[arg-type]
        data = task.load()
        names = "".join(sorted(set("".join(wanted))))
        assert task.output_size == len(names)
        assert set(names) <= set(alphabet)
        assert tuple("".join(read(split, names)) for split in (data.train, data.valid, data.test)) == wanted


def test_words_beyond_the_training_parts_vocabulary_are_unknown(tmp_path: Path) -> None:
    text = WORDS + " " + " ".join(["later"] * 200)
    task = WordText(write(tmp_path / "a.txt", text), valid=0.1, test=0.1, vocabulary=11, length=5, streams=4)
    assert task.output_size == 11
    data = task.load()
    tokens = text.split()
    # fifty words of equal frequency: the first ten of the text
    names = ["<unk>", *(f"w{k}" for k in range(10))]
    for split, wanted in ((data.train, tokens[:960]), (data.valid, tokens[960:1080]), (data.test, tokens[1080:])):
        assert read(split, names) == [word if word in names else "<unk>" for word in wanted]
    assert [s.streams for s in (data.train, data.valid, data.test) if isinstance(s, Carried)] == [4, 4, 1]


def test_the_digest_is_of_the_text_not_of_its_file(tmp_path: Path) -> None:
    one, two, other = (write(tmp_path / n, t) for n, t in (("a", TEXT), ("b", TEXT), ("c", TEXT[:-1] + "a")))
    digests = [CharText(path, valid=0.1, test=0.1).load().digest for path in (one, two, other)]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("char_text", {"valid": 0.6, "test": 0.4}, "valid is 0.6 and test is 0.4: nothing is left to train on"),
        ("char_text", {"valid": 0}, "valid is 0 and there is no valid_path"),
        ("char_text", {"test": 0.0}, "test is 0 and there is no test_path"),
        ("word_text", {"vocabulary": 1}, "vocabulary is 1"),
        ("char_text", {"test_path": "gone.txt"}, "test_path is 'gone.txt', and there is no such file"),
        ("char_text", {"path": "."}, "path is '.', which is a folder: name a file in it"),
        ("word_text", {"path": "~nobody_of_this_name/a.txt"}, "there is no such file"),
        ("word_text", {"valid_path": "a" * 5000}, "which cannot be looked at"),
    ],
)
def test_options_that_cannot_be_are_refused(name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputRefusedError) as refused:
        make_task(name, options)
    assert said in str(refused.value)


def test_parts_that_are_too_short_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", TEXT)
    with pytest.raises(InputRefusedError, match=r"The test part of .* has 50 characters, and at least 100 are needed"):
        CharText(path, valid=0.2).load()
    path = write(tmp_path / "b.txt", WORDS)
    with pytest.raises(InputRefusedError, match=r"The training part of .* has 500 words, and at least 701 are needed"):
        WordText(path, valid=0.25, test=0.25).load()


@pytest.mark.parametrize(
    ("name", "training", "said"),
    [
        ("char_text", "z" * 900, "'z' over and over"),
        ("word_text", "\n" * 900, "'<eos>' over and over"),
        ("word_text", "zone " * 900, "'zone' over and over"),
    ],
)
def test_a_training_part_of_one_symbol_is_refused(tmp_path: Path, name: str, training: str, said: str) -> None:
    path = write(tmp_path / "a.txt", training + TEXT[:50] + " " + WORDS[:250])
    with pytest.raises(InputRefusedError) as refused:
        make_task(name, {"path": path, "valid": 0.1, "test": 0.2, "length": 10}).load()
    assert said in str(refused.value)


@pytest.mark.parametrize("name", ["char_text", "word_text"])
def test_a_blank_file_for_one_part_is_refused(tmp_path: Path, name: str) -> None:
    path, blank = write(tmp_path / "a.txt", WORDS), write(tmp_path / "b.txt", " \n" * 500)
    for option in ("valid_path", "test_path"):
        with pytest.raises(InputRefusedError, match=r"b\.txt .* is blank"):
            make_task(name, {"path": path, option: blank, "length": 10}).load()


def test_a_path_from_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "a.txt", TEXT)
    assert CharText("~/a.txt", valid=0.2, test=0.2).load().train.steps == 99
