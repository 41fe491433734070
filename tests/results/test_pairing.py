"""Pairs by seed: which are lost and why, what a part of them is, and what diverged runs counted as worst come to."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import xarray as xr
from tiny_studies import hypothesis, make_spec, make_study

from zoneout_lab import stats
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.metrics import Score
from zoneout_lab.results import Question, compare, compare_family, judge
from zoneout_lab.results.pairing import Pairs, pairs
from zoneout_lab.results.scalars import scalar

LSTM = {s: 0.5 + s / 1000 for s in range(12)}
#: better at every seed, by more at each
ZONEOUT = {s: v - 0.01 - s / 5000 for s, v in LSTM.items()}


def two(diverged: tuple[Any, ...] = (), seeds: int = 12, *, better: str = "lower") -> xr.DataTree:
    values = {arm: {s: v for s, v in of.items() if s < seeds} for arm, of in (("lstm", LSTM), ("zoneout", ZONEOUT))}
    tree = make_study(values, make_spec(seeds=seeds), diverged=diverged)
    if better == "higher":
        tree["provenance"].attrs["score"] = json.dumps([Score("error", "rate", better="higher").to_json()])
    return tree


def test_seeds_are_lost_absent_or_diverged():
    diverged = (("zoneout", 4), ("zoneout", 2), ("lstm", 1), ("lstm", 2))
    values = {"lstm": LSTM, "zoneout": {s: v for s, v in ZONEOUT.items() if s != 7}}
    found = pairs(make_study(values, make_spec(seeds=14), diverged=diverged), "zoneout", "lstm", "valid_error")
    assert found.seeds == (0, 3, 5, 6, 8, 9, 10, 11)
    assert (found.lost, found.absent) == ((1, 2, 4, 7), (12, 13))
    assert found.diverged == (("zoneout", 2), ("zoneout", 4), ("lstm", 1), ("lstm", 2))
    assert found.only_diverged == ((4,), (1,), (2,))
    assert found.arm_values == tuple(ZONEOUT[s] for s in found.seeds)
    assert found.against_values == tuple(LSTM[s] for s in found.seeds)
    part = found.of_seeds(range(1, 6))
    assert (part.seeds, part.lost, part.only_diverged) == ((3, 5), (1, 2, 4), ((4,), (1,), (2,)))
    assert part.diverged == found.diverged
    assert list(part.differences) == [ZONEOUT[s] - LSTM[s] for s in (3, 5)]
    first = found.of_seeds([0, 4])
    assert (first.seeds, first.lost, first.diverged) == ((0,), (4,), (("zoneout", 4),))
    assert first.only_diverged == ((4,), (), ())
    assert (first.arm_values, first.against_values) == ((ZONEOUT[0],), (LSTM[0],))


@pytest.mark.parametrize(
    ("study", "reached", "absent"),
    [
        ({"seeds": 8}, None, (6, 7)),
        ({"seeds": 6}, None, ()),
        ({"seeds": 5}, None, ()),  # other seeds than planned: which of them were is not known
        ({"seeds": 20, "looks": [7, 20]}, 7, (6,)),  # seeds of a later look are not due yet
        ({"seeds": 7, "looks": [7, 20]}, None, (6,)),
        ({"seeds": 8}, 7, (6, 7)),
        ({"seeds": "many"}, None, ()),
        ({}, None, ()),
    ],
)
def test_absent_are_the_seeds_that_were_due(study, reached, absent):
    tree = make_study({"lstm": dict.fromkeys(range(6), 0.5), "zoneout": dict.fromkeys(range(6), 0.4)})
    tree["provenance"].attrs |= {"study": json.dumps(study)} | ({} if reached is None else {"reached": str(reached)})
    assert pairs(tree, "zoneout", "lstm", "valid_error").absent == absent


def test_values_the_scale_cannot_hold_leave_no_pairs_and_no_lost_seeds():
    values = {"lstm": dict.fromkeys(range(6), 0.5), "zoneout": {s: -0.1 - s / 10 for s in range(6)}}
    tree = make_study(values, diverged=(("lstm", 0),))
    with pytest.raises(InputRefusedError, match="valid_error of zoneout and lstm cannot be compared on the log scale"):
        pairs(tree, "zoneout", "lstm", "valid_error", "log")
    found = pairs(tree, "zoneout", "lstm", "valid_error", "log", refuse=False)
    assert (found.seeds, found.arm_values, found.against_values, found.lost) == ((), (), (), ())
    assert found.unfit.startswith("Values below zero have no log")
    assert pairs(tree, "zoneout", "lstm", "valid_error").unfit == ""


def test_values_known_already_are_used():
    tree = two()
    values = scalar(tree, "valid_error")
    found = pairs(tree, "zoneout", "lstm", "valid_error", values=values + 1)
    assert found.arm_values == tuple(v + 1 for v in ZONEOUT.values())


@pytest.mark.parametrize("better", ["lower", "higher"])
@pytest.mark.parametrize("lost", ["zoneout", "lstm"])
@pytest.mark.parametrize("direction", ["lower", "higher"])
def test_diverged_runs_as_worst_by_hand(better, lost, direction):
    """Eleven ranks below zero, −1 to −11, and the twelfth above it where the worst of values is the larger one."""
    c = compare(two(((lost, 0),), better=better), "zoneout", "lstm", metric="valid_error", direction=direction)
    positive = (lost == "zoneout") == (better == "lower")
    ranks = [*range(-11, 0), 12 if positive else -12]
    assert c.better == better
    assert c.p_worst == pytest.approx(stats.sign_flip(ranks).p())
    assert c.verdict_worst == ("supported" if direction == "lower" else "contradicted")
    assert f"with diverged runs counted as worst: {c.verdict_worst}, p = " in c.sentence


def test_diverged_runs_as_worst_where_little_can_be_said():
    few = compare(two((("zoneout", 0),), seeds=5), "zoneout", "lstm", metric="valid_error")
    assert (few.p_worst, few.verdict_worst) == (stats.sign_flip([-1, -2, -3, -4, 5]).p(), "underpowered")
    # twelve pairs of which six: the p of six against six worse ones is far from the level
    half = compare(two(tuple(("zoneout", s) for s in range(6))), "zoneout", "lstm", metric="valid_error")
    assert (half.verdict, half.verdict_worst) == ("supported", "inconclusive")
    # ranks have no margin, so a claim of absence gets p alone
    same = compare(two((("lstm", 0),)), "zoneout", "lstm", metric="valid_error", direction="same", margin=0.1)
    assert (same.verdict, same.verdict_worst) == ("supported", None)
    assert f"with diverged runs counted as worst, p = {2 / 2**12:.3g} for any difference" in same.sentence
    # both lost at one seed says nothing of either
    both = compare(two((("lstm", 0), ("zoneout", 0))), "zoneout", "lstm", metric="valid_error")
    assert both.p_worst == 2 / 2**11
    # which values are worse is not known of every metric
    tree = two((("zoneout", 0),))
    tree["metrics"] = xr.DataTree(tree["metrics"].to_dataset().rename(valid_error="acc"))
    unknown = compare(tree, "zoneout", "lstm", metric="acc")
    assert (unknown.better, unknown.verdict_worst, math.isnan(unknown.p_worst)) == ("", None, True)
    assert "worst" not in unknown.sentence


def test_a_run_diverged_where_the_other_has_no_value_counts_for_nobody():
    lstm = {s: v for s, v in LSTM.items() if s != 0}
    tree = make_study({"lstm": lstm, "zoneout": ZONEOUT}, diverged=(("zoneout", 0),))
    found = pairs(tree, "zoneout", "lstm", "valid_error")
    assert found.only_diverged == ((), (), ())
    assert math.isnan(compare(tree, "zoneout", "lstm", metric="valid_error").p_worst)


def test_each_look_sees_its_seeds_alone():
    """The smallest seeds come first, whatever was lost; a seed lost to a look is still one that it saw."""
    tree = two((("zoneout", 3), ("lstm", 10)))
    (c,) = compare_family(tree, [Question("zoneout", "lstm", "valid_error")], looks=(10, 12))
    assert (c.verdict, c.look, c.looks) == ("supported", 1, (10, 12))
    assert (c.seeds, c.lost, c.diverged) == ((0, 1, 2, 4, 5, 6, 7, 8, 9), (3,), (("zoneout", 3),))


def test_what_was_declared_is_judged_though_another_cannot_be_paired():
    assert isinstance(pairs(two(), "zoneout", "lstm", "valid_error"), Pairs)
    claims = [hypothesis(scale="log"), hypothesis() | {"name": "other"}]
    tree = two()
    tree["metrics"] = xr.DataTree(tree["metrics"].to_dataset().assign(valid_error=lambda d: d["valid_error"] - 0.501))
    tree["provenance"].attrs["study"] = json.dumps(make_spec(claims, seeds=12) | {"family": "joint"})
    unfit, other = (j.comparison for j in judge(tree))
    assert (len(unfit.seeds), len(other.seeds)) == (0, 12)
    with pytest.raises(InputRefusedError, match="log scale"):
        compare(tree, "zoneout", "lstm", metric="valid_error", scale="log")
