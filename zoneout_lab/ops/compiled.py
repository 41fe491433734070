"""The C files in native/, compiled where they are first needed, for the processor that runs them.

A compiled file is kept in the user's cache folder under two hashes: of what it was made from (source, compiler, processor) and of what
it is. A file that another user could have put there, or that is not what was made, is made again. Without a C compiler (or with
``ZONEOUT_LAB_COMPILED=0``), or without a folder that is this user's alone, :func:`library` returns None, and its callers do the same in
Python.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import multiprocessing
import os
import platform
import shlex
import shutil
import stat
import subprocess
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

from zoneout_lab.cache import code_folder, sweep

_SOURCES = Path(__file__).parent / "native"
_FLAGS = ("-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-fno-tree-slp-vectorize",
          "-shared", "-fPIC")  # fmt: skip
_COMPILING = "compiling-"
_ATTEMPTS = (("-fopenmp",), ())  # without OpenMP one thread does all


@functools.cache
def library(name: str, *defines: str) -> ctypes.CDLL | None:
    """The compiled ``name``.c, or None where no compiler is found or compiling fails.

    Args:
        name: a C file in native/.
        defines: macros to define.

    >>> library("no_such_file") is None
    True
    """
    compiler = None if os.name == "nt" else _compiler()
    if compiler is None or os.environ.get("ZONEOUT_LAB_COMPILED") == "0":
        return None
    try:
        folder = code_folder()
    except OSError as error:
        _warn(str(error))
        return None
    for attempt in _ATTEMPTS:
        with suppress(OSError, subprocess.SubprocessError):
            command = [*compiler, *_FLAGS, *attempt, *(f"-D{define}" for define in defines)]
            return ctypes.CDLL(str(_built(folder, name, command)))
    return None


def why_not() -> str:
    """Why :func:`library` returns None, in a few words."""
    if os.environ.get("ZONEOUT_LAB_COMPILED") == "0":
        return "switched off"
    if os.name == "nt" or _compiler() is None:
        return "no C compiler"
    try:
        code_folder()
    except OSError:
        return "no private cache folder"
    return "the C compiler failed"


@functools.cache
def _warn(why: str) -> None:
    """Once in a process, and not again in those that it starts to train."""
    if multiprocessing.parent_process() is None:
        warnings.warn(
            f"Recurrences run without compiled code, several times slower: {why}, and compiled code is kept only in a folder that no other "
            "user can change. Name one in XDG_CACHE_HOME, or make that one yours alone (chmod 700).",
            RuntimeWarning,
            stacklevel=2,
        )


def _built(folder: Path, name: str, command: list[str]) -> Path:
    """The library that the command makes, from the folder where it is there and whole, else made."""
    texts = [file.read_text(encoding="utf-8") for file in sorted(_SOURCES.glob("*.[ch]"))]
    key = "\n".join([*texts, *command, _version(tuple(command[: command.index(_FLAGS[0])])), _processor()])
    stem = f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    for kept in sorted(folder.glob(f"{stem}-*.so")):
        if _content(kept) == kept.stem.removeprefix(f"{stem}-"):
            return kept
        with suppress(OSError):
            kept.unlink()
    sweep(folder, f"{_COMPILING}*")
    with tempfile.TemporaryDirectory(prefix=_COMPILING, dir=folder) as place:
        # under a name of its own first: several workers may compile at once
        made = Path(place) / "made.so"
        run = [*command, str(_SOURCES / f"{name}.c"), "-o", str(made), "-lm"]
        subprocess.run(run, check=True, capture_output=True, timeout=120)  # noqa: S603 # nosec B603 # no shell; the user's own compiler
        made.chmod(0o700)  # whatever the umask
        built = folder / f"{stem}-{_content(made)}.so"
        made.replace(built)
    return built


def _content(file: Path) -> str:
    """SHA-256 of a file of this user's that others cannot write to; empty for anything else."""
    try:
        # not through a link, and without waiting for a pipe to be written to
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    with os.fdopen(descriptor, "rb") as opened:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
            return ""
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _compiler() -> list[str] | None:
    """The command of a C compiler: $CC, which may include options, or the first one found."""
    candidates = [shlex.split(os.environ["CC"])] if os.environ.get("CC") else [["gcc"], ["clang"], ["cc"]]
    return next((words for words in candidates if words and shutil.which(words[0])), None)


@functools.cache
def _version(compiler: tuple[str, ...]) -> str:
    command = [*compiler, "--version"]
    done = subprocess.run(command, check=True, capture_output=True, timeout=20)  # noqa: S603 # nosec B603 # as above
    return done.stdout.decode(errors="replace")


@functools.cache
def _processor() -> str:
    """What -march=native looks at: machines of several kinds may share a home folder."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(
            dict.fromkeys(line for line in lines if line.startswith(("model", "flags", "Features", "CPU")))
        )
    except OSError:
        return platform.processor() + platform.machine()
