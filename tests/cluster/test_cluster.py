"""A Dask cluster of two workers: the same bits as here, workers that cannot be used are told, and what is stopped is saved."""

from __future__ import annotations

import os
import pydoc
import socket
import sys
import threading
import time
from pathlib import Path

import pytest
from distributed import Client, LocalCluster
from test_workers import RUNS, digits, same, trained  # noqa: F401

from zoneout_lab.engines import Checkpoints, cluster_silence, train_batches
from zoneout_lab.errors import TryAgainError, UsageError
from zoneout_lab.study import cluster_connection
from zoneout_lab.study.cluster_connection import check_scheduler, on_cluster
from zoneout_lab.training import TaskTrainer
from zoneout_lab.training.checkpoint import computed_by, usable

LONG = [
    run.model_copy(update={"setting": run.setting.model_copy(update={"training": run.setting.training.model_copy(update={"epochs": 10**6})})})
    for run in RUNS[:2]
]  # fmt: skip


def on(address, batches, digits, *, report=lambda *_: None, checkpoints=None, most=None):  # noqa: F811
    warnings: list[str] = []
    with on_cluster(address, "cpu", most, computed_by, warnings.append) as engine:
        engine.workers.wait()
        results = train_batches(
            batches, TaskTrainer(*digits), device="cpu", workers=1, report=report, checkpoints=checkpoints, warn=warnings.append, engine=engine
        )  # fmt: skip
        return dict(results), warnings


def test_the_bits_of_this_process_and_a_failure_costs_its_batch(cluster, digits, monkeypatch):  # noqa: F811
    """Data go to each of the two workers once, whatever they train of them."""
    sent: list[list[str]] = []
    scatter = Client.scatter
    monkeypatch.setattr(Client, "scatter", lambda *given, **how: sent.append(how["workers"]) or scatter(*given, **how))
    here = trained([RUNS], digits, 1)[0]
    mixed = [RUNS[0], RUNS[1].model_copy(update={"gradient_epochs": ()})]  # two shapes in one batch are refused
    heard = set()
    there, warnings = on(
        cluster.address, [RUNS[:2], mixed, RUNS[2:]], digits, report=lambda n, progress: heard.add(progress.total)
    )
    assert isinstance(there[1], ValueError)
    assert len(there) == 3
    for one, other in zip(here, there[0] + there[2], strict=True):
        same(one, other)
    assert heard <= {5}
    assert there[0][0].origin["engine"].startswith("cpu")
    assert there[0][0].origin["machine"]["device"] == "cpu"
    assert not warnings
    assert len(sent) == len({address for (address,) in sent}) <= 2
    # the scheduler knows nothing of what is sent through it, and needs none of this installed
    maps = Path(f"/proc/{cluster.processes['scheduler'].pid}/maps")
    assert not maps.exists() or "libtorch" not in maps.read_text()  # which Linux alone has


def test_what_is_stopped_is_saved_and_gone_on_with(cluster, digits, tmp_path):  # noqa: F811
    seen = set()

    def report(number, progress):
        seen.add(number)
        if seen == {0, 1}:
            raise ZeroDivisionError

    checkpoints = Checkpoints(tmp_path)  # every five minutes, and when it is stopped
    with pytest.raises(ZeroDivisionError):
        on(cluster.address, [LONG[:1], LONG[1:]], digits, report=report, checkpoints=checkpoints)
    found = {each.runs: each.update for each in usable(checkpoints, "cpu")}
    assert found.keys() == {(run.id,) for run in LONG}
    assert all(found.values())
    there, _ = on(cluster.address, [RUNS[:2]], digits)  # the workers have nothing left to do
    assert len(there[0]) == 2


def test_at_most_so_many_at_once(cluster, digits, tmp_path):  # noqa: F811
    seen = set()

    def report(number, progress):
        seen.add(number)
        if progress.done > 30:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        on(cluster.address, [LONG[:1], LONG[1:]], digits, report=report, checkpoints=Checkpoints(tmp_path), most=1)
    assert seen == {0}


def test_a_folder_that_a_worker_does_not_see(cluster, digits, tmp_path):  # noqa: F811
    there, warnings = on(
        cluster.address, [RUNS[:2], RUNS[2:]], digits, checkpoints=Checkpoints(tmp_path / "not here" / "checkpoints")
    )
    assert all(len(result) == 2 for result in there.values())
    assert warnings
    assert all(f"does not see {tmp_path / 'not here'}: what it trains is saved nowhere" in text for text in warnings)
    assert not list(tmp_path.iterdir())


def refusing(address, device="cpu", until="Waiting for one"):
    """What is said where no worker can be used."""
    told: list[str] = []

    def warn(text):
        told.append(text)
        if until in text:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), on_cluster(address, device, None, computed_by, warn) as engine:
        engine.workers.wait()
    return told


def refused(address, error, text):
    with pytest.raises(error, match=text), on_cluster(address, "cpu", None, computed_by, print):
        pass


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(cluster_silence, "AFTER", 0.1)


