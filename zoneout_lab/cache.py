"""The user's cache folder, and the one place used instead where there is none: downloads, coded texts and compiled code."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """A folder of the user's to keep files in, made where it does not exist.

    On Linux ``$XDG_CACHE_HOME/zoneout_lab``, or ``~/.cache/zoneout_lab`` where that variable is unset. Where neither can be made or
    written, as for a user without a home, a private folder for this user among the temporary files.

    Raises OSError where neither can be had.
    """
    user = _of_user()
    if user is not None:
        with suppress(OSError):
            user.mkdir(parents=True, exist_ok=True)
            if os.access(user, os.W_OK):
                return user
    folder = _temporary()
    folder.mkdir(mode=0o700, exist_ok=True)
    _check_private(folder)
    return folder


def cached(*parts: str) -> list[Path]:
    """Where a cached file may lie: as many paths as there are cache folders, the user's first. Makes nothing.

    A cache that cannot be written to can still be read.

    >>> cached("mnist", "a.gz")[0].parts[-3:]
    ('zoneout_lab', 'mnist', 'a.gz')
    """
    user, temporary = _of_user(), _temporary()
    folders = [user] if user is not None else []
    with suppress(OSError):
        _check_private(temporary)
        folders.append(temporary)
    return [folder.joinpath(*parts) for folder in folders]


def _of_user() -> Path | None:
    """None for a user without a home, as in a container that runs under a bare number."""
    try:
        folder = platformdirs.user_cache_path("zoneout_lab", appauthor=False)
    except RuntimeError:
        return None
    return folder if folder.is_absolute() else None


def _temporary() -> Path:
    user = f"-{os.getuid()}" if hasattr(os, "getuid") else ""
    return Path(tempfile.gettempdir()) / f"zoneout_lab{user}"


def _check_private(folder: Path) -> None:
    """Compiled code is run from here: others must not be able to put theirs into it."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(f"{folder} is not a folder")
    if hasattr(os, "getuid") and (found.st_uid != os.getuid() or found.st_mode & 0o022):
        raise PermissionError(f"{folder} belongs to another user, or others can write to it")
