"""Fetch one public file: what arrives is either the published file, byte for byte, or nothing."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import http.client
import os
import ssl
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from zoneout_lab.cache import sweep
from zoneout_lab.errors import InputRefusedError, TryAgainError

CHUNK = 1 << 16  # bytes
#: bytes of a published file, at most: the largest has half as many
LARGEST = 1 << 26
_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")


def fetch(url: str, path: Path, sha256: str, *, timeout: float = 30.0) -> None:
    """Download ``url`` to ``path``, showing progress on stderr.

    ``sha256`` is the digest of the published file; ``timeout`` is in seconds without a byte. The file is written under a name
    that ends in ``.part``, checked, synced and then renamed, so that ``path`` is never half a file and several processes may
    fetch it at once. Only https will do, redirections included; from this machine itself, as in tests, http will.

    Raises TryAgainError where the network or the server does not answer, the transfer breaks off or the disk is full;
    InputRefusedError where trying again would not help: the server refuses, leads away from https or sends more than 64 MiB, what
    arrived is not the published file, or the folder cannot be written to.
    """
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep(path.parent, "*.part")
        found = _receive(url, part, timeout)
        if found != sha256:
            raise InputRefusedError(
                f"What {url} sent is not the published file: SHA-256 {found}, expected {sha256}. Nothing was kept. A proxy or "
                "a login page may have answered; otherwise get the file from elsewhere and name its folder with --data."
            )
        part.replace(path)
    except OSError as error:
        raise cannot_write(path.name, path.parent, error) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def cannot_write(what: str, folder: Path, error: OSError) -> InputRefusedError | TryAgainError:
    """The error for a file that the cache does not take: a full disk may pass, a folder that is not ours does not."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        return TryAgainError(
            f"{what} cannot be written to {folder}: {error}. Free some space, or name another folder in XDG_CACHE_HOME."
        )
    return InputRefusedError(f"{what} cannot be written to {folder}: {error}. Name another folder in XDG_CACHE_HOME.")


def _receive(url: str, part: Path, timeout: float) -> str:
    """Write the body of ``url`` to ``part`` and return its SHA-256."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    console = Console(stderr=True)
    console.print(f"Downloading {url}", highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    digest = hashlib.sha256()
    with part.open("wb") as file, Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(part.name.removesuffix(".part").rpartition(".")[0], total=None)
        for piece, total in _pieces(url, timeout):
            file.write(piece)
            digest.update(piece)
            progress.update(bar, advance=len(piece), total=total)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _pieces(url: str, timeout: float) -> Iterator[tuple[bytes, int | None]]:
    """The body of ``url`` in pieces, each with the announced size in bytes.

    A failure of the network is told apart from one of the disk here, because Python calls both OSError.
    """
    elsewhere = "get the files another way and name their folder with --data."
    received, total = 0, None
    _refuse_insecure(url, url)
    try:
        with urllib.request.build_opener(_SecureRedirects).open(url, timeout=timeout) as response:
            announced = response.headers.get("Content-Length")
            total = int(announced) if announced and announced.isdigit() else None
            while piece := response.read(CHUNK):
                received += len(piece)
                if max(received, total or 0) > LARGEST:
                    raise InputRefusedError(
                        f"{url} sends more than {LARGEST >> 20} MiB, and the published file has fewer. Nothing was kept: {elsewhere}"
                    )
                yield piece, total
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it holds the connection
        if _lasts(error):
            raise InputRefusedError(
                f"{url} cannot be downloaded: {error}. Trying again will not help: {elsewhere}"
            ) from error
        raise TryAgainError(f"{url} cannot be downloaded: {error}. Try again later, or {elsewhere}") from error
    if total is not None and received < total:
        raise TryAgainError(
            f"The transfer of {url} broke off after {received:,} of {total:,} bytes. Try again later, or {elsewhere}"
        )


class _SecureRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        try:
            _refuse_insecure(newurl, req.full_url)
        except InputRefusedError:
            fp.close()  # it holds the connection
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _refuse_insecure(url: str, before: str) -> None:
    """Raise InputRefusedError unless an address is of https, or was of http on this machine ``before`` and still is."""
    parts, came = urlsplit(url), urlsplit(before)
    here = parts.scheme == came.scheme == "http" and {parts.hostname, came.hostname} <= set(_THIS_MACHINE)
    if parts.scheme != "https" and not here:
        leads = f"{before} leads to {url}, which" if url != before else url
        raise InputRefusedError(
            f"{leads} is not https: anybody on the way could change what is sent. Nothing was downloaded; get the files another way and name "
            "their folder with --data."
        )


def _lasts(error: Exception) -> bool:
    """True where the next attempt would fail as this one did: the server answers and refuses, or its certificate is not trusted."""
    if isinstance(error, urllib.error.HTTPError):
        return 400 <= error.code < 500 and error.code not in (408, 425, 429)  # too slow, too early, too often
    return isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError)
