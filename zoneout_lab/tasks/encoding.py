"""The encoding of a text: which one may be named, and what its bytes say where they are in another."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from zoneout_lab.errors import InputRefusedError

UTF_8 = "utf-8"
#: one character in so many may be NUL or another control character that texts do without
CONTROLS_ONE_IN = 100
# not white space (records are separated by some), nor what terminals are told: backspace, escape, delete
_CONTROLS = re.compile("[\0-\x07\x0e-\x1a]")
# The first two are of host names; what the others decode may hold halves of characters.
_NOT_OF_FILES = ("idna", "punycode", "unicode-escape", "raw-unicode-escape", "utf-7")
_WIDE = ("utf-16", "utf-32")
# UTF-32's mark begins with UTF-16's, so it is looked for first.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, UTF_8),
)


def check_encoding(name: str, value: object) -> None:
    """Refuse ``value`` unless it names an encoding of texts that Python knows.

    >>> check_encoding("encoding", "latin-1")
    >>> check_encoding("encoding", "rot13")
    Traceback (most recent call last):
    ...
    zoneout_lab.errors.InputRefusedError: encoding is 'rot13'; it has to be an encoding of text, for example utf-8, utf-16-le or cp1252.
    """
    known = False
    if isinstance(value, str):
        with suppress(LookupError, ValueError):
            "text".encode(value)  # some codecs are not of text
            known = codecs.lookup(value).name not in _NOT_OF_FILES
    if not known:
        raise InputRefusedError(
            f"{name} is {value!r}; it has to be an encoding of text, for example utf-8, utf-16-le or cp1252."
        )


def canonical(encoding: str) -> str:
    """One name for all spellings of an encoding. A byte-order mark is left out of any text, so that of UTF-8 needs no name.

    >>> canonical("U8"), canonical("utf-8-sig"), canonical("UTF-16LE")
    ('utf-8', 'utf-8', 'utf-16-le')
    """
    name = codecs.lookup(encoding).name
    return UTF_8 if name == "utf-8-sig" else name


def decoded(pieces: Iterable[bytes], encoding: str, path: Path) -> Iterator[str]:
    """The text of ``pieces`` in pieces, without a byte-order mark; ``path`` is named in errors.

    Raises InputRefusedError where the bytes are not of this ``encoding`` or show that they are of another: more than one character in
    a hundred is a control character that texts do without, a byte-order mark or the places of such bytes are another encoding's, or
    what should be UTF-16 is UTF-8. Also where there is nothing but white space.

    >>> list(decoded([b"zo", b"ne"], "utf-8", Path("a.txt")))
    ['zo', 'ne', '']
    >>> list(decoded(["zone".encode("utf-16-le")], "utf-8", Path("a.txt")))
    Traceback (most recent call last):
    ...
    zoneout_lab.errors.InputRefusedError: a.txt in . is not UTF-8 text: 4 of its 8 characters are NUL. It looks like utf-16-le. ...
    """
    codec = canonical(encoding)
    decode = codecs.getincrementaldecoder(codec)().decode
    seen = _Seen(codec)
    count, nuls, controls, blank = 0, 0, 0, True

    def texts() -> Iterator[str]:
        for piece in pieces:
            seen.add(piece)
            yield decode(piece)
        yield decode(b"", True)

    try:
        for text in texts():
            # Not every decoder takes the mark away.
            kept = text if count else text.removeprefix("\ufeff")
            count += len(text)
            nuls += text.count("\0")
            controls += len(_CONTROLS.findall(text))
            blank = blank and (not kept or kept.isspace())
            yield kept
    except UnicodeError as error:
        fault = f"{getattr(error, 'reason', error)} within the megabyte before byte {seen.size:,}"
        raise _refusal(path, codec, fault, seen.likely()) from error
    if controls * CONTROLS_ONE_IN > count:
        found = f"{nuls:,}" if nuls * CONTROLS_ONE_IN > count else f"{controls:,}"
        kind = "NUL" if nuls * CONTROLS_ONE_IN > count else "control characters"
        raise _refusal(path, codec, f"{found} of its {count:,} characters are {kind}", seen.likely())
    other = seen.other()
    if other:
        raise _refusal(path, codec, "its bytes are those of another encoding", other)
    if blank:
        raise InputRefusedError(
            f"{path.name} in {path.parent} is blank: it has no more than white space or a byte-order mark. Name a file with text."
        )


class _Seen:
    """What the bytes of a file have shown while ``codec`` decoded them."""

    def __init__(self, codec: str) -> None:
        self.codec = codec
        self.size = 0
        self.start = b""
        self.nuls = np.zeros(4, np.int64)  # by their place in each four bytes
        self.low = np.zeros(2, np.int64)  # bytes below 32, by their place in each two
        self.utf8 = None if codec == UTF_8 else codecs.getincrementaldecoder(UTF_8)()  # while they are UTF-8

    def add(self, piece: bytes) -> None:
        self.start = (self.start + piece[:4])[:4]
        low = np.frombuffer(piece, np.uint8) < 32
        self.low[self.size % 2] += np.count_nonzero(low[::2])
        self.low[1 - self.size % 2] += np.count_nonzero(low[1::2])
        if b"\0" in piece:
            places = np.flatnonzero(np.frombuffer(piece, np.uint8) == 0)
            self.nuls += np.bincount((places + self.size) % 4, minlength=4)
            self.utf8 = None
        self.size += len(piece)
        if self.utf8:
            try:
                self.utf8.decode(piece)
            except UnicodeDecodeError:
                self.utf8 = None

    def likely(self) -> str:
        """The encoding that they speak for; empty where they speak for none."""
        return self.mark() or self.by_nuls() or self.by_blocks() or (UTF_8 if self.utf8 else "")

    def mark(self) -> str:
        """The encoding of the byte-order mark; empty without one."""
        return next((name for mark, name in _MARKS if self.start.startswith(mark)), "")

    def by_nuls(self) -> str:
        """The encoding of wide characters that the places of NULs speak for; empty where they do not."""
        if self.nuls.sum() < 4:  # that may be an accident
            return ""
        full = self.nuls * 4 / max(1, self.size)  # the share of NULs in each place
        if full[2] > 0.9 and full[3] > 0.9 and full[0] < 0.5:
            return "utf-32-le"
        if full[0] > 0.9 and full[1] > 0.9 and full[3] < 0.5:
            return "utf-32-be"
        even, odd = int(self.nuls[::2].sum()), int(self.nuls[1::2].sum())
        return "utf-16-le" if odd > 9 * even else "utf-16-be" if even > 9 * odd else ""

    def by_blocks(self) -> str:
        """The order of UTF-16 in which nearly every character is below U+2000: of an alphabet, whose numbers begin alike; or empty."""
        if self.size < 8:
            return ""
        even, odd = self.low * 2 / self.size
        return "utf-16-le" if odd > 0.9 and even < 0.8 else "utf-16-be" if even > 0.9 and odd < 0.8 else ""

    def other(self) -> str:
        """The encoding that the bytes are in beyond doubt, where it is not the one that decoded them; otherwise empty."""
        mark = self.mark()
        if mark:
            return "" if mark == self.codec or mark[:6] == self.codec else mark
        if self.codec[:6] not in _WIDE:
            return ""
        # As many as spaces and line ends make; some letters have a byte of zero too, in the other place.
        found = self.by_nuls() if self.nuls.sum() * 20 > self.size else self.by_blocks()
        if not found and self.utf8:  # UTF-16 makes characters of nearly any bytes
            found = UTF_8
        return found if found != self.codec else ""


def _refusal(path: Path, codec: str, fault: str, likely: str) -> InputRefusedError:
    head = f"{path.name} in {path.parent} is not {'UTF-8' if codec == UTF_8 else codec} text: {fault}."
    if likely == codec:
        likely = ""
    if likely == UTF_8:
        return InputRefusedError(f"{head} It looks like UTF-8: set options.encoding=utf-8, or leave it out.")
    looks = f" It looks like {likely}." if likely else ""
    named = f"set options.encoding={likely}" if likely else "set options.encoding to its own, for example cp1252"
    return InputRefusedError(f"{head}{looks} Save it as UTF-8, or {named} (char_text and word_text have that option).")
