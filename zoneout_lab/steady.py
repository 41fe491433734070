"""A file that is read while results made of it are in use: what is read from it is what was there when it was opened."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from zoneout_lab.errors import InputRefusedError, IntegrityError

_PIECE = 1 << 30  # bytes


class SteadyFile(io.RawIOBase):
    """An open file of bytes. Another file may be put in its place; once somebody has written to this one, each read raises IntegrityError.

    Processes forked from this one may read it too: they share no position. Pickled, it is its bytes in memory.
    """

    _descriptor = -1  # not opened yet

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._path, self._position = path, 0
        self._was = self._now()

    @property
    def size(self) -> int:
        """Bytes that it had when it was opened."""
        return self._was[0]

    def at(self, position: int, count: int) -> bytes:
        """So many bytes from there, fewer at the end."""
        pieces, left = [], count
        # a system reads at most 2 GiB at once, and some refuse to read more
        while left and (piece := os.pread(self._descriptor, min(left, _PIECE), position)):
            pieces.append(piece)
            position, left = position + len(piece), left - len(piece)
        if self._now() != self._was:
            raise IntegrityError(f"{self._path} was written to while it was being read. Open it again.")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer: Any) -> int:
        with memoryview(buffer).cast("B") as into:
            content = self.at(self._position, len(into))
            into[: len(content)] = content
        self._position += len(content)
        return len(content)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size}[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed and self._descriptor >= 0:
            os.close(self._descriptor)
        super().close()

    def __reduce__(self) -> tuple[type[io.BytesIO], tuple[bytes]]:
        return io.BytesIO, (self.at(0, self.size),)

    def _now(self) -> tuple[int, int]:
        status = os.fstat(self._descriptor)
        return status.st_size, status.st_mtime_ns


def opened(path: Path) -> SteadyFile:
    """Open a file of results. Raises InputRefusedError where there is none or it cannot be read."""
    if not path.is_file():
        raise InputRefusedError(f"There is no result file at {path}.")
    try:
        return SteadyFile(path)
    except OSError as error:
        raise InputRefusedError(
            f"{path} cannot be read: {error.strerror}. Make it readable, or copy it to another place."
        ) from error
