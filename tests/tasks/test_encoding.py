"""Texts in other encodings than UTF-8: read when they are named, refused with the likely one when they are not."""

from __future__ import annotations

import codecs
import gzip
from pathlib import Path

import numpy as np
import pytest

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.tasks import CharText, WordText, corpus
from zoneout_lab.tasks.corpus import Corpus, characters, words
from zoneout_lab.tasks.encoding import decoded

ENGLISH = "The zoneout of hidden states.\nPreserve, or update?\n" * 5
RUSSIAN = "Сохранить или обновить скрытое состояние сети?\n" * 5
CHINESE = "循环神经网络的正则化。\n保留一个单元的状态,或者更新它。\n" * 5
WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def spelled(found: Corpus) -> str:
    return "".join(found.about.names[s] for s in found.symbols.tolist())


@pytest.mark.parametrize("text", [ENGLISH, RUSSIAN], ids=["English", "Russian"])
@pytest.mark.parametrize("encoding", WIDE)
def test_wide_characters_without_a_mark_are_refused_with_their_encoding(
    tmp_path: Path, encoding: str, text: str
) -> None:
    path = put(tmp_path / "a.txt", text.encode(encoding))
    for read in (lambda: characters([path]), lambda: words([path], most=0), CharText(str(path)).load):
        with pytest.raises(InputRefusedError, match=rf"a\.txt .* are NUL\. .* set options\.encoding={encoding} "):
            read()
    packed = put(tmp_path / "a.gz", gzip.compress(path.read_bytes()))
    with pytest.raises(InputRefusedError, match=f"options.encoding={encoding} "):
        characters([packed])


UNSPACED = {
    "Russian": "сохранитьилиобновить" * 20,
    "Russian capitals": "СОХРАНИТЬИЛИОБНОВИТЬ" * 20,
    "Greek": "διατήρησηήενημέρωση" * 20,
    "Hebrew": "לשמוראולעדכןאתהמצב" * 20,
    "Arabic": "احتفظأوحدثالحالة" * 20,
    "Hindi": "अवस्थाकोबनाएरखेंयाबदलें" * 20,
    "Thai": "รักษาหรือปรับปรุงสถานะ" * 20,
    "Georgian": "შენარჩუნებაანგანახლება" * 20,
}  # fmt: skip


@pytest.mark.parametrize("named", ["utf-8", "cp1251", "the other order"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("language", UNSPACED)
def test_wide_characters_without_a_nul_are_refused_with_their_encoding(
    tmp_path: Path, language: str, encoding: str, named: str
) -> None:
    path = put(tmp_path / "a.txt", UNSPACED[language].encode(encoding))
    other = {"utf-16-le": "utf-16-be", "utf-16-be": "utf-16-le"}[encoding] if named == "the other order" else named
    with pytest.raises(InputRefusedError, match=f"It looks like {encoding}. .* set options.encoding={encoding} "):
        characters([path], encoding=other)
    assert spelled(characters([path], encoding=encoding)) == UNSPACED[language]


@pytest.mark.parametrize("control", [*range(8), 14, 20, 26, 27, 8, 12, 11, 31, 127])
def test_control_characters_that_no_text_is_full_of_are_counted_as_nul_is(tmp_path: Path, control: int) -> None:
    text = ("é" * 98 + chr(control)) * 50
    path = put(tmp_path / "a.txt", text.encode())
    if control in (27, 8, 12, 11, 31, 127):  # terminals, pages and records have these
        assert spelled(characters([path])) == text
    else:
        with pytest.raises(InputRefusedError, match=r"50 of its 4,950 characters are (NUL|control characters)"):
            characters([path])
    rare = text.replace("é" * 98, "é" * 99)
    assert spelled(characters([put(tmp_path / "b.txt", rare.encode())])) == rare


@pytest.mark.parametrize("piece", [1, 2, 3, 1 << 20])
@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *((CHINESE + ENGLISH, encoding) for encoding in (*WIDE, "utf-16", "utf-32", "utf-8-sig", "gb18030")),
        (RUSSIAN, "koi8-r"),
        ("na\xefve caf\xe9\n", "cp1252"),
        ("日本語 text\n", "iso2022_jp"),
        ("zone out\n", "cp037"),
    ],
)
def test_a_named_encoding_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, encoding: str, piece: int
) -> None:
    monkeypatch.setattr(corpus, "PIECE", piece)
    path = put(tmp_path / "a.txt", text.encode(encoding))
    assert spelled(characters([path], encoding=encoding)) == text
    assert spelled(words([path], most=0, encoding=encoding)) == "".join(text.replace("\n", " <eos> ").split())


@pytest.mark.parametrize("encoding", WIDE)
def test_a_byte_order_mark_is_not_a_character_and_settles_the_order(tmp_path: Path, encoding: str) -> None:
    path = put(tmp_path / "a.txt", ("\ufeff" + CHINESE).encode(encoding))
    for name in (encoding, encoding[:6]):
        assert spelled(characters([path], encoding=name)) == CHINESE
    # The mark of UTF-32 begins with that of UTF-16, so the order of what follows is not UTF-16's.
    for other in sorted({*WIDE, "utf-8", "latin-1"} - {encoding}):
        with pytest.raises(InputRefusedError, match=f"options.encoding={encoding} "):
            characters([path], encoding=other)


@pytest.mark.parametrize(("every", "read"), [(100, True), (99, False)])
def test_more_than_one_nul_in_a_hundred_characters_is_refused(tmp_path: Path, every: int, read: bool) -> None:
    text = ("é" * (every - 1) + "\0") * 50  # two bytes each: characters count, not bytes
    path = put(tmp_path / "a.txt", text.encode())
    if read:
        assert spelled(characters([path])) == text
    else:
        with pytest.raises(InputRefusedError, match="50 of its 4,950 characters are NUL"):
            characters([path])


