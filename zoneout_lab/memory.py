"""How much main memory a process may still use: what the machine has free, and what a container or a job's allotment leaves of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

#: of both versions of Linux's control groups: the folder of the memory's, its limit, what is used, and what of that is files kept in memory
_VERSIONS = {
    "memory": ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    "": (".", "memory.max", "memory.current", "inactive_file"),
}

#: of what is free
_SHARE_OF_MEMORY = 0.4


def memory_available() -> int:
    """Bytes of main memory that can be used without swapping, and without being killed for it by a container or a job's limit."""
    free = int(psutil.virtual_memory().available)
    return min([free, *_left_by_groups(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))])


def _left_by_groups(groups: Path, root: Path) -> list[int]:
    """What each control group that limits this process, and each one above it, leaves of its memory."""
    try:
        lines = groups.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):  # not Linux, or hidden
        return []
    left = []
    for line in lines:
        _, _, rest = line.partition(":")
        kinds, _, path = rest.partition(":")
        for kind in {"memory", ""} & set(kinds.split(",")):
            folder, *names = _VERSIONS[kind]
            left += [room for at in _upwards(root / folder, path) if (room := _room(at, *names)) is not None]
    return left


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    """A group's folder and those above it. A container may see its own group at the mount, and the path that it has outside."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for length in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:length])


def _room(group: Path, limit: str, usage: str, files: str) -> int | None:
    """Bytes that a group leaves; None where it has no limit. Files that are kept in memory make room when it is needed."""
    with suppress(OSError, ValueError):
        most, used = int((group / limit).read_text()), int((group / usage).read_text())
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return max(0, most - used + int(stat.get(files, 0)))
    return None


def memory_for_batches(limit: int | None = None) -> int:
    """Bytes of this machine's memory that batches may use: a fraction of what is free, and of a ``limit`` to this process."""
    free = memory_available()
    return int((free if limit is None else min(free, limit)) * _SHARE_OF_MEMORY)
