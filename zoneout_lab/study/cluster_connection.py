"""Training on the machines of a Dask cluster: the connection to its scheduler, and what a worker there says of itself."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from zoneout_lab import guarded
from zoneout_lab.errors import LabError, TryAgainError, UsageError, told
from zoneout_lab.memory import memory_for_batches
from zoneout_lab.study import provenance
from zoneout_lab.study.databases import quiet
from zoneout_lab.study.device import device_memory, why_missing

if TYPE_CHECKING:
    from zoneout_lab.engines.cluster import OnCluster

_ANSWER = 10.0  # seconds for a scheduler to answer
_PROTOCOLS = ("tcp", "tls", "ws", "wss")
_HOST_AND_PORT = re.compile(r"[^/\s]+:\d+")
_TLS = "docs/cluster.md says how Dask is set up for TLS, under Who may connect."


def check_scheduler(scheduler: str) -> str:
    """The address that is named, or is in the file that is named. Raises UsageError where there is none, and where Dask is not installed.

    >>> check_scheduler("somewhere:8786")
    Traceback (most recent call last):
    zoneout_lab.errors.UsageError: --scheduler somewhere:8786 has no protocol. An address is like tcp://somewhere:8786.
    """
    protocol, colon, _ = scheduler.partition("://")
    if colon and protocol not in _PROTOCOLS:
        raise UsageError(
            f"--scheduler {scheduler!r}: the protocol {protocol!r} is not known. Known: {', '.join(_PROTOCOLS)}."
        )
    if not colon and _HOST_AND_PORT.fullmatch(scheduler):
        raise UsageError(f"--scheduler {scheduler} has no protocol. An address is like tcp://{scheduler}.")
    if not colon and not Path(scheduler).is_file():
        raise UsageError(
            f"--scheduler {scheduler}: there is no such file. To have a scheduler write it, start that as `dask scheduler --scheduler-file "
            f"{scheduler}`. Or give its address, such as tcp://host:8786."
        )
    address = scheduler if colon else _address_in(Path(scheduler))
    if fault := _fault_of(address):
        raise UsageError(
            f"--scheduler: the address {'' if colon else f'in {scheduler} '}{fault}, and is to be like tcp://host:8786."
        )
    if find_spec("distributed") is None:
        raise UsageError(
            "--scheduler needs Dask, which is not installed here; workers need it too. To install it: pip install "
            '"zoneout-lab[cluster]".'
        )
    return address


def _address_in(file: Path) -> str:
    """The address in a scheduler file. Raises UsageError where it is none."""
    try:
        address = guarded.read_json(file).get("address")
    except LabError as error:
        raise UsageError(
            f"--scheduler {file} is no file that `dask scheduler --scheduler-file` writes: {error}"
        ) from error
    if not isinstance(address, str):
        raise UsageError(
            f"--scheduler {file} is no file that `dask scheduler --scheduler-file` writes: it has no address."
        )
    return address


def _fault_of(address: str) -> str:
    """What is wrong with an address; empty where nothing is. It is not quoted: there may be a password in it.

    Dask's client would raise, too, and then be waited for at exit.

    >>> (
    ...     _fault_of("tcp://host:8786"),
    ...     _fault_of("tcp://me:secret@host:8786"),
    ...     _fault_of("tcp://[::1]:8786"),
    ...     _fault_of("tcp://host"),
    ... )
    ('', 'has a user or a password, which Dask does not know', '', 'has no host or no port')
    """
    if not address.isprintable() or " " in address:
        return "has blanks or control characters in it"
    try:
        parts = urlsplit(address)
        there = bool(parts.hostname and parts.port)
    except ValueError:
        there = False
    if "@" in address:
        return "has a user or a password, which Dask does not know"
    if there and parts.scheme not in _PROTOCOLS:
        return "has a protocol that is not known"
    return "" if there else "has no host or no port"


@contextmanager
def on_cluster(
    scheduler: str,
    device: str,
    most: int | None,
    computed_by: Callable[[str], Mapping[str, str]],
    warn: Callable[[str], None],
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[OnCluster]:
    """The engine of a scheduler's workers that can train on a device, at ``most`` so many at once; what Dask logs meanwhile is not shown.

    ``computed_by`` says of a device what numbers depend on: workers of which it says something else than here are not used.

    ``say`` is told what is waited for where nothing comes from any worker for a while.

    Raises TryAgainError where the scheduler does not answer, UsageError where :func:`check_scheduler` does and where certificates are wrong.
    """
    address = check_scheduler(scheduler)
    from distributed.comm.core import CommClosedError

    from zoneout_lab.engines.cluster import OnCluster
    from zoneout_lab.engines.cluster_workers import ClosingClient, Workers

    encrypted = address.startswith(("tls:", "wss:"))
    if encrypted:
        _check_certificates(address)
    with quiet("distributed", "distributed.client", "tornado", "tornado.application", level=logging.CRITICAL + 1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of versions that differ; what matters of them is compared
                client = ClosingClient(address, timeout=_ANSWER, set_as_default=False, name="zoneout-lab")
        except Exception as error:  # what answers may be no scheduler at all
            if encrypted and isinstance(error, CommClosedError):
                raise UsageError(
                    f"The scheduler at {address} and this command do not accept each other's certificates, or it does not use TLS "
                    f"({told(error)}). {_TLS}"
                ) from error
            raise TryAgainError(
                f"No Dask scheduler answers at {address} ({told(error)}). Start it with `dask scheduler`, and the same command "
                "again. The address of one that uses TLS begins with tls://."
            ) from error
        workers = Workers(client, device, of_this_machine, computed_by, warn, say)
        try:
            yield OnCluster(workers, most)
        finally:
            workers.close()


def _check_certificates(address: str) -> None:
    """Raise UsageError where Dask has no certificate here, or one that cannot be read. Its client would, too, and then be waited for at exit."""
    from distributed.security import Security

    security = Security()
    try:
        found = security.get_connection_args("client")["ssl_context"]
    except OSError as error:
        named = (security.tls_ca_file, security.tls_client_cert, security.tls_client_key)
        files = ", ".join(
            each for each in named if each and "\n" not in each
        )  # others are certificates, not their files
        raise UsageError(
            f"--scheduler {address}: the certificates that Dask is set up with cannot be used ({told(error)}): {files}. {_TLS}"
        ) from error
    if found is None:
        raise UsageError(f"--scheduler {address}: Dask has no certificate here. {_TLS}")


def of_this_machine(device: str) -> dict[str, Any]:
    """What a worker says of itself: why it cannot train on the device, or the memory of it for batches and what its runs record.

    >>> sorted(of_this_machine("cpu"))
    ['memory', 'missing', 'origin']
    """
    if (missing := why_missing(device)) is not None:
        return {"missing": missing}
    from distributed.system import MEMORY_LIMIT  # in a container, or as a batch system sets it

    if device.startswith("cuda"):
        import torch

        torch.cuda.empty_cache()  # of an earlier study
    return {
        "missing": "",
        "memory": device_memory(device) or memory_for_batches(MEMORY_LIMIT),
        "origin": {
            "versions": provenance.versions(),
            "machine": provenance.machine(device),
            "git": provenance.git_commit(),
            "cluster": provenance.of_a_cluster(),
        },
    }
