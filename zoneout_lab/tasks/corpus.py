"""A text of any size as numbers: read and coded in pieces once, kept in the user's cache, and mapped into memory from there."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import math
import shutil
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoneout_lab.cache import cached, sweep
from zoneout_lab.errors import InputRefusedError, TryAgainError
from zoneout_lab.tasks.download import cannot_write
from zoneout_lab.tasks.encoding import UTF_8, canonical, decoded
from zoneout_lab.tasks.files import refusal, writable_cache

PIECE = 1 << 20  # bytes
#: of the codes in the cache; raised when they change
VERSION = 3
EOS, UNKNOWN = "<eos>", "<unk>"
# that of IBM's mainframes (NEL), Unicode's for lines and for paragraphs: beside \n, \r and the two together
_LINE_ENDS = ("\x85", "\u2028", "\u2029")
# how gzip and zip begin; to many encodings they are text
_PACKED = (b"\x1f\x8b", b"PK\3\4")
# A text packs to a fifth or so. What unpacks to more than this many times its size, and is large, was made to fill a disk.
_MOST_PACKED, _SMALL = 200, 1 << 28
#: characters of a word, at most: text without white space would be held in memory as one
_LONGEST_WORD = 1 << 20
_TYPES: tuple[tuple[int, str], ...] = ((2**8, "uint8"), (2**15, "int16"), (2**31, "int32"))


@dataclass(frozen=True)
class About:
    """What is known of coded files: symbols by number, where each file ends, the SHA-256 of each one's decompressed content."""

    names: tuple[str, ...]
    ends: tuple[int, ...]
    sha256: tuple[str, ...]

    @property
    def dtype(self) -> str:
        """The smallest integer type that holds every symbol: uint8, int16 or int32."""
        return next(name for most, name in _TYPES if len(self.names) <= most)


@dataclass(frozen=True)
class Corpus:
    """Files coded one after another: ``symbols`` [N] uint8, int16 or int32, a map of a file, and what is known of them."""

    symbols: Tensor
    about: About


def characters(paths: Sequence[Path], cache: Path | None = None, encoding: str = UTF_8) -> Corpus:
    r"""Files as characters; the symbols are all that occur in any of them, in the order of Unicode.

    Args:
        paths: texts. A ``.gz``, and a ``.zip`` of one file, are read as what is in them.
        cache: where codes are kept; None: in the user's cache.
        encoding: of every file; a byte-order mark is left out.

    Raises InputRefusedError where a file cannot be read, is blank or not of that encoding (see :func:`encoding.decoded`),
    TryAgainError where the cache cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     text = Path(name) / "a.txt"
    ...     _ = text.write_text("zone\n", encoding="utf-8")
    ...     corpus = characters([text], cache=Path(name))
    >>> corpus.about.names, corpus.symbols.tolist()
    (('\n', 'e', 'n', 'o', 'z'), [4, 3, 2, 1, 0])
    """
    how = "characters" + _in(encoding)
    return _cached(how, paths, cache, lambda codes: _code_characters(paths, codes, encoding))


def words(
    paths: Sequence[Path],
    most: int,
    held_out: Sequence[float] = (),
    cache: Path | None = None,
    encoding: str = UTF_8,
) -> Corpus:
    r"""Files as words, which white space separates, with ``<eos>`` for each line end: LF, CR LF, CR, NEL, LS or PS.

    The symbols are ``<unk>`` and the words of the training part by falling frequency (equally frequent ones as they come), no
    more than ``most`` in all. What is not among them is ``<unk>``. Every distinct word is held in memory once.

    Args:
        paths: as :func:`characters`. The first begins with the training part.
        most: symbols there may be; 0: as many as there are.
        held_out: what is not training at the first file's end, as fractions of its words: see :func:`training_end`.
        cache, encoding: as :func:`characters`.

    Raises what :func:`characters` does.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as name:
    ...     text = Path(name) / "a.txt"
    ...     _ = text.write_text("a b a\nc a d\n", encoding="utf-8")
    ...     corpus = words([text], most=4, held_out=[0.25], cache=Path(name))
    >>> corpus.about.names, corpus.symbols.tolist()
    (('<unk>', 'a', 'b', '<eos>'), [1, 2, 1, 3, 0, 1, 0, 3])
    """
    how = f"words {most} {[float(part) for part in held_out]}" + _in(encoding)
    return _cached(how, paths, cache, lambda codes: _code_words(paths, codes, most, held_out, encoding))


