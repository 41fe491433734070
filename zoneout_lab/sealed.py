"""Files that hold the SHA-256 of their own bytes: one that was copied elsewhere by itself can still be checked.

In netCDF and HTML it is in a line at the end, which their readers pass over; in JSON it is an entry. A file without it is one from elsewhere,
or from before there was one.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping
from typing import Any, BinaryIO

#: what may stand on both sides of the SHA-256: in netCDF a line of its own, in HTML a comment
_LINE = re.compile(rb"(?:\n|<!-- )SHA-256 of all bytes before this line: ([0-9a-f]{64})(?: -->)?\n\Z")
_LONGEST = 128
_PIECE = 1 << 20
#: where it goes among the entries of the outermost object, which alone are indented by one; no text in JSON has a line end in it
_BEGIN = b'\n "sha256": "'
_ENTRY = re.compile(_BEGIN + rb'([0-9a-f]{64})"')
_NONE = b"0" * 64


def sealed(content: bytes, *, html: bool = False) -> bytes:
    """The content with that line at its end.

    >>> sealed(b"zone", html=True).decode()
    'zone<!-- SHA-256 of all bytes before this line: 543e... -->\\n'
    """
    sha256 = hashlib.sha256(content).hexdigest()
    line = f"SHA-256 of all bytes before this line: {sha256}"
    return content + (f"<!-- {line} -->\n" if html else f"\n{line}\n").encode()


def is_whole(content: bytes) -> bool | None:
    """True where a file is what was sealed, False where it is not, None where it has no seal.

    >>> is_whole(sealed(b"zone")), is_whole(sealed(b"zone").replace(b"zone", b"zoom")), is_whole(b"zone")
    (True, False, None)
    """
    return is_whole_file(io.BytesIO(content), len(content))


def is_whole_file(file: BinaryIO, size: int) -> bool | None:
    """The same of an open file of so many bytes, which is read in pieces."""
    found = seal_of(file, size)
    if found is None:
        return None
    left = max(0, size - _LONGEST) + found.start()
    file.seek(0)
    sha256 = hashlib.sha256()
    while left and (piece := file.read(min(left, _PIECE))):
        sha256.update(piece)
        left -= len(piece)
    return sha256.hexdigest().encode() == found[1]


def seal_of(file: BinaryIO, size: int) -> re.Match[bytes] | None:
    """The line at the end of an open file of so many bytes; None where it has none."""
    file.seek(max(0, size - _LONGEST))
    return _LINE.search(file.read(_LONGEST))


def sealed_json(content: Mapping[str, Any]) -> bytes:
    """An object as JSON, with the SHA-256 of these bytes as they are with 64 zeros in its place, as the entry ``sha256``.

    >>> sealed_json({"runs": {}}).decode()[:22]
    '{\\n "runs": {},\\n "sha25'
    """
    text = (json.dumps({**content, "sha256": _NONE.decode()}, indent=1, sort_keys=True) + "\n").encode()
    before, _, after = text.partition(_BEGIN + _NONE)
    return before + _BEGIN + hashlib.sha256(text).hexdigest().encode() + after


def is_whole_json(text: bytes) -> bool | None:
    """True where these bytes of JSON are what was sealed, False where they are not, None where they have no seal.

    >>> text = sealed_json({"p": 0.5})
    >>> is_whole_json(text), is_whole_json(text.replace(b"0.5", b"0.7")), is_whole_json(b'{"p": 0.5}')
    (True, False, None)
    """
    found = _ENTRY.search(text)
    if found is None:
        return None
    begin, end = found.span(1)
    return hashlib.sha256(text[:begin] + _NONE + text[end:]).hexdigest().encode() == found[1]
