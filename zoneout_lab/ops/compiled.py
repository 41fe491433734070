"""The C files in native/, compiled where they are first needed, for the processor that runs them.

A compiled file is kept in the user's cache folder under the hash of its source, its compiler and its processor. Without a C
compiler (or with ``ZONEOUT_LAB_COMPILED=0``) :func:`library` returns None, and its callers do the same in Python.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from zoneout_lab.cache import cache_folder

_SOURCES = Path(__file__).parent / "native"
_FLAGS = ("-O3", "-march=native", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-fno-tree-slp-vectorize",
          "-shared", "-fPIC")  # fmt: skip
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
    for attempt in _ATTEMPTS:
        with suppress(OSError, subprocess.SubprocessError):
            command = [*compiler, *_FLAGS, *attempt, *(f"-D{define}" for define in defines)]
            return ctypes.CDLL(str(_built(name, command)))
    return None


def why_not() -> str:
    """Why :func:`library` returns None, in a few words."""
    if os.environ.get("ZONEOUT_LAB_COMPILED") == "0":
        return "switched off"
    return "no C compiler" if os.name == "nt" or _compiler() is None else "the C compiler failed"


def _built(name: str, command: list[str]) -> Path:
    texts = [file.read_text(encoding="utf-8") for file in sorted(_SOURCES.glob("*.[ch]"))]
    key = "\n".join([*texts, *command, _version(tuple(command[: command.index(_FLAGS[0])])), _processor()])
    built = cache_folder() / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.so"
    if not built.exists():
        with tempfile.TemporaryDirectory(dir=built.parent) as folder:
            # under a name of its own first: several workers may compile at once
            made = Path(folder) / built.name
            run = [*command, str(_SOURCES / f"{name}.c"), "-o", str(made), "-lm"]
            subprocess.run(run, check=True, capture_output=True, timeout=120)  # noqa: S603
            made.replace(built)
    return built


def _compiler() -> list[str] | None:
    """The command of a C compiler: $CC, which may include options, or the first one found."""
    candidates = [shlex.split(os.environ["CC"])] if os.environ.get("CC") else [["gcc"], ["clang"], ["cc"]]
    return next((words for words in candidates if words and shutil.which(words[0])), None)


@functools.cache
def _version(compiler: tuple[str, ...]) -> str:
    command = [*compiler, "--version"]
    return subprocess.run(command, check=True, capture_output=True, timeout=20).stdout.decode(errors="replace")  # noqa: S603


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
