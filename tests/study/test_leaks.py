"""Studies run one after another in one process leave no descriptor, process, thread or connection behind."""

from __future__ import annotations

import gc
import shutil
import threading
from pathlib import Path

import psutil
import pytest
from small_study import run, small
from sqlalchemy import QueuePool

STUDY = small(seeds=1)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def held() -> dict[str, int]:
    """What this process holds."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # warns while it is imported

    gc.collect()
    this = psutil.Process()
    pools = (engine.pool for engine in SqlAlchemyStore._engine_map.values())
    connections = [pool.checkedin() + pool.checkedout() for pool in pools if isinstance(pool, QueuePool)]
    return {
        "descriptors": this.num_fds(),
        "processes": len(this.children(recursive=True)),
        "threads": threading.active_count(),
        "connections": sum(connections),
    }


def again(out: Path, *, lost: bool = False, workers: int = 1) -> None:
    """Run the study once more, with a run to train where its file was lost."""
    if lost:
        next(out.glob("*/runs/*.nc")).unlink()
    assert run(STUDY, out, workers=workers, tracking="default").trained == lost


@pytest.mark.slow
def test_nothing_is_left_behind(tmp_path):
    out, others = tmp_path / "first", held()["connections"]  # of clients of other tests
    run(STUDY, out, workers=2, tracking="default")
    again(out, lost=True)  # what is made once for the process is made by now
    before = held()
    assert before["connections"] == others
    for _ in range(3):
        again(out)
    again(out, lost=True)
    again(out, lost=True, workers=2)
    assert held() == before


@pytest.mark.slow
def test_nor_by_studies_in_other_folders(tmp_path):
    run(STUDY, tmp_path / "0", tracking="default")
    shutil.copytree(tmp_path / "0", tmp_path / "1")
    again(tmp_path / "1", lost=True)
    before = held()
    for number in range(2, 5):
        shutil.copytree(tmp_path / "0", tmp_path / str(number))
        again(tmp_path / str(number), lost=True)
    assert held() == before
