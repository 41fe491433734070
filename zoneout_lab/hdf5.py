"""What a netCDF-4 file says that it holds, looked at before any of it is read.

A few hundred bytes can declare an array of a petabyte, a link to another file of this machine, or a group inside itself.
"""

from __future__ import annotations

import math
from typing import BinaryIO

import h5py

from zoneout_lab.guarded import PACKED, bytes_free, gigabytes

_MOST_OBJECTS = 10_000
_DEEPEST = 16
_SLACK = 1 << 26


def check_contents(file: BinaryIO, size: int) -> None:
    """Raise ValueError, with the fault, where a file cannot be what this package writes; the file is left to be read from its start.

    Args:
        file: of HDF5.
        size: bytes that it has.

    Refused are links and data that lie in other files, groups that are inside themselves, more than 10,000 groups and variables, more
    numbers than so many bytes can hold, and more than fit the free memory. Raises what h5py raises where it is no HDF5.
    """
    with h5py.File(file, "r") as opened:
        declared = 0
        left: list[tuple[h5py.Group, int]] = [(opened, 0)]
        seen = {h5py.h5o.get_info(opened.id).addr}
        while left:
            group, depth = left.pop()
            for name in group:
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise ValueError(f"{name!r} is a link to something else")
                found = group[name]
                seen.add(h5py.h5o.get_info(found.id).addr)
                if len(seen) > _MOST_OBJECTS:
                    raise ValueError(f"it has more than {_MOST_OBJECTS:,} groups and variables")
                if isinstance(found, h5py.Group):
                    if depth >= _DEEPEST:
                        raise ValueError(f"its groups are nested deeper than {_DEEPEST}")
                    left.append((found, depth + 1))
                elif isinstance(found, h5py.Dataset):
                    declared += _bytes_of(found)
    if declared > size * PACKED + _SLACK:
        raise ValueError(f"it declares {gigabytes(declared)} of numbers, which {size:,} bytes cannot hold")
    if declared > _SLACK and declared > (free := bytes_free()):
        raise ValueError(f"it holds {gigabytes(declared)} of numbers, and {gigabytes(free)} of memory are free")
    file.seek(0)


def end(content: bytes) -> int | None:
    """Where a file of HDF5 says that it ends; None where it does not say so in a way known here."""
    # the superblock: version, bytes of an address, and the address of the file's end
    version = content[8] if len(content) > 48 and content.startswith(b"\x89HDF\r\n\x1a\n") else None
    places = {0: (13, 40), 1: (13, 44), 2: (9, 28), 3: (9, 28)}
    if version not in places:
        return None
    width, place = places[version]
    return int.from_bytes(content[place : place + 8], "little") if content[width] == 8 else None


def _bytes_of(variable: h5py.Dataset) -> int:
    if variable.is_virtual or variable.external:
        raise ValueError(f"the numbers of {variable.name!r} lie in another file")
    return int(math.prod(variable.shape or (0,)) * variable.dtype.itemsize)
