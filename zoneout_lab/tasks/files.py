"""Where a task's files are: the folder the user names, an earlier download, or a new download. And what is in them."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

from zoneout_lab.cache import cache_folder, cached
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.tasks.download import fetch

FOLDER_VARIABLE = "ZONEOUT_LAB_DATA"
#: bytes of a published text's content, at most: none here has a tenth of that
LARGEST = 1 << 26


@dataclass(frozen=True)
class Source:
    """One published file.

    ``sha256`` is the digest of the file as published, byte for byte: what a download has to match. ``content`` is the digest of
    what is in it once decompressed: it tells whether data are canonical however they were compressed. ``unpacked`` is the name
    that its content may have in a user's folder instead; empty where there is none.
    """

    name: str
    what: str
    sha256: str
    content: str
    unpacked: str = ""


@dataclass(frozen=True)
class Sources:
    """The files of one data set, the public folder they come from, and the subfolder a user may keep them in."""

    subfolder: str
    base_url: str
    files: tuple[Source, ...]


def find(sources: Sources, folder: Path | None = None) -> dict[str, Path]:
    """Every file of ``sources`` by name.

    Looked for in ``folder``, else in the folder that the environment variable ZONEOUT_LAB_DATA names, else among earlier
    downloads in the user's cache, which downloads what it lacks. A folder holds the files themselves or a subfolder named for
    the data set.

    Raises InputRefusedError where a named folder lacks a file: nothing is downloaded behind a name. Raises TryAgainError where
    a download fails.
    """
    if folder is not None:
        return _in_folder(sources, Path(folder), "--data")
    named = os.environ.get(FOLDER_VARIABLE)
    if named:
        return _in_folder(sources, expanded(named), FOLDER_VARIABLE)
    return _in_cache(sources)


def where(sources: Sources, folder: Path | None = None) -> str:
    """In words, where :func:`find` would find the files now; downloads nothing and raises nothing."""
    named = os.environ.get(FOLDER_VARIABLE)
    if folder is None and not named:
        for cache in cached(sources.subfolder):
            if all((cache / source.name).is_file() for source in sources.files):
                return str(cache)
        return f"not here yet; downloaded from {sources.base_url} when first used"
    try:
        found = find(sources, folder)
    except InputRefusedError as error:
        return str(error)
    return str(next(iter(found.values())).parent)


def _in_folder(sources: Sources, folder: Path, origin: str) -> dict[str, Path]:
    if not folder.is_dir():
        raise InputRefusedError(f"{origin} names {folder}, which is not a folder.")
    found: dict[str, Path] = {}
    for source in sources.files:
        names = [name for name in (source.name, source.unpacked) if name]
        for path in (place / name for place in (folder, folder / sources.subfolder) for name in names):
            if path.is_file():
                found[source.name] = path
                break
    missing = [source.name for source in sources.files if source.name not in found]
    if missing:
        raise InputRefusedError(
            f"{folder} (from {origin}) lacks {', '.join(missing)}, both directly and in {sources.subfolder}/. "
            f"Put the files there (they are published at {sources.base_url}), or leave {origin} out to have them downloaded."
        )
    return found


def _in_cache(sources: Sources) -> dict[str, Path]:
    return {source.name: _cached(sources, source) for source in sources.files}


def _cached(sources: Sources, source: Source) -> Path:
    for path in cached(sources.subfolder, source.name):
        # A cached file that has been damaged is replaced, and only by a good one.
        if path.is_file() and _sha256(path) == source.sha256:
            return path
    path = writable_cache() / sources.subfolder / source.name
    fetch(sources.base_url + source.name, path, source.sha256)
    return path


def writable_cache() -> Path:
    """The user's cache folder, made where it does not exist. Raises InputRefusedError where there is no place for it."""
    try:
        return cache_folder()
    except OSError as error:
        raise InputRefusedError(
            f"There is no place to cache files in ({error}). Name a folder that can be written to in XDG_CACHE_HOME."
        ) from error


def expanded(name: str) -> Path:
    """A file's name as a person writes it, with ``~`` for the home folder; unchanged where that user does not exist.

    >>> expanded("~nobody_of_this_name/book.txt").as_posix()
    '~nobody_of_this_name/book.txt'
    """
    return Path(os.path.expanduser(name))  # noqa: PTH111 - Path.expanduser raises where there is no such home


def read(path: Path, most: int | None = None) -> bytes:
    """The content of ``path``, decompressed where its name ends in ``.gz``.

    ``most`` bounds the result to ``most`` + 1 bytes: enough to see that a file is too long, without unpacking all of it. Without it, a
    file of more than 64 MiB is refused.

    Raises InputRefusedError where the file cannot be read, is truncated or is not gzip.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "small.gz"
    ...     _ = path.write_bytes(gzip.compress(b"zone" * 100)[:-4])
    ...     read(path)
    Traceback (most recent call last):
    ...
    zoneout_lab.errors.InputRefusedError: small.gz in ... is truncated: the gzip stream has no end. Get the file again.
    """
    limit = LARGEST if most is None else most
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content: bytes = file.read(limit + 1)
    except EOFError as error:
        raise refusal(path, "is truncated: the gzip stream has no end") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise refusal(path, f"is damaged or not gzip ({error})") from error
    except OSError as error:
        raise refusal(path, f"cannot be read ({error})") from error
    if most is None and len(content) > limit:
        raise refusal(path, f"has more than {limit >> 20} MiB, and no published text is as long")
    return content


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise refusal(path, f"cannot be read ({error})") from error


def refusal(path: Path, fault: str) -> InputRefusedError:
    """The error for a data file that is not what it should be.

    >>> print(refusal(Path("mnist/t10k-labels-idx1-ubyte.gz"), "holds 9 items, expected 10"))
    t10k-labels-idx1-ubyte.gz in mnist holds 9 items, expected 10. Get the file again.
    """
    return InputRefusedError(f"{path.name} in {path.parent} {fault}. Get the file again.")


def difference(source: Source, content: bytes) -> str | None:
    """What a report has to say about ``content`` that is in order but is not the canonical ``source``; None where it is.

    >>> source = Source("a.txt", "training text", "", hashlib.sha256(b"zone").hexdigest())
    >>> difference(source, b"zone") is None
    True
    >>> print(difference(source, b"zoneout"))
    training text (a.txt) differs from the canonical file: SHA-256 d0939e11... of its content, canonical 543e33c4...
    """
    return difference_of(source, hashlib.sha256(content).hexdigest())


def difference_of(source: Source, sha256: str) -> str | None:
    """As :func:`difference`, from the digest of the content."""
    if sha256 == source.content:
        return None
    return (
        f"{source.what} ({source.name}) differs from the canonical file: "
        f"SHA-256 {sha256} of its content, canonical {source.content}"
    )
