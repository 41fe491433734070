"""Training on the machines of a Dask cluster: the connection to its scheduler, and what a worker there says of itself."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import torch

from zoneout_lab import guarded
from zoneout_lab.errors import LabError, TryAgainError, UsageError, told
from zoneout_lab.study import provenance
from zoneout_lab.study.batching import memory_for_batches
from zoneout_lab.study.databases import quiet
from zoneout_lab.study.device import device_memory, why_missing

if TYPE_CHECKING:
    from zoneout_lab.training.cluster import OnCluster

_ANSWER = 10.0  # seconds for a scheduler to answer
_PROTOCOLS = ("tcp", "tls", "ws", "wss")


def check_scheduler(scheduler: str) -> None:
    """Raise UsageError for what is neither the address nor the file of a scheduler, and where Dask is not installed.

    >>> check_scheduler("somewhere:8786")
    Traceback (most recent call last):
    zoneout_lab.errors.UsageError: --scheduler 'somewhere:8786' is neither an address, such as tcp://somewhere:8786, nor the file that `dask scheduler --scheduler-file` writes.
    """
    protocol, colon, _ = scheduler.partition("://")
    if colon and protocol not in _PROTOCOLS:
        raise UsageError(
            f"--scheduler {scheduler!r}: the protocol {protocol!r} is not known. Known: {', '.join(_PROTOCOLS)}."
        )
    if not colon and not Path(scheduler).is_file():
        raise UsageError(
            f"--scheduler {scheduler!r} is neither an address, such as tcp://{scheduler if ':' in scheduler else 'host:8786'}, nor the file "
            "that `dask scheduler --scheduler-file` writes."
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
def on_cluster(scheduler: str, device: str, most: int | None, warn: Callable[[str], None]) -> Iterator[OnCluster]:
    """The engine of a scheduler's workers that can train on a device, at ``most`` so many at once; what Dask logs meanwhile is not shown.

    Raises TryAgainError where the scheduler does not answer, UsageError where :func:`check_scheduler` does and where TLS is not set up.
    """
    check_scheduler(scheduler)
    from distributed import Client

    from zoneout_lab.training.cluster import OnCluster
    from zoneout_lab.training.cluster_workers import Workers

    where = {"address": scheduler} if "://" in scheduler else {"scheduler_file": scheduler}
    with quiet("distributed", "distributed.client", "tornado", "tornado.application", level=logging.CRITICAL + 1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of versions that differ; what matters of them is compared
                client = Client(**where, timeout=_ANSWER, set_as_default=False, name="zoneout-lab")
        except TypeError as error:  # how Dask says that it has no certificate
            raise UsageError(
                f"--scheduler {scheduler}: Dask is not set up for TLS here ({told(error)}). docs/cluster.md says how, under Who may connect."
            ) from error
        except (OSError, TimeoutError, ValueError) as error:
            raise TryAgainError(
                f"No Dask scheduler answers at {scheduler} ({told(error)}). Start it with `dask scheduler`, and the same command again."
            ) from error
        workers = Workers(client, device, of_this_machine, warn)
        try:
            yield OnCluster(workers, most)
        finally:
            workers.close()


def of_this_machine(device: str) -> dict[str, Any]:
    """What a worker says of itself: why it cannot train on the device, or the memory of it for batches and what its runs record.

    >>> sorted(of_this_machine("cpu"))
    ['memory', 'missing', 'origin']
    """
    if (missing := why_missing(device)) is not None:
        return {"missing": missing}
    from distributed.system import MEMORY_LIMIT  # in a container, or as a batch system sets it

    if device.startswith("cuda"):
        torch.cuda.empty_cache()  # of an earlier study
    return {
        "missing": "",
        "memory": device_memory(device) or memory_for_batches(MEMORY_LIMIT),
        "origin": {
            "versions": provenance.versions(),
            "machine": provenance.machine(device),
            "git": provenance.git_commit(),
        },
    }
