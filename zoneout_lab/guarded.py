"""Files from elsewhere, looked at before they are believed: how large and how deep JSON is, and where the names in it lead.

A results folder may come from anybody. Nothing of it is run; what is read of it is bounded first, and stays in the folder.
"""

from __future__ import annotations

import json
import os
import re
from itertools import accumulate
from os.path import realpath
from pathlib import Path
from typing import Any

from zoneout_lab.errors import InputRefusedError, IntegrityError
from zoneout_lab.memory import memory_available

#: bytes of a JSON file: a manifest of 50,000 runs has fewer
LARGEST = 1 << 25
#: brackets within brackets: what is written here has ten
DEEPEST = 64
#: bytes that one byte of deflate can stand for, at most
PACKED = 1032
_LONGEST_NAME = 255  # bytes, of most file systems
_SURELY_FREE = 1 << 26
# to its end where it has none: the pattern never has to go back, whatever the text
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKETS = re.compile(r"[\[\]{}]")
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises InputRefusedError where the file cannot be read, IntegrityError where it is larger than 32 MiB, nested deeper than 64, or no
    JSON object.
    """
    return as_object(path, contents(path))


def contents(path: Path) -> bytes:
    """The bytes of a file of JSON. Raises as :func:`read_json` where it cannot be read or is too large."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise InputRefusedError(f"Cannot read {path}: {error.strerror or error}.") from error
    if len(content) > LARGEST:
        raise IntegrityError(f"{path} is damaged: it has more than {LARGEST >> 20} MiB, and no such file is written.")
    return content


def as_object(path: Path, content: bytes) -> dict[str, Any]:
    """The JSON object that these bytes of a file are. Raises IntegrityError as :func:`read_json` does."""
    try:
        value = loads(content.decode("utf-8"))
    except ValueError as error:
        raise IntegrityError(f"{path} is damaged: it is not JSON ({error}).") from error
    if not isinstance(value, dict):
        raise IntegrityError(f"{path} is damaged: it does not hold a JSON object.")
    return value


def loads(text: str, *, once: bool = False) -> Any:
    """The value of a JSON text, whose depth is known before it is parsed. Raises ValueError where it is none or too deep, or a key stands twice in an object
    and each may stand ``once``.

    >>> loads('{"a": [1, "[[["]}')
    {'a': [1, '[[[']}
    >>> loads("[" * 100_000)
    Traceback (most recent call last):
    ValueError: it is nested deeper than 64
    """
    if text.count("[") + text.count("{") > DEEPEST:
        brackets = _BRACKETS.finditer(_STRING.sub("", text))
        if any(depth > DEEPEST for depth in accumulate(_STEP[bracket[0]] for bracket in brackets)):
            raise ValueError(f"it is nested deeper than {DEEPEST}")
    return json.loads(text, object_pairs_hook=_once if once else None)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in it")
    return out


def inside(folder: Path, name: object) -> Path:
    """The file of a folder that a name in its manifest means.

    Raises IntegrityError where the name could lead out of the folder, by itself or through a link, or is no name for a file on every
    system.

    >>> inside(Path("runs/a-1f3a9c"), "runs/lstm-s000-0123abcd.nc").as_posix()
    'runs/a-1f3a9c/runs/lstm-s000-0123abcd.nc'
    >>> inside(Path("runs/a-1f3a9c"), "../b/MANIFEST.json")
    Traceback (most recent call last):
    zoneout_lab.errors.IntegrityError: runs/a-1f3a9c/MANIFEST.json is damaged: it names the file '../b/MANIFEST.json', which lies outside the folder.
    """
    fault = fault_of_name(name)
    if not fault:
        # there are thousands of names in a manifest, and a Path for each part takes longer than all else
        place = str(folder)
        for part in _parts(str(name)):
            place = f"{place}/{part}"
            # only a link can lead elsewhere from here, and few files are links
            if os.path.islink(place) and not Path(realpath(place)).is_relative_to(realpath(folder)):  # noqa: PTH114
                fault = "lies outside the folder: a link leads there"
                break
        else:
            return folder / str(name)
    shown = repr(name if len(str(name)) <= _LONGEST_NAME else str(name)[:60] + "…")
    raise IntegrityError(f"{folder / 'MANIFEST.json'} is damaged: it names the file {shown}, which {fault}.")


def fault_of_name(name: object) -> str:
    """What is wrong with a name of a file below a folder, on any system; empty where nothing is.

    >>> fault_of_name("runs/lstm.nc"), fault_of_name("../lstm.nc"), fault_of_name("nul.nc")
    ('', 'lies outside the folder', 'is no name for a file on every system')
    """
    if not isinstance(name, str) or not name:
        return "is no name"
    parts = _parts(name)
    if name.startswith("/") or ".." in parts or "\\" in name or ":" in name:
        return "lies outside the folder"
    if not name.isprintable():
        return "has control characters in it"
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in parts):
        return "is longer than a name can be"
    if any(_DEVICES.fullmatch(part) or part.endswith((".", " ")) for part in parts):
        return "is no name for a file on every system"
    return "" if parts else "is no name"


def _parts(name: str) -> list[str]:
    return [part for part in name.split("/") if part not in ("", ".")]


def refuse_too_large(path: Path, size: int) -> None:
    """Raise InputRefusedError where so many bytes of a file do not fit the free memory."""
    if size > _SURELY_FREE and size > (free := memory_available()):
        raise InputRefusedError(
            f"{path.name} in {path.parent} takes {gigabytes(size)} of memory, and {gigabytes(free)} are free. Use a smaller file, or a "
            "machine with more memory."
        )


def gigabytes(count: int) -> str:
    """Bytes a person can take in, in units of 1024.

    >>> gigabytes(3 << 29), gigabytes(784 << 40)
    ('1.5 GiB', '784 TiB')
    """
    for unit, factor in (("EiB", 1 << 60), ("PiB", 1 << 50), ("TiB", 1 << 40)):
        if count >= factor:
            return f"{count // factor:,} {unit}" if count < factor << 30 else f"2^{count.bit_length() - 1} bytes"
    return f"{count / 2**30:.1f} GiB"
