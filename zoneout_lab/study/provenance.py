"""Where a result came from: versions, machine, commit. Read once by the driver and written into every run."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import uuid
from importlib import metadata
from pathlib import Path

import psutil

_WORKER = uuid.uuid4().hex[:12]
_PACKAGES = ("torch", "numpy", "scipy", "xarray", "optuna", "mlflow", "scikit-learn")


def versions() -> dict[str, str]:
    """Versions of Python, this package and what its numbers depend on.

    >>> sorted(versions())[0]
    'mlflow'
    """
    found = {"python": platform.python_version(), "zoneout-lab": _version("zoneout-lab")}
    return found | {name: _version(name) for name in _PACKAGES}


def machine(device: str = "cpu") -> dict[str, str | int]:
    """The processor (and GPU) and the operating system; no host or user name."""
    found: dict[str, str | int] = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "device": device,
    }
    if device.startswith("cuda"):
        import torch

        found["gpu"] = torch.cuda.get_device_name(torch.device(device))
        found["cuda"] = str(torch.version.cuda)
    return found


def of_a_cluster() -> dict[str, str]:
    """Which of a cluster's machines and workers this is: names that tell them apart and nothing else, so that they can be counted.

    >>> of_a_cluster() == of_a_cluster()
    True
    """
    return {"machine": hashlib.sha256(_boot().encode()).hexdigest()[:12], "worker": _WORKER}


def git_commit() -> str | None:
    """The commit of the checkout this package runs from, ``+changes`` where files differ from it; None outside a checkout."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = _git(root, "rev-parse", "HEAD")
        return commit + ("+changes" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _boot() -> str:
    """What the processes of one machine have in common, until it starts anew."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        return f"{platform.node()} {psutil.boot_time()}"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 # nosec B603 B607 # no shell; git as the user has it
        ["git", "--no-optional-locks", "-C", str(root), *arguments],  # noqa: S607
        capture_output=True,
        check=True,
        timeout=10,
    )
    return done.stdout.decode(errors="replace").strip()


def command(study: str, options: list[str]) -> str:
    """The shell command that reruns a study."""
    import shlex

    return shlex.join(["zoneout-lab", "run", study, *options])
