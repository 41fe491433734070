"""One Dask cluster for all tests here. They are the first of all tests, which xdist gives to one process."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dask_cluster import DaskCluster

for folder in ("cli", "parts", "study", "training"):
    sys.path.append(str(Path(__file__).parents[1] / folder))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: Path(__file__).parent not in item.path.parents)


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Two workers. They are closed after the last test here: each would take a fiftieth of a core while others run."""
    found = DaskCluster(tmp_path_factory.mktemp("cluster"))
    found.start_worker("a")
    found.start_worker("b")
    yield found
    found.close()
