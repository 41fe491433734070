"""Texts as numbers: against a plain reading of the whole file, whatever its size, its letters and where pieces end."""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from collections import Counter
from pathlib import Path

import pytest
import torch

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.tasks import corpus
from zoneout_lab.tasks.corpus import Corpus, _kept, characters, damaged_codes, training_end, words

TEXT = "Zoneout – ‘preserves’ hidden\tstates.\nnaïve 日本語 🙂 zone\r\n\n  out out <unk> zone\n" * 7


def write(path: Path, text: str = TEXT) -> Path:
    path.write_bytes(text.encode())
    return path


def spelled(found: Corpus) -> list[str]:
    return [found.about.names[s] for s in found.symbols.tolist()]


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 64, 1 << 20])
def test_characters_are_those_of_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(corpus, "PIECE", piece)
    found = characters([write(tmp_path / "a.txt")])
    assert "".join(spelled(found)) == TEXT
    assert list(found.about.names) == sorted(set(TEXT))
    assert found.symbols.dtype == torch.uint8


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 64, 1 << 20])
def test_words_are_those_of_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(corpus, "PIECE", piece)
    wanted = [word for line in TEXT.split("\n")[:-1] for word in [*line.split(), "<eos>"]]
    assert spelled(words([write(tmp_path / "a.txt")], most=0)) == wanted
    unended = write(tmp_path / "b.txt", TEXT + "the end")
    assert spelled(words([unended], most=0)) == [*wanted, "the", "end"]


@pytest.mark.parametrize("piece", [1, 2, 3, 1 << 20])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x85", "\u2028", "\u2029"])
def test_every_kind_of_line_end_is_one_end_of_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, piece: int
) -> None:
    monkeypatch.setattr(corpus, "PIECE", piece)
    path = write(tmp_path / "a.txt", end.join(["a b ", "", "c", "\tthe\fpage\x0bturns", "é", ""]))
    wanted = "a b <eos> <eos> c <eos> the page turns <eos> é <eos>"
    assert " ".join(spelled(words([path], most=0))) == wanted


def test_line_ends_of_several_kinds_in_one_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "a\r\rb\r\n\rc\n\r\nd\x85\ne\r")
    text = " ".join(spelled(words([path], most=0))).replace("<eos>", "|")
    assert text == "a | | b | | c | | d | | e |"


@pytest.mark.parametrize("most", [2, 3, 5, 8, 100])
@pytest.mark.parametrize("held_out", [(), (0.5, 0.25)])
def test_the_vocabulary_is_the_most_frequent_words_of_the_training_part(
    tmp_path: Path, most: int, held_out: tuple[float, ...]
) -> None:
    text = "a b c a b a <unk> rare\n" * 5 + "late late late late late late late late late late\n" * 5
    tokens = text.replace("\n", " <eos> ").split()
    counts = Counter(tokens[: training_end(len(tokens), held_out)])
    frequent = [word for word, _ in counts.most_common() if word != "<unk>"][: most - 1]
    found = words([write(tmp_path / "a.txt", text)], most, held_out)
    assert list(found.about.names) == ["<unk>", *frequent]
    assert spelled(found) == [token if token in frequent else "<unk>" for token in tokens]


def test_files_are_coded_one_after_another_with_one_alphabet(tmp_path: Path) -> None:
    paths = [write(tmp_path / "a.txt", "zone\nz"), write(tmp_path / "b.txt", "out out\n")]
    found = characters(paths)
    assert "".join(spelled(found)) == "zone\nzout out\n"
    assert found.about.ends == (6, 14)
    found = words(paths, most=0)
    # a word of the second file that the first lacks; words do not run from file to file
    assert spelled(found) == ["zone", "<eos>", "z", "<unk>", "<unk>", "<eos>"]
    assert found.about.ends == (3, 6)


@pytest.mark.parametrize(("kinds", "dtype"), [(256, torch.uint8), (257, torch.int16), (32_769, torch.int32)])
def test_codes_take_the_smallest_type(tmp_path: Path, kinds: int, dtype: torch.dtype) -> None:
    text = "".join(map(chr, range(0x10000, 0x10000 + kinds)))
    found = characters([write(tmp_path / "a.txt", text)])
    assert found.symbols.dtype == dtype
    assert "".join(spelled(found)) == text


def test_packed_texts_and_a_byte_order_mark(tmp_path: Path) -> None:
    plain = characters([write(tmp_path / "a.txt")])
    (tmp_path / "b.gz").write_bytes(gzip.compress(TEXT.encode()))
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("c.txt", TEXT)
    write(tmp_path / "d.txt", "\ufeff" + TEXT)
    for name in ("b.gz", "c.zip", "d.txt"):
        found = characters([tmp_path / name])
        assert torch.equal(found.symbols, plain.symbols)
        assert (found.about.sha256 == plain.about.sha256) is (name != "d.txt")