def training_end(count: int, held_out: Sequence[float]) -> int:
    """Where the training part of ``count`` symbols ends, after whole-numbered parts of these fractions are taken off the end.

    >>> training_end(1001, [0.1, 0.05])
    851
    """
    return count - sum(round(count * fraction) for fraction in held_out)


def _in(encoding: str) -> str:
    return "" if canonical(encoding) == UTF_8 else f" in {canonical(encoding)}"


def _code_characters(paths: Sequence[Path], codes: Path, encoding: str) -> About:
    seen = np.zeros(0x110000, bool)
    for path in paths:
        for text in _pieces(path, encoding):
            seen[_points(text)] = True
            codes.touch()  # a sign of life: what nobody has changed for an hour is swept
    alphabet = np.flatnonzero(seen)
    number = np.zeros(len(seen), np.int32)
    number[alphabet] = np.arange(len(alphabet))
    about = About(tuple(map(chr, alphabet.tolist())), (), ())
    ends, digests, count = [], [], 0
    with codes.open("wb") as file:
        for path in paths:
            digest = hashlib.sha256()
            for text in _pieces(path, encoding, digest.update):
                count += len(text)
                file.write(number[_points(text)].astype(about.dtype).tobytes())
            ends.append(count)
            digests.append(digest.hexdigest())
    return About(about.names, tuple(ends), tuple(digests))


def _code_words(paths: Sequence[Path], codes: Path, most: int, held_out: Sequence[float], encoding: str) -> About:
    number: dict[str, int] = {UNKNOWN: 0}
    ends, digests, count = [], [], 0
    first = codes.with_suffix(".first")
    with first.open("wb") as file:
        for path in paths:
            digest = hashlib.sha256()
            for tokens in _tokens(path, encoding, digest.update):
                count += len(tokens)
                file.write(np.array([number.setdefault(t, len(number)) for t in tokens], np.int32).tobytes())
            ends.append(count)
            digests.append(digest.hexdigest())
    frequency = np.zeros(len(number), np.int64)
    left = training_end(ends[0], held_out)
    for part in _int32(first):
        frequency += np.bincount(part[:left], minlength=len(number))
        left = max(0, left - len(part))
    frequency[0] = frequency.max() + 1  # <unk> comes first, however rare
    order = np.argsort(-frequency, kind="stable")
    kept = order[frequency[order] > 0][: most or None]
    final = np.zeros(len(number), np.int32)
    final[kept] = np.arange(len(kept))
    names = list(number)
    about = About(tuple(names[k] for k in kept), tuple(ends), tuple(digests))
    with codes.open("wb") as file:
        for part in _int32(first):
            file.write(final[part].astype(about.dtype).tobytes())
    first.unlink()
    return about


def _int32(path: Path) -> Iterator[NDArray[np.int32]]:
    with path.open("rb") as file:
        while piece := file.read(4 * PIECE):
            yield np.frombuffer(piece, np.int32)


def _tokens(path: Path, encoding: str, heard: Callable[[bytes], None]) -> Iterator[list[str]]:
    """The words of a file in lists; neither a word nor a line end of two characters is cut where a piece ends."""
    # One newline for every CR, LF and CR LF.
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    rest = ""
    for piece in _pieces(path, encoding, heard):
        text = newlines.decode(piece)
        for end in _LINE_ENDS:
            text = text.replace(end, "\n")
        text = rest + text
        cut = max(map(text.rfind, " \n\t")) + 1
        text, rest = text[:cut], text[cut:]
        if len(rest) > _LONGEST_WORD and rest[-_LONGEST_WORD:].split() == [rest[-_LONGEST_WORD:]]:
            raise InputRefusedError(
                f"{path.name} in {path.parent} has a word of more than {_LONGEST_WORD:,} characters: words are separated by white space. For a "
                "text without any, use char_text."
            )
        yield text.replace("\n", f" {EOS} ").split()
    yield (rest + newlines.decode("", final=True)).replace("\n", f" {EOS} ").split()


def _points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def _pieces(path: Path, encoding: str, heard: Callable[[bytes], None] = lambda _: None) -> Iterator[str]:
    """The text of a file in pieces; ``heard`` is given their bytes."""
    return decoded(_bytes(path, heard), encoding, path)


