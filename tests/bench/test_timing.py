"""What a case's rows are made of, and what becomes of peers that cannot run. Times are made up."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from zoneout_lab.bench import Case, Measured, Setup, Sweep, measure, rounds, timing, timing_process
from zoneout_lab.bench.peers import LAYERS, PEERS
from zoneout_lab.bench.rounds import Spread

TINY = Case("tiny", "for tests", batch=2, steps=3, hidden=4, input=5)
SWEEP = replace(TINY, replicas=(1, 2, 3))
SETUP = Setup(rounds=2, warmup=1)
BY_KEY = {peer.key: peer for peer in PEERS}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Without torch's compiler, which takes its time, and with a small square product."""
    monkeypatch.setattr(timing, "PEERS", tuple(peer for peer in PEERS if peer.key != "compiled"))
    monkeypatch.setitem(timing._SQUARE, "cpu", 8)
    monkeypatch.setattr(rounds, "_LEAST", 0.0)


def made_up(monkeypatch, *peers):
    """Only these peers: the timer gives what they ask for, and a slow second round."""
    seconds = {"torch": [1.0, 10.0], "ours": [2.0, 30.0], "naive": [8.0, 90.0], None: [0.5, 5.0]}
    left = {key: iter([1.0, *each]) for key, each in seconds.items()}  # a warm-up before
    steps = {}

    def pretend(peer):
        def make(problem):
            step = lambda: ()  # noqa: E731
            steps[step] = peer.key
            return step

        return replace(peer, make=make)

    monkeypatch.setattr(timing, "PEERS", tuple(pretend(peer) for peer in peers))
    monkeypatch.setattr(timing, "on_cpu", lambda step, calls: next(left[steps.get(step)]))


def test_rows_of_made_up_times(monkeypatch):
    made_up(monkeypatch, *(BY_KEY[key] for key in ("torch", "ours", "naive")))
    heard: list[tuple[str, int, int]] = []
    result = measure(TINY, SETUP, lambda *what: heard.append(what))
    assert isinstance(result, Measured)
    theirs, ours, naive = result.rows
    assert ours.seconds == (2.0, 30.0)
    assert ours.ratio == Spread(2.5, 2.25, 2.75)
    assert theirs.ratio == Spread(1.0, 1.0, 1.0)
    assert naive.to_ours == Spread(3.5, 3.25, 3.75)
    assert ours.per_timestep.median == 16 / 3
    # a square product of 8³ · 2 operations took 0.5 and 5 seconds
    share = TINY.products("lstm") / (2 * 8**3)
    assert ours.floor.median == pytest.approx((2 / 0.5 + 30 / 5) / 2 / share)
    assert result.floor is not None
    assert result.floor.median == pytest.approx(2.75 * share)
    assert result.rate is not None
    assert result.rate.high == pytest.approx((3 * 2 / 0.5 + 2 / 5) / 4 * 8**3)
    assert [words for words, _, _ in heard] == [
        "nn.LSTM: warming up",
        "zl.LSTM: warming up",
        "nn.LSTMCell loop: warming up",
        "timing",
        "timing",
    ]
    assert heard[-1][1:] == (2, 2)


@pytest.mark.parametrize("cell", LAYERS)
def test_a_case_is_timed_and_turns_to_json(cell):
    result = measure(TINY, replace(SETUP, cell=cell))
    assert isinstance(result, Measured)
    assert [row.peer for row in result.rows] == ["torch", "ours", "masks", "naive", "reference"]
    assert result.left_out == {}
    found = json.loads(json.dumps(result.to_json()))
    assert (found["batch"], found["steps"], found["hidden"], found["input"]) == (2, 3, 4, 5)
    for peer in found["peers"]:
        assert len(peer["seconds"]) == peer["rounds"] == 2
        assert peer["ms"]["q1"] <= peer["ms"]["median"] <= peer["ms"]["q3"]
        assert peer["us_per_timestep"]["median"] == pytest.approx(peer["ms"]["median"] * 1e3 / 3)
        assert min(peer["ratio_to_torch"]["q1"], peer["ratio_to_ours"]["q1"], peer["multiple_of_floor"]["q1"]) > 0
    assert found["floor"]["flop_per_second"]["median"] > 0


def test_a_sweep_over_replicas():
    result = measure(SWEEP, SETUP)
    assert isinstance(result, Sweep)
    assert [row.replicas for row in result.rows] == [1, 2, 3]
    assert result.rows[0].to_one == Spread(1.0, 1.0, 1.0)
    for row in result.rows:
        ratios = [mine / theirs for mine, theirs in zip(row.ours, row.torch, strict=True)]
        assert row.ratio.median == pytest.approx(sum(ratios) / 2)
        to_one = [mine / one for mine, one in zip(row.ours, result.rows[0].ours, strict=True)]
        assert row.to_one.median == pytest.approx(sum(to_one) / 2)
    found = json.loads(json.dumps(result.to_json()))["replicas"][2]
    assert found["ours"]["ms_per_replica"]["median"] == pytest.approx(found["ours"]["ms"]["median"] / 3)
    assert len(result.timings) == 6


def failing(error):
    def make(problem):
        def step():
            raise error

        return step

    return make


def test_a_peer_that_may_fail_is_left_out_and_says_why(monkeypatch):
    broken = replace(BY_KEY["compiled"], make=failing(RuntimeError("\nNo working C++ compiler found\nlong story")))
    monkeypatch.setattr(timing, "PEERS", (BY_KEY["torch"], BY_KEY["ours"], broken))
    result = measure(TINY, SETUP)
    assert [row.peer for row in result.rows] == ["torch", "ours"]
    assert result.left_out == {"nn.LSTMCell loop, compiled": "No working C++ compiler found"}


def test_a_fault_of_any_other_peer_is_not_hidden(monkeypatch):
    broken = replace(BY_KEY["naive"], make=failing(RuntimeError("a fault")))
    monkeypatch.setattr(timing, "PEERS", (BY_KEY["torch"], BY_KEY["ours"], broken))
    with pytest.raises(RuntimeError, match="a fault"):
        measure(TINY, SETUP)


def test_a_peer_that_finds_no_memory_is_left_out(monkeypatch):
    broken = replace(BY_KEY["naive"], make=failing(torch.OutOfMemoryError("no room")))
    monkeypatch.setattr(timing, "PEERS", (BY_KEY["torch"], BY_KEY["ours"], broken))
    assert measure(TINY, SETUP).left_out == {"nn.LSTMCell loop": "no room"}


def test_what_would_not_fit_the_memory_is_not_tried(monkeypatch):
    monkeypatch.setattr(timing, "memory_available", lambda: 4000)
    result = measure(TINY, SETUP)
    assert result.rows == ()
    assert "needs about" in result.left_out["nn.LSTM"]
    assert "floor" in result.to_json()
    sweep = measure(SWEEP, SETUP)
    assert sweep.rows == ()
    assert set(sweep.left_out) == {"R = 1", "R = 2", "R = 3"}
    # enough for one model, not for three; and for torch's and ours, not for the reference
    monkeypatch.setattr(timing, "memory_available", lambda: 9000)
    assert [row.replicas for row in measure(SWEEP, SETUP).rows] == [1]
    assert list(measure(TINY, SETUP).left_out) == ["zl.LSTM, reference"]


def test_threads_hold_for_all_peers_and_end_with_them():
    before = torch.get_num_threads()
    with timing_process(1):
        assert torch.get_num_threads() == 1
        assert not (torch.tensor(1e-40) * 1).any()  # subnormal numbers are zero
    assert torch.get_num_threads() == before