def test_no_gpu_is_offered(cluster, impatient):
    (text,) = refusing(cluster.address, "cuda")
    address = cluster.address
    assert text == (
        f"None of the workers of the scheduler {address} offers a GPU. Waiting for one; this starts one: dask worker {address} "
        "--nthreads 1 --resources GPU=1"
    )


def test_workers_that_would_compute_other_bits_are_not_used(cluster, impatient, monkeypatch):
    version = computed_by("cpu")["torch"]

    class Other:
        """Another version of torch here; a worker gets the function itself."""

        def __call__(self, device, real=computed_by):
            return real(device) | {"torch": "2.1.0"}

        def __reduce__(self):
            return pydoc.locate, ("zoneout_lab.training.checkpoint.computed_by",)

    monkeypatch.setattr(sys.modules[__name__], "computed_by", Other())
    *each, last = refusing(cluster.address)
    assert len(each) == 2, last
    for text in each:
        assert text.startswith("The worker tcp://127.0.0.1:")
        assert text.endswith(f"is not used: its numbers may be others, since it has torch {version} (here 2.1.0).")
    assert "can be used. Waiting for one" in last


def test_no_workers(impatient):
    with LocalCluster(n_workers=0, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address=":0") as empty:
        (text,) = refusing(empty.scheduler_address)
        address = empty.scheduler_address
    assert text == (
        f"The scheduler {address} has no workers. Waiting for one; this starts one: dask worker {address} --nthreads 1"
    )


def test_a_worker_without_the_package(cluster, tmp_path):
    hidden = tmp_path / "zoneout_lab"
    hidden.mkdir()
    (hidden / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'zoneout_lab'\")")
    cluster.start_worker("bare", env={"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"})
    try:
        with Client(cluster.address, set_as_default=False) as client:
            client.wait_for_workers(3)
        *_, text = refusing(cluster.address, until="is not used")
        assert text.endswith("is not used: zoneout_lab is not installed there.")
    finally:
        cluster.kill("bare")


def test_it_is_said_once_that_other_tasks_keep_all_workers_busy(cluster, impatient, digits):  # noqa: F811
    """As it is said, once they are free, that they get ready; a worker that trains is heard of, and no more is said."""
    said: list[str] = []
    with Client(cluster.address, set_as_default=False) as other:
        other.wait_for_workers(2)
        others = [other.submit(time.sleep, 2.5, pure=False, workers=[each]) for each in other.nthreads()]
        while not all(other.processing().values()):
            time.sleep(0.05)
        with on_cluster(cluster.address, "cpu", None, computed_by, print, said.append) as engine:
            engine.workers.wait()
            dict(
                train_batches(
                    [RUNS[:1], RUNS[1:2]],
                    TaskTrainer(*digits),
                    device="cpu",
                    workers=1,
                    report=lambda *_: None,
                    engine=engine,
                )
            )
        other.cancel(others)
    address = cluster.address
    assert said[0] == (
        f"All workers of the scheduler {address} (2) are busy with other tasks. Waiting for one to be free; this starts another: "
        f"dask worker {address} --nthreads 1"
    )
    assert all(text.startswith(f"Waiting for the workers of the scheduler {address} (") for text in said[1:])
    assert len(said) == len(set(said)) <= 3


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"address": 5}', '{"address": "tcp://me:hushhush@host:1"}', "\0"])
def test_a_file_that_is_no_scheduler_file(tmp_path, content):
    (tmp_path / "scheduler.json").write_text(content)
    with pytest.raises(UsageError, match=r"scheduler\.json") as caught:
        check_scheduler(str(tmp_path / "scheduler.json"))
    assert "hushhush" not in str(caught.value)


def test_no_scheduler(monkeypatch):
    monkeypatch.setattr(cluster_connection, "_ANSWER", 0.5)
    with pytest.raises(
        UsageError, match=r"--scheduler nowhere: there is no such file\. .* `dask scheduler --scheduler-file nowhere`"
    ):
        check_scheduler("nowhere")
    with pytest.raises(
        UsageError, match=r"--scheduler host:8786 has no protocol\. An address is like tcp://host:8786\."
    ):
        check_scheduler("host:8786")
    with pytest.raises(UsageError, match="the protocol 'ftp' is not known"):
        check_scheduler("ftp://host:8786")
    for junk in (
        "tcp://",
        "tcp://host",
        "tcp://host:99999",
        "tcp://::1:8786",
        "tcp://ho\nst:1",
        "tls://me:hushhush@host:1",
    ):
        with pytest.raises(UsageError, match="is to be like tcp://host:8786") as caught:
            check_scheduler(junk)
        assert "hushhush" not in str(caught.value)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        refused(f"tcp://127.0.0.1:{taken.getsockname()[1]}", TryAgainError, "No Dask scheduler answers at tcp:")


@pytest.mark.parametrize("reply", [b"HTTP/1.0 200 OK\r\n\r\n", bytes(64)])
def test_what_answers_is_no_scheduler(reply):
    """Protected by `ClosingClient`: without it, a thread is left."""
    before = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=lambda: server.accept()[0].sendall(reply))
        answering.start()
        refused(f"tcp://127.0.0.1:{server.getsockname()[1]}", TryAgainError, "No Dask scheduler answers at tcp:")
        answering.join()
    assert threading.active_count() == before