def _bytes(path: Path, heard: Callable[[bytes], None]) -> Iterator[bytes]:
    """The content of a file in pieces. A ``.gz`` and the only file in a ``.zip`` are unpacked."""
    size = 0
    try:
        packed = path.suffix.lower() in (".gz", ".zip")
        most = max(_SMALL, _MOST_PACKED * path.stat().st_size) if packed else math.inf
        with ExitStack() as stack:
            file = _opened(path, stack)
            while piece := file.read(PIECE):
                if not size and piece.startswith(_PACKED):
                    raise InputRefusedError(
                        f"{path.name} in {path.parent} is compressed or an office document. Name it .gz or .zip where it is that, and save a "
                        "document as plain text."
                    )
                heard(piece)
                size += len(piece)
                if size > most:
                    raise InputRefusedError(
                        f"{path.name} in {path.parent} unpacks to more than {_MOST_PACKED} times its size, which no text does. Unpack it yourself, "
                        "and name what is in it."
                    )
                yield piece
    except (
        gzip.BadGzipFile,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        LookupError,  # a member without a name
        RuntimeError,
    ) as error:  # the last: an encrypted archive
        raise refusal(path, f"is truncated or damaged ({error})") from error
    except OSError as error:
        raise refusal(path, f"cannot be read ({error})") from error
    if not size:
        raise InputRefusedError(f"{path.name} in {path.parent} is empty: a text is needed.")


def _opened(path: Path, stack: ExitStack) -> IO[bytes]:
    if path.suffix.lower() == ".gz":
        return cast(IO[bytes], stack.enter_context(gzip.open(path)))
    if path.suffix.lower() != ".zip":
        return stack.enter_context(path.open("rb"))
    archive = stack.enter_context(zipfile.ZipFile(path))
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        raise InputRefusedError(f"{path.name} in {path.parent} holds {len(members)} files; it has to hold one text.")
    return stack.enter_context(archive.open(members[0]))


def _cached(how: str, paths: Sequence[Path], cache: Path | None, code: Callable[[Path], About]) -> Corpus:
    """What an earlier call coded of the same files, unchanged since, or what ``code`` writes and says now."""
    key = _key(how, paths)
    for kept in [cache / "codes" / key] if cache else cached("codes", key):
        found = _kept(kept)
        if found is not None:
            return found
    folder = (cache or writable_cache()) / "codes" / key
    part = folder.with_name(f"{folder.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        sweep(folder.parent, "*.part")
        part.mkdir(parents=True)
        about = code(part / "codes")
        (part / "about.json").write_text(json.dumps(asdict(about)), encoding="utf-8")
        (part / "sha256").write_bytes(_digest(part))
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # another process was faster: its folder is as good
            part.rename(folder)
        found = _kept(folder)
    except OSError as error:
        raise cannot_write(f"The codes of {paths[0].name}", folder.parent, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    if found is None:
        raise TryAgainError(
            f"The codes of {paths[0].name} in {folder} were changed while they were written. Try again."
        )
    return found


def damaged_codes() -> list[Path]:
    """Codes of texts in the user's cache that are not what was written: folders that a task makes anew when it needs them."""
    # those of other versions are of no use here, and no damage
    folders = [folder for cache in cached("codes") for folder in sorted(cache.glob(f"{VERSION}-*"))]
    return [folder for folder in folders if folder.suffix != ".part" and _kept(folder) is None]


def _digest(folder: Path) -> bytes:
    """A line with the SHA-256 of codes and of what is known of them."""
    both = hashlib.sha256((folder / "about.json").read_bytes())
    with (folder / "codes").open("rb") as file:
        both.update(hashlib.file_digest(file, "sha256").digest())
    return f"{both.hexdigest()}\n".encode()


def _kept(folder: Path) -> Corpus | None:
    """The codes in a folder; None where they are not what was written."""
    try:
        if (folder / "sha256").read_bytes() != _digest(folder):
            return None
        values = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        about = About(**{name: tuple(value) for name, value in values.items()})
        dtype, codes = np.dtype(about.dtype), folder / "codes"
    except (OSError, ValueError, TypeError, IndexError):
        return None
    # copy on write: nothing that is written to the tensor goes to the file. (What torch.from_file maps cannot be sent to a worker.)
    return Corpus(torch.from_numpy(np.memmap(codes, dtype, mode="c")), about)


def _key(how: str, paths: Sequence[Path]) -> str:
    """The version of codes, and 32 hexadecimal digits that change when a file does: its place, size or time of change."""
    key = hashlib.sha256(f"{VERSION} {how}".encode())
    for path in paths:
        try:
            state = path.stat()
        except OSError as error:
            raise refusal(path, f"cannot be read ({error})") from error
        key.update(f"\n{path.resolve()} {state.st_size} {state.st_mtime_ns}".encode(errors="surrogateescape"))
    return f"{VERSION}-{key.hexdigest()[:32]}"
