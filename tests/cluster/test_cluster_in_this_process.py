"""A Dask cluster whose workers are threads of this process, as in a notebook: it trains, and what stops there stops nothing here."""

from __future__ import annotations

import gc
import operator
import threading
import time

import psutil
import pytest
from distributed import LocalCluster
from small_study import arrays, assert_same_bits, run, small
from test_cluster import LONG, RUNS, on
from test_workers import digits, same, trained  # noqa: F401

from zoneout_lab import interrupts
from zoneout_lab.engines import Checkpoints
from zoneout_lab.training.checkpoint import usable


@pytest.fixture(scope="module")
def threads():
    """A cluster of two workers here."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address=":0"
    ) as found:
        yield found


def test_what_is_stopped_is_saved_and_this_process_goes_on(threads, digits, tmp_path):  # noqa: F811
    """Protected by the thread that `interrupts.ask` is given: without it, whatever trains here next would stop."""

    def report(number, progress):
        raise ZeroDivisionError

    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(ZeroDivisionError):
        on(threads.scheduler_address, [LONG[:1], LONG[1:]], digits, report=report, checkpoints=checkpoints)
    assert interrupts.asked() is None
    assert usable(checkpoints, "cpu")
    there, warnings = on(threads.scheduler_address, [RUNS[:2], RUNS[2:]], digits)
    for one, other in zip(trained([RUNS], digits, 1)[0], there[0] + there[1], strict=True):
        same(one, other)
    assert not warnings


@pytest.mark.slow
def test_nothing_is_left_behind(threads, tmp_path):
    """Of studies on a cluster, and of a cluster that does not answer."""
    study = small(seeds=1)
    here = run(study, tmp_path / "here")

    def again(lost):
        for file in list((tmp_path / "out").glob("*/runs/*.nc"))[:lost]:
            file.unlink()
        return run(study, tmp_path / "out", scheduler=threads.scheduler_address, workers=None)

    assert again(0).trained == 2
    assert_same_bits(arrays(here.folder), arrays(again(1).folder))
    before = held()
    for _ in range(4):
        assert again(1).trained == 1
    until = time.monotonic() + 10
    while any(map(operator.gt, now := held(), before)) and time.monotonic() < until:
        time.sleep(0.1)  # the cluster closes its ends in its own time
    assert not any(map(operator.gt, now, before)), (now, before)


def held():
    """Descriptors, processes and threads."""
    gc.collect()
    this = psutil.Process()
    return this.num_fds(), len(this.children(recursive=True)), threading.active_count()
