"""A Dask cluster of processes on this machine, each of which can be killed by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType


class DaskCluster:
    """A scheduler, and workers without Dask's nanny, which would start another in the place of one that is killed.

    All are started with ``env`` added to this process's environment.
    """

    def __init__(
        self, folder: Path, port: int = 0, protocol: str = "tcp", env: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.folder, self.file = folder, folder / "scheduler.json"
        self.protocol, self.env = protocol, env
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.start_scheduler(port)

    @property
    def address(self) -> str:
        import json

        return str(json.loads(self.file.read_text())["address"])

    def start_scheduler(self, port: int = 0) -> None:
        self.file.unlink(missing_ok=True)
        self._start(
            "scheduler",
            "--protocol",
            self.protocol,
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--no-dashboard",
            "--scheduler-file",
            str(self.file),
        )
        until = time.monotonic() + 60
        while not self.file.exists():
            assert time.monotonic() < until, (self.folder / "scheduler.log").read_text()
            time.sleep(0.05)

    def start_worker(self, name: str, *options: str, env: dict[str, str] | None = None) -> None:
        self._start(
            "worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0", "--name", name,
            "--local-directory", str(self.folder), *options, name=name, env=env,
        )  # fmt: skip

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        process = self.processes.pop(name)
        process.send_signal(number)
        process.wait(30)

    def close(self) -> None:
        for process in self.processes.values():
            with suppress(OSError):
                process.kill()
            process.wait()
        self.processes.clear()

    def _start(self, kind: str, *arguments: str, name: str = "scheduler", env: dict[str, str] | None = None) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=os.environ | {"OMP_NUM_THREADS": "1"} | self.env | (env or {}),
                start_new_session=True,
            )
