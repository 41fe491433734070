"""A line at a file's end with the SHA-256 of all bytes before it: a file that was copied elsewhere by itself can still be checked.

Readers of netCDF and browsers pass over it. A file without that line is one from elsewhere, or from before there was one.
"""

from __future__ import annotations

import hashlib
import re

#: what may stand on both sides of the SHA-256: in netCDF a line of its own, in HTML a comment
_LINE = re.compile(rb"(?:\n|<!-- )SHA-256 of all bytes before this line: ([0-9a-f]{64})(?: -->)?\n\Z")
_LONGEST = 128


def sealed(content: bytes, *, html: bool = False) -> bytes:
    """The content with that line at its end.

    >>> sealed(b"zone", html=True).decode()
    'zone<!-- SHA-256 of all bytes before this line: 82dc... -->\\n'
    """
    sha256 = hashlib.sha256(content).hexdigest()
    line = f"SHA-256 of all bytes before this line: {sha256}"
    return content + (f"<!-- {line} -->\n" if html else f"\n{line}\n").encode()


def is_whole(content: bytes) -> bool | None:
    """True where a file is what was sealed, False where it is not, None where it has no seal.

    >>> is_whole(sealed(b"zone")), is_whole(sealed(b"zone").replace(b"zone", b"zoom")), is_whole(b"zone")
    (True, False, None)
    """
    found = _LINE.search(content, max(0, len(content) - _LONGEST))
    if found is None:
        return None
    return hashlib.sha256(memoryview(content)[: found.start()]).hexdigest().encode() == found[1]
