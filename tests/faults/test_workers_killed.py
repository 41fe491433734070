"""Worker processes that are killed, by themselves or from outside: every batch is trained once, from its last checkpoint."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from deadly import Deadly, DeadlyTrainer
from test_checkpoint import outcome_bits
from test_workers import children
from tiny_tasks import make_run

from zoneout_lab.engines import Checkpoints, train_batches

RUNS = [make_run(seed, epochs=3) for seed in range(2)]
UPDATES = 15  # of all three epochs


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The task, its data, and the file that says how often it kills."""
    file = tmp_path / "deadly"
    file.write_text("")
    monkeypatch.setenv("DEADLY", str(file))
    return Deadly(), Deadly().load(), file


def train(task, data, folder: Path, workers: int, report=lambda *_: None, every: float = 0):
    warnings: list[str] = []
    results = train_batches(
        [RUNS[:1], RUNS[1:]], DeadlyTrainer(task, data), device="cpu", workers=workers, report=report,
        checkpoints=Checkpoints(folder, every), warn=warnings.append,
    )  # fmt: skip
    return dict(results), warnings


def test_one_of_two_workers_is_killed(data, tmp_path):
    """Seen to fail where `_Crew._lost` does not put the batch back, and where checkpoints are not read."""
    task, loaded, deadly = data
    whole, _ = train(task, loaded, tmp_path / "a", 1)
    deadly.write_text("SIGKILL")
    done: list[int] = []
    found, warnings = train(task, loaded, tmp_path / "b", 2, lambda _, progress: done.append(progress.done))
    assert done.count(1) == 2  # what a process reports first is always heard of: neither batch began twice
    assert [outcome_bits(found[k]) for k in range(2)] == [outcome_bits(whole[k]) for k in range(2)]
    assert len(warnings) == 1
    assert "died of SIGKILL while it trained" in warnings[0]


@pytest.mark.slow
@pytest.mark.parametrize("number", ["SIGKILL", "SIGSEGV"])
def test_what_kills_every_worker_is_reported(data, tmp_path, number):
    """Protected by the count of deaths in `failures.Deaths`: seen to fail where it never is too many."""
    task, loaded, deadly = data
    deadly.write_text(f"{number}\n" * 12)
    found, warnings = train(task, loaded, tmp_path, 2)
    for error in found.values():
        assert isinstance(error, MemoryError if number == "SIGKILL" else RuntimeError)
        assert f"3 processes in a row that trained this died of {number}" in str(error)
    assert len(warnings) == 4
    assert len(deadly.read_text().split()) >= 6


@pytest.mark.slow
def test_a_batch_that_comes_further_each_time_is_not_given_up(data, tmp_path):
    """Four deaths, each after another checkpoint: seen to fail where what was saved at the last one is not compared."""
    task, loaded, _ = data
    runs = [make_run(seed, epochs=40, patience=None) for seed in range(2)]
    killed: list[int] = []

    def kill(number, progress):
        if number == 0 and progress.done > 20 * (len(killed) + 1) and len(killed) < 4:
            killed.append(progress.done)
            for pid in children():
                os.kill(pid, signal.SIGKILL)

    warnings: list[str] = []
    results = dict(
        train_batches(
            [runs[:1], runs[1:]],
            DeadlyTrainer(task, loaded),
            device="cpu",
            workers=2,
            report=kill,
            checkpoints=Checkpoints(tmp_path, 0),
            warn=warnings.append,
        )
    )
    assert len(killed) == 4
    assert len(warnings) >= 4
    assert all(isinstance(result, list) for result in results.values()), results
