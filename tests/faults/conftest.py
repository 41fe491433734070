"""Faults are real: processes are killed, files are damaged, disks are full. ``make faults`` runs all of these tests.

Studies here are those of tests/study, commands are started as in tests/cli.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

for folder in ("engines", "cli", "study", "training"):
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