def test_codes_are_kept_until_the_text_or_what_is_asked_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.txt", "zone out")
    first = characters([path])
    made: list[object] = []
    real = corpus._code_characters
    monkeypatch.setattr(corpus, "_code_characters", lambda *a: made.append(a) or real(*a))
    assert torch.equal(characters([path]).symbols, first.symbols)
    assert made == []
    state = path.stat()
    write(path, "zone off")  # as long as before
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert "".join(spelled(characters([path]))) == "zone off"
    assert len(made) == 1
    assert len(words([path], 2).about.names) == 2
    assert len(words([path], 3).about.names) == 3


def test_damaged_codes_are_made_again(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt")
    characters([path], cache=tmp_path)
    (codes,) = (tmp_path / "codes").glob("*/codes")
    about = codes.with_name("about.json")
    for damage in (lambda: codes.write_bytes(b""), codes.unlink, lambda: about.write_text("{"), about.unlink):
        damage()
        assert "".join(spelled(characters([path], cache=tmp_path))) == TEXT
    values = json.loads(about.read_text())
    about.write_text(json.dumps(values | {"new": [1]}))
    assert "".join(spelled(characters([path], cache=tmp_path))) == TEXT
    assert len(list((tmp_path / "codes").iterdir())) == 1


def test_no_bit_of_the_codes_or_of_what_is_known_of_them_can_change(tmp_path: Path) -> None:
    """Training on other data with exit code 0 was what each flipped bit led to: neither the size nor the JSON changes."""
    path = tmp_path / "a.txt"
    path.write_text("the zone is out and the zone is in\n" * 3, encoding="utf-8")
    right = characters([path], tmp_path).symbols.tolist()
    (codes,) = (tmp_path / "codes").glob("*/codes")
    for file in (codes, codes.with_name("about.json"), codes.with_name("sha256")):
        content = file.read_bytes()
        for place in range(len(content)):
            changed = bytearray(content)
            changed[place] ^= 1 << place % 8
            file.write_bytes(changed)
            assert _kept(codes.parent) is None, (file, place)
            file.write_bytes(content)
        file.write_bytes(content[:-1])
        assert _kept(codes.parent) is None
        assert characters([path], tmp_path).symbols.tolist() == right
        assert file.read_bytes() == content


def test_damaged_codes_in_the_users_cache_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(f"zone {name}\n", encoding="utf-8")
        characters([tmp_path / name])
    assert damaged_codes() == []
    first, second = sorted((tmp_path / "cache").glob("*/codes/*"))
    (first / "codes").write_bytes(b"x" * len((first / "codes").read_bytes()))
    (second.with_name("of-another-version")).mkdir()
    (second.with_name(f"{second.name}.0.part")).mkdir()
    assert damaged_codes() == [first]


def test_writing_to_symbols_leaves_the_codes(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt")
    characters([path]).symbols.zero_()
    assert "".join(spelled(characters([path]))) == TEXT


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"", "a.txt in {} is empty"),
        ("a.gz", gzip.compress(b"", mtime=0), "a.gz in {} is empty"),
        ("a.txt", b" " * 999, "a.txt in {} is blank"),
        ("a.txt", b" \r\n\t\n" * 999, "a.txt in {} is blank"),
        ("a.txt", b"\xef\xbb\xbf", "a.txt in {} is blank"),
        ("a.gz", gzip.compress(b"\xef\xbb\xbf\xe3\x80\x80\n", mtime=0), "a.gz in {} is blank"),
        ("a.txt", b"zone \xff out", "a.txt in {} is not UTF-8"),
        ("a.txt", "naï".encode()[:-1], "a.txt in {} is not UTF-8"),
        ("a.gz", gzip.compress(b"zone" * 99, mtime=0)[:-9], "a.gz in {} is truncated or damaged"),
        ("a.gz", b"zone", "a.gz in {} is truncated or damaged"),
        ("a.zip", b"zone", "a.zip in {} is truncated or damaged"),
        ("a.txt", gzip.compress(b"zone", mtime=0), "a.txt in {} is compressed or an office document"),
        ("a.docx", b"PK\3\4\x14\0\6\0zone", "a.docx in {} is compressed or an office document"),
    ],
)
def test_a_file_that_is_not_text_is_refused(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    for code in (lambda: characters([tmp_path / name], tmp_path), lambda: words([tmp_path / name], 0, (), tmp_path)):
        with pytest.raises(InputRefusedError) as refused:
            code()
        assert str(refused.value).startswith(said.format(tmp_path))
    assert not list((tmp_path / "codes").iterdir())


def test_a_missing_file_and_an_archive_of_two_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefusedError, match=r"gone\.txt .* cannot be read"):
        characters([tmp_path / "gone.txt"])
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.txt", "a")
        archive.writestr("b.txt", "b")
    with pytest.raises(InputRefusedError, match=r"two\.zip .* holds 2 files"):
        characters([tmp_path / "two.zip"])


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputRefusedError, match="XDG_CACHE_HOME"):
        characters([write(tmp_path / "a.txt")], cache=tmp_path / "file")
