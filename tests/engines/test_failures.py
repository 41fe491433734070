"""What kills its workers is given up after three deaths in a row, and an error goes to another process as little as it needs."""

from __future__ import annotations

import json
import pickle
import sys
from types import ModuleType

import pytest
from tiny_tasks import make_run

from zoneout_lab.engines import Checkpoints
from zoneout_lab.engines.failures import Deaths, given_up, named, to_be_sent
from zoneout_lab.parts import private

RUNS = [make_run(seed) for seed in range(3)]
BATCHES = [RUNS[:2], RUNS[2:]]


def test_the_third_death_of_a_batch_is_the_last():
    deaths = Deaths(BATCHES, None)
    assert [deaths.too_many(number) for number in (0, 0, 1, 0, 1, 1)] == [False, False, False, True, False, True]


def test_a_batch_that_comes_further_starts_to_be_counted_anew(tmp_path):
    def save(update: int) -> None:
        folder = tmp_path / "of-the-first"
        folder.mkdir(exist_ok=True)
        (folder / "runs.json").write_text(json.dumps({"runs": [run.id for run in BATCHES[0]], "computed_by": {}}))
        (folder / f"{update:09d}-{'0' * 64}.pt").touch()

    deaths = Deaths(BATCHES, Checkpoints(tmp_path))
    assert [deaths.too_many(0), deaths.too_many(0)] == [False, False]
    save(1)
    assert [deaths.too_many(0), deaths.too_many(0)] == [False, False]
    save(2)
    assert [deaths.too_many(0), deaths.too_many(0), deaths.too_many(0)] == [False, False, True]
    assert [deaths.too_many(1), deaths.too_many(1), deaths.too_many(1)] == [False, False, True]


def test_where_memory_may_have_run_out_the_batch_is_halved():
    assert isinstance(given_up("workers", "died", by_memory=True), MemoryError)
    assert not isinstance(given_up("workers", "died", by_memory=False), MemoryError)


def test_a_batch_is_named_by_its_first_run():
    arm = RUNS[0].arm
    assert [named(RUNS), named(RUNS[1:]), named(RUNS[2:])] == [
        f"{arm} seed 0 and 2 more",
        f"{arm} seed 1 and 1 more",
        f"{arm} seed 2",
    ]


class StaysError(Exception):
    """Cannot be copied at all."""

    def __reduce__(self) -> tuple[type, tuple[str]]:
        raise TypeError


class ChangesError(Exception):
    """Something else when it has been copied."""

    def __reduce__(self) -> tuple[type, tuple[str]]:
        return ValueError, ("?",)


@pytest.mark.parametrize("error", [StaysError("purple smoke"), ChangesError("purple smoke")])
def test_what_cannot_be_copied_is_sent_as_its_words(error):
    sent = to_be_sent(error)
    assert type(sent) is RuntimeError
    assert "purple smoke" in str(sent)


@pytest.mark.parametrize("name", ["__mp_main__", "zoneout_lab_own_1"])
def test_errors_of_a_users_own_files_are_sent_as_their_words(name, monkeypatch):
    """They can be copied here; another process may not have those files."""
    own = type("OwnError", (ValueError,), {"__module__": name})
    module = ModuleType(name)
    module.__dict__["OwnError"] = own
    monkeypatch.setitem(sys.modules, name, module)
    if name != "__mp_main__":
        monkeypatch.setitem(private._SPACES, name, None)
    pickle.loads(pickle.dumps(own("purple smoke")))
    sent = to_be_sent(own("purple smoke"))
    assert type(sent) is RuntimeError
    assert "purple smoke" in str(sent)


def test_an_error_is_sent_without_what_its_traceback_holds():
    def fail():
        try:
            raise KeyError("the cause")
        except KeyError as cause:
            raise OSError(28, "No space") from cause

    with pytest.raises(OSError, match="No space") as raised:
        fail()
    error = raised.value
    assert None not in (error.__traceback__, error.__context__, error.__cause__)
    assert to_be_sent(error) is error
    assert (error.__traceback__, error.__context__, error.__cause__) == (None, None, None)


def test_checkpoints_are_those_of_all_the_runs_and_the_furthest_come_first(tmp_path):
    for name, runs, update in (("a", RUNS[:1], 3), ("b", RUNS[:2], 1), ("c", RUNS, 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "runs.json").write_text(json.dumps({"runs": [run.id for run in runs], "computed_by": {}}))
        (tmp_path / name / f"{update:09d}-{'0' * 64}.npz").touch()
    checkpoints = Checkpoints(tmp_path)
    assert [each.update for each in checkpoints.saved()] == [3, 2, 1]
    assert [checkpoints.update_of(runs) for runs in (RUNS[:1], RUNS[:2], RUNS, [make_run(9)])] == [3, 2, 2, 0]
