"""A server that does not answer is waited for once, and what comes of it later is written nowhere."""

from __future__ import annotations

import os
import threading
import time

import pytest
from sqlalchemy import create_engine, text

from zoneout_lab.study import patience
from zoneout_lab.study.patience import Allowance, GivenUpError, with_patience


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE", 0.4)


def test_what_comes_of_the_work_is_passed_on():
    assert with_patience(lambda answered: 3) == 3
    with pytest.raises(ValueError, match="of the work"):
        with_patience(lambda answered: (_ for _ in ()).throw(ValueError("of the work")))


def test_silence_ends_it_and_nothing_is_written_afterwards():
    written: list[str] = []
    raised: list[type] = []
    over = threading.Event()

    def hangs(answered):
        over.wait(5)
        try:
            answered()
        except GivenUpError as error:
            raised.append(type(error))
            raise
        written.append("late")

    began = time.monotonic()
    with pytest.raises(TimeoutError, match="no answer in"):
        with_patience(hangs)
    assert 0.3 < time.monotonic() - began < 2
    over.set()
    for _ in range(100):
        if raised:
            break
        time.sleep(0.02)
    assert (raised, written) == ([GivenUpError], [])


def test_answers_give_it_more_time():
    def slow(answered):
        for _ in range(4):
            time.sleep(0.2)
            answered()
        return "done"

    assert with_patience(slow) == "done"


def answers(count, seconds):
    """Work whose answers take so long each, and how many came."""
    came = []

    def work(answered):
        for _ in range(count):
            time.sleep(seconds)
            answered()
            came.append(seconds)
        return "done"

    return work, came


@pytest.fixture
def a_second_in_all(monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE", 2.0)
    monkeypatch.setattr(patience, "QUICK", 0.5)
    monkeypatch.setattr(patience, "SLOW", 1.0)


@pytest.mark.usefixtures("a_second_in_all")
def test_slow_answers_have_so_much_time_in_all_and_quick_ones_any():
    """A server that always answers just in time would otherwise hold a study for ever."""
    slow, came = answers(50, 0.9)
    with pytest.raises(TimeoutError, match=r"no answer in \d s, after slow ones"):
        with_patience(slow)
    assert 1 <= len(came) <= 3
    quick, came = answers(60, 0.02)
    assert with_patience(quick) == "done"
    assert len(came) == 60


@pytest.mark.usefixtures("a_second_in_all")
def test_what_slow_answers_take_is_counted_over_all_of_a_study():
    kept = Allowance()
    for _ in range(2):
        assert with_patience(answers(1, 0.9)[0], kept) == "done"
    with pytest.raises(TimeoutError):
        with_patience(answers(2, 0.9)[0], kept)
    assert kept.left == 0
    assert with_patience(answers(1, 0.02)[0], kept) == "done"  # it is quick again


@pytest.mark.usefixtures("a_second_in_all")
def test_one_that_hung_is_not_waited_for_so_long_again():
    """Two servers that hang throughout a study are to cost it twenty seconds."""
    kept = Allowance()
    with pytest.raises(TimeoutError, match="no answer in 2 s"):
        with_patience(answers(1, 3.0)[0], kept)
    begun = time.monotonic()
    with pytest.raises(TimeoutError, match="no answer in 0 s"):
        with_patience(answers(1, 3.0)[0], kept)
    assert time.monotonic() - begun < 1.9


def test_so_do_statements_and_an_upload(tmp_path):
    def statements(_answered):
        with create_engine(f"sqlite:///{tmp_path}/a.db").connect() as connection:
            for _ in range(4):
                time.sleep(0.2)
                connection.execute(text("SELECT 1"))
            connection.close()
        return "done"

    def upload(answered):
        answered(500_000)
        time.sleep(0.8)
        return "sent"

    assert with_patience(statements) == "done"
    assert with_patience(upload) == "sent"


def test_clients_are_told_and_the_environment_is_as_before(monkeypatch):
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "3")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_TIMEOUT", raising=False)
    names = ("PGCONNECT_TIMEOUT", "MLFLOW_HTTP_REQUEST_TIMEOUT")
    assert with_patience(lambda _: [os.environ.get(name) for name in names]) == ["3", "8"]
    assert [os.environ.get(name) for name in names] == ["3", None]
