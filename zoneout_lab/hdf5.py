"""What a netCDF-4 file says that it holds, looked at before any of it is read.

A few hundred bytes can declare an array of a petabyte, a link to another file of this machine, or a group inside itself.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator
from typing import BinaryIO, NamedTuple

import h5py
from h5py import h5d, h5f, h5g, h5l, h5o, h5t

from zoneout_lab import sealed
from zoneout_lab.guarded import PACKED, gigabytes
from zoneout_lab.memory import memory_available

_MOST_OBJECTS = 10_000
_DEEPEST = 16
_SLACK = 1 << 26
_SUPERBLOCK = 64  # bytes


class Found(NamedTuple):
    """An object of a file: the path of the group it lies in, its name, itself, and the shape of a variable that has numbers."""

    path: str
    name: str
    each: h5g.GroupID | h5d.DatasetID | h5t.TypeID
    shape: tuple[int, ...] | None


def check_contents(file: BinaryIO, size: int, *, in_memory: bool = True) -> None:
    """Raise ValueError, with the fault, where a file cannot be what this package writes; the file is left to be read from its start.

    Args:
        file: of HDF5.
        size: bytes that it has.
        in_memory: all of it is to be read into memory.

    Refused is what :func:`walk` refuses. Raises what h5py raises where it is no HDF5.
    """
    with h5py.File(file, "r") as opened:
        for _ in walk(opened.id, size, in_memory=in_memory):
            pass
    file.seek(0)


def walk(file: h5f.FileID, size: int, *, in_memory: bool = True, into: Container[str] | None = None) -> Iterator[Found]:
    """Every object of an open file, each checked before it is given.

    Args:
        file: as h5py opened it.
        size: bytes that it has.
        in_memory: all of it is to be read into memory.
        into: the paths of the groups whose contents are wanted, beside the root's; None: of all.

    Raises ValueError for links, data that lie in other files, what is there under two names, as a group inside itself is, more than 10,000
    groups and variables, more numbers than so many bytes can hold, and, where that is where they go, more than fit the free memory.
    """
    root, declared = h5g.open(file, b"/"), 0
    left = [("/", root, 0)]
    seen = {h5o.get_info(root).addr}
    while left:
        path, group, depth = left.pop()
        links = group.links
        for raw in group:
            name, shape = raw.decode("utf-8", "surrogateescape"), None
            link = links.get_info(raw)
            if link.type != h5l.TYPE_HARD:
                raise ValueError(f"{name!r} is a link to something else")
            found, address = _opened(group, raw), link.u
            if address in seen:
                raise ValueError(f"{name!r} is there twice, or inside itself")
            seen.add(address)
            if len(seen) > _MOST_OBJECTS:
                raise ValueError(f"it has more than {_MOST_OBJECTS:,} groups and variables")
            if isinstance(found, h5g.GroupID):
                if depth >= _DEEPEST:
                    raise ValueError(f"its groups are nested deeper than {_DEEPEST}")
                inside = f"{path.rstrip('/')}/{name}"
                if into is None or inside in into:
                    left.append((inside, found, depth + 1))
            elif isinstance(found, h5d.DatasetID):
                shape = found.shape
                declared += _bytes_of(found, name, shape)
                _refuse_too_much(declared, size, in_memory=in_memory)
            yield Found(path, name, found, shape)


def _opened(group: h5g.GroupID, name: bytes) -> h5g.GroupID | h5d.DatasetID | h5t.TypeID:
    try:
        return h5d.open(group, name)  # in a third of the time
    except (KeyError, TypeError, ValueError):
        return h5o.open(group, name)


def _refuse_too_much(declared: int, size: int, *, in_memory: bool) -> None:
    if declared > size * PACKED + _SLACK:
        raise ValueError(f"it declares {gigabytes(declared)} of numbers, which {size:,} bytes cannot hold")
    if in_memory and declared > _SLACK and declared > (free := memory_available()):
        raise ValueError(f"it holds {gigabytes(declared)} of numbers, and {gigabytes(free)} of memory are free")


def is_as_sealed(file: BinaryIO, size: int) -> bool:
    """False where an open file is not as it was sealed: its SHA-256 differs, or it goes on behind the end of HDF5 with no seal that can be read."""
    whole = sealed.is_whole_file(file, size)
    file.seek(0)
    ends = end(file.read(_SUPERBLOCK)) if whole is None else None
    file.seek(0)
    return whole is not False and (ends is None or size <= ends)


def end(content: bytes) -> int | None:
    """Where a file of HDF5 says that it ends; None where it does not say so in a way known here."""
    # the superblock: version, bytes of an address, and the address of the file's end
    version = content[8] if len(content) > 48 and content.startswith(b"\x89HDF\r\n\x1a\n") else None
    places = {0: (13, 40), 1: (13, 44), 2: (9, 28), 3: (9, 28)}
    if version not in places:
        return None
    width, place = places[version]
    return int.from_bytes(content[place : place + 8], "little") if content[width] == 8 else None


def _bytes_of(variable: h5d.DatasetID, name: str, shape: tuple[int, ...] | None) -> int:
    if variable.get_offset() is None:  # which numbers in one piece have, and those in another file do not
        how = variable.get_create_plist()
        if how.get_layout() == h5d.VIRTUAL or how.get_external_count():
            raise ValueError(f"the numbers of {name!r} lie in another file")
    return math.prod((0,) if shape is None else shape) * int(variable.dtype.itemsize)
