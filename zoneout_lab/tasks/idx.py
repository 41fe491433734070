"""The IDX format of MNIST: two zero bytes, a type, the number of axes, the axes' sizes (big-endian), the values."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoneout_lab.tasks.files import read, refusal

UNSIGNED_BYTE = 0x08


def read_idx(path: Path, shape: tuple[int, ...]) -> tuple[NDArray[np.uint8], bytes]:
    """The array in ``path``, which has to have this ``shape``, and the bytes it was made from (header and all).

    Raises InputRefusedError where the file is truncated, is not IDX, or holds another type, shape or number of values.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "labels-idx1-ubyte"
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     read_idx(path, (3,))[0]
    array([7, 2, 1], dtype=uint8)
    """
    header = 4 + 4 * len(shape)
    size = math.prod(shape)
    content = read(path, most=header + size)
    if len(content) < header:
        raise refusal(path, f"is truncated: {len(content)} bytes are less than its header")
    magic = bytes([0, 0, UNSIGNED_BYTE, len(shape)])
    if content[:4] != magic:
        raise refusal(path, f"is not the IDX file it should be: it begins {content[:4].hex()}, expected {magic.hex()}")
    found = struct.unpack(f">{len(shape)}I", content[4:header])
    if found != shape:
        raise refusal(path, f"holds {_by(found)} values, expected {_by(shape)}")
    if len(content) != header + size:
        fault = "is truncated: it" if len(content) < header + size else "is too long: it"
        raise refusal(path, f"{fault} does not hold the {size:,} values its header announces")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape), content


def idx_shape(path: Path) -> tuple[int, ...]:
    """The shape of the array in ``path``, from the header alone.

    Raises InputRefusedError where the file is truncated, is not IDX, or holds another type.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "labels-idx1-ubyte"
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     idx_shape(path)
    (3,)
    """
    start = read(path, most=4 + 4 * 255)
    if start[:3] != bytes([0, 0, UNSIGNED_BYTE]):
        raise refusal(path, f"is not an IDX file of bytes: it begins {start[:4].hex() or 'nowhere'}, expected 000008")
    axes = start[3] if len(start) > 3 else 0
    if not axes or len(start) < 4 + 4 * axes:
        raise refusal(path, f"is truncated: {len(start)} bytes are less than its header")
    return struct.unpack(f">{axes}I", start[4 : 4 + 4 * axes])


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{size:,}" for size in shape)
