"""One Dask cluster for all tests here. They are the first of all tests, which xdist gives to one process."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dask_cluster import DaskCluster

for folder in ("engines", "cli", "parts", "study", "training"):
    sys.path.append(str(Path(__file__).parents[1] / folder))


#: Dask leaves a socket open where a connection is given up; what this package leaves open is counted in test_cluster_in_this_process.py
UNCLOSED = ("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: Path(__file__).parent not in item.path.parents)
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for each in UNCLOSED:
                item.add_marker(pytest.mark.filterwarnings(each))


_RUNNING: list[DaskCluster] = []


@pytest.fixture(autouse=True)
def what_was_left_open_is_told_here() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> DaskCluster:
    """Two workers, the same for all tests that follow each other here."""
    if not _RUNNING:
        found = DaskCluster(tmp_path_factory.mktemp("cluster"))
        _RUNNING.append(found)
        found.start_worker("a")
        found.start_worker("b")
    return _RUNNING[0]


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Close the cluster after the last test here: scheduler and workers would take a seventh of a core while others run."""
    if nextitem is None or Path(__file__).parent not in nextitem.path.parents:
        while _RUNNING:
            _RUNNING.pop().close()
