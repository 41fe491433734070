"""Studies that have run, once a session: tests look at them, and copy what they mean to damage."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small_study import ARMS, DIVERGES, run, searching, small

from zoneout_lab import Study
from zoneout_lab.study.run import Summary


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "ZONEOUT_LAB_DATA"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """Two arms, two seeds, gradients measured."""
    return run(small(gradient_epochs=(1,)), tmp_path_factory.mktemp("ran"))


@pytest.fixture(scope="session")
def diverged_study() -> Study:
    """The last of three arms diverges."""
    return small(arms=(*ARMS, DIVERGES))


@pytest.fixture(scope="session")
def with_diverged(diverged_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Summary:
    return run(diverged_study, tmp_path_factory.mktemp("diverged"))


@pytest.fixture(scope="session")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """A study that tuned two of its three arms."""
    return run(searching(), tmp_path_factory.mktemp("tuned"))


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Summary], Path]:
    """A private copy of the study's folder, with the databases beside it."""

    def copy(summary: Summary) -> Path:
        shutil.copytree(summary.folder.parent, tmp_path / "copy")
        return tmp_path / "copy" / summary.folder.name

    return copy
