"""The user's cache folder, and the one place used instead where there is none: downloads, coded texts and compiled code.

What is kept here is read again without being made again, and compiled code is run. So a folder is used only where no other user could put
files into it or another folder in its place: it is this user's, and so is everything above it, up to what only root can change.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from os.path import realpath
from pathlib import Path

import platformdirs

_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_PRIVATE = 0o700
#: seconds without a change after which what is half-written is left by a process that died
_LEFT = 3600


def cache_folder() -> Path:
    """A folder of the user's to keep files in, made where it does not exist, with mode 0700.

    On Linux ``$XDG_CACHE_HOME/zoneout_lab``, or ``~/.cache/zoneout_lab`` where that variable is unset. Where neither can be made or
    written, as for a user without a home, or where another user could change what is in it, a private folder for this user among the
    temporary files.

    Raises OSError where neither can be had.
    """
    user = _of_user()
    if user is not None:
        with suppress(OSError):
            return _made(user)
    folder = _temporary()
    if folder.is_symlink():  # nobody needs one there
        raise NotADirectoryError(f"{folder} is not a folder")
    return _made(folder)


def code_folder() -> Path:
    """The user's cache folder for code that is to be run, links followed: never one among the temporary files.

    Raises OSError where there is none, or where another user could change what is in it.
    """
    user = _of_user()
    if user is None:
        raise FileNotFoundError("this user has no home folder")
    # where the links lead is what was checked; a link may be changed later
    return _made(user).resolve(strict=True)


def cached(*parts: str) -> list[Path]:
    """Where a cached file may lie: as many paths as there are cache folders, the user's first. Makes nothing.

    A cache that cannot be written to can still be read, but not one that another user could have written.

    >>> cached("mnist", "a.gz")[0].parts[-3:]
    ('zoneout_lab', 'mnist', 'a.gz')
    """
    folders = []
    user, temporary = _of_user(), _temporary()
    if user is not None and not _in_others_hands(user):
        folders.append(user)
    with suppress(OSError):
        if not temporary.is_symlink():
            check_private(temporary)
            folders.append(temporary)
    return [folder.joinpath(*parts) for folder in folders]


def sweep(folder: Path, pattern: str) -> None:
    """Remove what processes that were killed left half-written: files and folders of such names, unchanged for an hour with all that is in them.

    >>> with tempfile.TemporaryDirectory() as name:
    ...     old, new = Path(name) / "a.part", Path(name) / "b.part"
    ...     for path in (old, new):
    ...         path.touch()
    ...     os.utime(old, (0, 0))
    ...     sweep(Path(name), "*.part")
    ...     old.exists(), new.exists()
    (False, True)
    """
    for path in folder.glob(pattern):
        with suppress(OSError):
            within = list(path.iterdir()) if path.is_dir() and not path.is_symlink() else None
            changed = max(each.lstat().st_mtime for each in (path, *(within or ())))
            if time.time() - changed < _LEFT:
                continue
            if within is None:
                path.unlink()
            else:
                shutil.rmtree(path)


def check_private(folder: Path) -> None:
    """Raise PermissionError where another user than this one and root could put files into a folder, or another folder in its place.

    A folder above it that others can write to will do where it is sticky, as ``/tmp``: nobody can rename what is somebody else's there.
    Raises other OSErrors where the folder is none or cannot be looked at. On Windows, whose folders say nothing of the kind, does nothing.
    """
    real = folder.resolve(strict=True)
    if not real.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder")
    if not hasattr(os, "getuid"):
        return
    user = os.getuid()
    # a link to a folder of this user's own is as good, unless somebody else made the link or could change it
    beside = Path(realpath(folder.absolute().parent))
    above = dict.fromkeys((*real.parents, beside, *beside.parents))
    for place in (real, *([folder] if folder.is_symlink() else []), *above):
        found = place.lstat()
        if found.st_uid != user and (place == real or found.st_uid != 0):
            raise PermissionError(f"{place} belongs to another user")
        if stat.S_ISDIR(found.st_mode) and found.st_mode & _OTHERS and (place == real or not _keeps_names(found)):
            raise PermissionError(f"others can write to {place}")


def _in_others_hands(folder: Path) -> bool:
    """True for a folder that another user could have written to; False where there is none."""
    try:
        check_private(folder)
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _keeps_names(found: os.stat_result) -> bool:
    """True where others can write to a folder and still not rename this user's in it, or where the others are a group of this user alone."""
    of_one = found.st_gid == os.getgid() == os.getuid()
    return bool(found.st_mode & stat.S_ISVTX) or (of_one and not found.st_mode & stat.S_IWOTH)


def _made(folder: Path) -> Path:
    """The folder, made where it does not exist, private and writable. Raises OSError where it cannot be that."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):  # what is there is checked
        folder.mkdir(mode=_PRIVATE)
    check_private(folder)
    if hasattr(os, "getuid") and stat.S_IMODE(folder.stat().st_mode) != _PRIVATE:
        folder.chmod(_PRIVATE)  # others could never write to it; now they cannot read it either
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"{folder} cannot be written to")
    return folder


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
