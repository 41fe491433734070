"""What an ``.npy`` file, or an array in an ``.npz``, says of its size: looked at before memory is taken for it."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np

from zoneout_lab.guarded import PACKED, gigabytes, refuse_too_large

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def check_npy(path: Path) -> None:
    """Raise ValueError, with the fault, where an ``.npy`` file announces another number of bytes than it has.

    Raises InputRefusedError where it does not fit the free memory, and what NumPy raises where the header is none.

    >>> import io, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "huge.npy"
    ...     header = {"descr": "<f8", "fortran_order": False, "shape": (10**14,)}
    ...     with path.open("wb") as file:
    ...         np.lib.format.write_array_header_1_0(file, header)
    ...     check_npy(path)
    Traceback (most recent call last):
    ValueError: its header announces 727 TiB, and 0 bytes follow
    """
    with path.open("rb") as file:
        _check(file, path.stat().st_size)
    refuse_too_large(path, path.stat().st_size)


def check_npz(path: Path, archive: zipfile.ZipFile, names: Iterable[str]) -> None:
    """Raise as :func:`check_npy` for these arrays of an ``.npz``, and where their packed sizes cannot be so large unpacked."""
    total = 0
    for name in names:
        member = archive.getinfo(f"{name}.npy" if f"{name}.npy" in archive.NameToInfo else name)
        if member.file_size > max(1, member.compress_size) * PACKED:
            raise ValueError(
                f"{name} says that {member.compress_size:,} bytes unpack to {member.file_size:,}, which cannot be"
            )
        with archive.open(member) as file:
            _check(file, member.file_size)
        total += member.file_size
    refuse_too_large(path, total)


def _check(file: IO[bytes], size: int) -> None:
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"its format {version[0]}.{version[1]} is not of arrays of numbers")
    shape, _, dtype = _HEADERS[version](file)
    announced, there = math.prod(shape) * dtype.itemsize, size - file.tell()
    if min(shape, default=0) < 0 or (announced > there and not dtype.hasobject):
        raise ValueError(f"its header announces {gigabytes(announced)}, and {there:,} bytes follow")