@pytest.mark.parametrize(
    ("content", "encoding", "said"),
    [
        (
            2 * ENGLISH.encode(),
            "utf-16-le",
            "is not utf-16-le text: its bytes are those of another encoding. It looks like UTF-8",
        ),
        ((RUSSIAN + "!").encode(), "utf-16", "It looks like UTF-8: set options.encoding=utf-8, or leave it out"),
        (ENGLISH.encode("utf-16-be"), "utf-16-le", "It looks like utf-16-be"),
        (ENGLISH.encode("utf-16-be"), "utf-16", "It looks like utf-16-be"),
        (RUSSIAN.encode("utf-16-le"), "utf-16-be", "It looks like utf-16-le"),
        (ENGLISH.encode("utf-32-le"), "utf-16-le", "It looks like utf-32-le"),
        (ENGLISH.encode("utf-16-le"), "cp1252", "It looks like utf-16-le"),
        (codecs.BOM_UTF8 + ENGLISH.encode(), "latin-1", "It looks like UTF-8"),
        ("naïve café".encode("latin-1"), "utf-8", "is not UTF-8 text: invalid continuation byte within"),
        ("naïve café".encode("latin-1"), "utf-8", "set options.encoding to its own, for example cp1252"),
        (
            "naïve".encode(),
            "ascii",
            "is not ascii text: ordinal not in range(128) within the megabyte before byte 6. It looks like UTF-8",
        ),
        (CHINESE.encode("utf-16-le")[:-1], "utf-16-le", "is not utf-16-le text: truncated data"),
        (CHINESE.replace("一", "").encode("utf-16-be"), "utf-8", "It looks like utf-16-be"),
        (codecs.BOM_UTF8 + b"na\xefve", "utf-8", "Save it as UTF-8, or set options.encoding to its own"),
        (b"caf\xe9\0", "utf-8", "Save it as UTF-8, or set options.encoding to its own"),
        (bytes(2000), "utf-8", "2,000 of its 2,000 characters are NUL. Save it"),
    ],
)
def test_a_text_in_another_encoding_than_the_named_is_refused(
    tmp_path: Path, content: bytes, encoding: str, said: str
) -> None:
    path = put(tmp_path / "a.txt", content)
    with pytest.raises(InputRefusedError) as refused:
        characters([path], encoding=encoding)
    assert said in str(refused.value)
    assert str(refused.value).startswith(f"a.txt in {tmp_path} is not ")


def test_a_chinese_text_of_one_line_is_not_taken_for_the_other_order(tmp_path: Path) -> None:
    """一 is 4E 00: its zero stands where those of Latin letters stand in the other order."""
    text = CHINESE.replace("\n", "")
    path = put(tmp_path / "a.txt", text.encode("utf-16-le"))
    assert spelled(characters([path], encoding="utf-16-le")) == text


@pytest.mark.parametrize(
    "name",
    ["rot13", "base64", "zip", "undefined", "idna", "utf-7", "unicode_escape", "klingon", "", "a\0b", 1252, None],
)
def test_an_unknown_encoding_is_refused(name: object) -> None:
    for task in (CharText, WordText):
        with pytest.raises(InputRefusedError, match=r"encoding is .*for example utf-8, utf-16-le or cp1252"):
            task(encoding=name)  # type: ignore[arg-type]


def test_the_encoding_decides_which_codes_are_found(tmp_path: Path) -> None:
    path = put(tmp_path / "a.txt", "naïve ".encode("cp1252") * 9)
    found = [
        spelled(characters([path], tmp_path, encoding=name)) for name in ("cp1252", "koi8-r", "cp1252", "windows-1252")
    ]
    assert found == ["naïve " * 9, "naОve " * 9, "naïve " * 9, "naïve " * 9]
    assert len(list((tmp_path / "codes").iterdir())) == 2
    plain = put(tmp_path / "b.txt", b"zone out")
    for name in ("utf-8", "UTF8", "utf-8-sig"):
        characters([plain], tmp_path, encoding=name)
    assert len(list((tmp_path / "codes").iterdir())) == 3


def test_the_tasks_read_what_they_read_in_utf_8(tmp_path: Path) -> None:
    text = " ".join(f"слово{k % 30}" + "\n" * (k % 7 == 0) for k in range(2000))
    plain = str(put(tmp_path / "a.txt", text.encode()))
    wide = str(put(tmp_path / "b.txt", text.encode("utf-16-be")))
    valid = str(put(tmp_path / "v.txt", (text + "new").encode("utf-16-be")))
    for task in (CharText, WordText):
        assert task(wide, encoding="utf-16-be").load().digest == task(plain).load().digest
        with pytest.raises(InputRefusedError, match=r"v\.txt .* options\.encoding=utf-16-be"):
            task(plain, valid_path=valid).load()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "cp1252", "shift_jis"])
def test_any_bytes_are_text_or_refused(encoding: str) -> None:
    rng = np.random.default_rng(0)
    for kinds in (2, 40, 130, 256):
        for size in (1, 2, 3, 50, 401):
            content = rng.integers(0, kinds, size, np.uint8).tobytes()
            try:
                text = "".join(decoded([content], encoding, Path("a.txt")))
            except InputRefusedError:
                continue
            assert text.encode("utf-8")  # no halves of characters
            assert text.encode(encoding) == content or encoding == "shift_jis"
