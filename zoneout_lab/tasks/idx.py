"""The IDX format of MNIST: two zero bytes, a type, the number of axes, the axes' sizes (big-endian), the values."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoneout_lab.errors import InputRefusedError
from zoneout_lab.guarded import PACKED, refuse_too_large
from zoneout_lab.tasks.files import read, refusal

UNSIGNED_BYTE = 0x08
_MOST_AXES = 8
_TYPES = {b"\x08": ">u1", b"\x09": ">i1", b"\x0b": ">i2", b"\x0c": ">i4", b"\x0d": ">f4", b"\x0e": ">f8"}


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
    _check_size(path, len(content) - header, size, 1)
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape), content


def read_any_idx(path: Path) -> NDArray[Any]:
    """The array in ``path``, of any shape and any type that IDX has.

    Raises InputRefusedError where the file is truncated, is not IDX, or holds another number of values than it says.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "values"
    ...     _ = path.write_bytes(bytes([0, 0, 11, 1, 0, 0, 0, 2, 1, 0, 255, 255]))
    ...     read_any_idx(path)
    array([256,  -1], dtype=int16)
    """
    start = read(path, most=4 + 4 * 255)
    if start[:2] != b"\0\0" or start[2:3] not in _TYPES:
        raise InputRefusedError(
            f"{path.name} in {path.parent} is not an IDX file: it begins {start[:4].hex() or 'nowhere'}, expected 0000 and a type from 08 to "
            "0e. Images may be IDX, .npz or .npy files."
        )
    axes = start[3] if len(start) > 3 else 0
    if axes > _MOST_AXES:
        raise refusal(path, f"is damaged: its header announces {axes} axes")
    header = 4 + 4 * axes
    if not axes or len(start) < header:
        raise refusal(path, f"is truncated: {len(start)} bytes are less than its header")
    shape = struct.unpack(f">{axes}I", start[4:header])
    dtype = np.dtype(_TYPES[start[2:3]])
    announced = header + math.prod(shape) * dtype.itemsize
    size = path.stat().st_size
    # before so much memory is taken: a few bytes may announce petabytes
    if announced > size * (PACKED if path.suffix == ".gz" else 1):
        raise refusal(path, f"is truncated: its header announces {_by(shape)} values, which {size:,} bytes do not hold")
    refuse_too_large(path, announced)
    content = read(path, most=announced)
    _check_size(path, len(content) - header, math.prod(shape), dtype.itemsize)
    return np.frombuffer(content[header:], dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _check_size(path: Path, found: int, values: int, itemsize: int) -> None:
    if found != values * itemsize:
        fault = "is truncated: it" if found < values * itemsize else "is too long: it"
        raise refusal(path, f"{fault} does not hold the {values:,} values its header announces")


def _by(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{size:,}" for size in shape)
