"""Rounds: who is timed when, and what is made of the times. No test here looks at a real time."""

from __future__ import annotations

import statistics

import pytest

from zoneout_lab.bench.rounds import Spread, interleaved, on_cpu, ratio, spread, warm


def test_quartiles_of_known_numbers():
    values = [7.0, 1.0, 3.0, 2.0, 10.0]
    found = spread(values)
    assert (found.low, found.median, found.high) == tuple(statistics.quantiles(values, n=4, method="inclusive"))
    assert spread([4.0]) == Spread(4.0, 4.0, 4.0)
    assert Spread(2.0, 1.0, 3.0).to_json() == {"median": 2.0, "q1": 1.0, "q3": 3.0}


def test_a_ratio_is_of_the_same_round():
    slow_machine = [1.0, 1.0, 5.0, 5.0]  # half of the rounds at a fifth of the speed
    assert ratio([2.0 * each for each in slow_machine], slow_machine) == Spread(2.0, 2.0, 2.0)
    # the ratio of the medians would be 5
    assert ratio([1.0, 5.0, 50.0], [1.0, 1.0, 5.0]).median == 5.0
    assert ratio([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]).median == 1.0
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        ratio([1.0, 2.0], [1.0])


def test_every_round_has_every_peer_once_and_no_peer_always_follows_the_same():
    order: list[str] = []
    heard: list[int] = []
    steps = {name: (lambda name=name: order.append(name) or ()) for name in "abc"}
    calls = {"a": 1, "b": 2, "c": 1}

    def timer(step, times):
        for _ in range(times):
            step()
        return 6.0

    seconds = interleaved(steps, 8, timer, calls=calls, done=heard.append)
    rounds = ["".join(order[k : k + 4]) for k in range(0, 32, 4)]
    assert all(sorted(each) == ["a", "b", "b", "c"] and "bb" in each for each in rounds)
    assert len(set(rounds)) >= 4
    assert seconds == {"a": [6.0] * 8, "b": [3.0] * 8, "c": [6.0] * 8}  # seconds of one call
    assert heard == list(range(1, 9))


@pytest.mark.parametrize(("last", "calls"), [(1.0, 1), (0.01, 2), (0.003, 7), (0.0, 200)])
def test_short_steps_are_called_often_enough_to_be_timed(last, calls):
    times = iter([9.0, last])  # the first call is not warm, and does not count
    assert warm(lambda: (), lambda step, count: next(times)) == calls


def test_the_clock_calls_as_often_as_asked_and_collects_again_afterwards():
    import gc

    seen: list[bool] = []
    assert on_cpu(lambda: seen.append(gc.isenabled()) or (), 3) >= 0
    assert seen == [False] * 3
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        on_cpu(lambda: 1 / 0, 1)  # type: ignore[return-value]
    assert gc.isenabled()
