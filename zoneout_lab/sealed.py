"""A line at a file's end with the SHA-256 of all bytes before it: a file that was copied elsewhere by itself can still be checked.

Readers of netCDF and browsers pass over it. A file without that line is one from elsewhere, or from before there was one.
"""

from __future__ import annotations

import hashlib
import io
import re
from typing import BinaryIO

#: what may stand on both sides of the SHA-256: in netCDF a line of its own, in HTML a comment
_LINE = re.compile(rb"(?:\n|<!-- )SHA-256 of all bytes before this line: ([0-9a-f]{64})(?: -->)?\n\Z")
_LONGEST = 128
_PIECE = 1 << 20


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
