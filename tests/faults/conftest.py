"""Faults are real: processes are killed, files are damaged, disks are full. ``make faults`` runs all of these tests.

Studies here are those of tests/study, commands are started as in tests/cli.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

for folder in ("cli", "study", "training"):
    sys.path.append(str(Path(__file__).parents[1] / folder))

#: how often a fault comes at a random moment
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "5"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.faults)


@pytest.fixture
def rounds() -> int:
    return ROUNDS


@pytest.fixture(scope="session", autouse=True)
def heard() -> Iterator[None]:
    """No signal is ignored, here or in what is started from here, as one is below nohup or in a shell's background."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
