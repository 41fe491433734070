"""One study's results on several tasks: what is pooled, what is refused, and what is said."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.stats import binomtest
from tiny_studies import hypothesis, make_run, make_spec

from zoneout_lab import schema, stats
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.metrics import Score
from zoneout_lab.results import across, judge

BETTER = [-0.04, -0.02, -0.05, -0.01, -0.03, -0.06]


def results(
    task: str = "digits",
    differences: list[float] = BETTER,
    claims: list[dict[str, Any]] | None = None,
    *,
    metric: str = "valid_error",
    factor: float = 1.0,
    **change: Any,
) -> xr.DataTree:
    """Zoneout's value is the LSTM's plus a difference, at each seed."""
    runs = []
    for seed, difference in enumerate(differences):
        base = 0.3 + 0.01 * (seed * 3 % 5)
        runs += [make_run("lstm", seed, [factor * base]), make_run("zoneout", seed, [factor * (base + difference)])]
    if metric != "valid_error":
        for run in runs:
            run["metrics"] = xr.DataTree(run["metrics"].to_dataset().rename(valid_error=metric))
    spec = make_spec(claims or [hypothesis(metric=metric)], seeds=len(differences)) | {"task": task, "family": "joint"}
    spec["setting"] = {"options": {}, "training": {"epochs": 3}}
    seeds = range(len(differences))
    return schema.study_tree(
        [(run, "") for run in runs], arms=["lstm", "zoneout"], seeds=seeds, provenance={"study": spec | change}
    )


def test_verdict_is_that_of_the_flips_within_tasks() -> None:
    trees = [results("digits", BETTER[:3]), results("adding", [0.01, -0.5, -0.3, -0.2])]
    over = across(trees)
    (judgement,) = over.judgements
    expected = stats.decide_over_tasks([[BETTER[:3], [0.01, -0.5, -0.3, -0.2]]], [stats.Claim("lower")])[0]
    assert (judgement.verdict, judgement.decision.p) == (expected.verdict, expected.p)
    assert over.tasks == ("digits", "adding")
    assert [c.seeds for c in judgement.comparisons] == [(0, 1, 2), (0, 1, 2, 3)]
    assert judgement.comparisons[0] == judge(trees[0])[0].comparison
    assert "lower on 2 of 2 tasks and in 6 of 7 pairs" in judgement.sentence
    assert judgement.sentence.endswith(f": {expected.verdict}.")


def test_three_seeds_on_each_of_two_tasks_decide_together() -> None:
    over = across([results("digits", BETTER[:3]), results("adding", BETTER[3:])])
    assert [c.verdict for c in over.judgements[0].comparisons] == ["underpowered"] * 2
    assert (over.judgements[0].verdict, over.judgements[0].decision.p) == ("supported", 2 / 2**6)


def test_scores_of_other_units_are_pooled_by_what_they_are() -> None:
    """valid_score of a task judged by errors, and of one judged by bits: the recorded names differ, the question does not."""
    other = results("chars", BETTER, metric="valid_bpc", factor=100.0)
    (judgement,) = across([results(), other]).judgements
    assert judgement.noun == "validation score"
    assert not judgement.common
    alike = across([results(), results("adding", factor=100.0)]).judgements[0]
    assert alike.common
    assert alike.noun == "validation error"
    assert judgement.decision.p == alike.decision.p


def test_the_order_of_hypotheses_and_tasks_changes_no_verdict() -> None:
    two = [hypothesis(), hypothesis("lstm", "zoneout", direction="higher")]
    trees = [results("digits", BETTER, two), results("adding", BETTER[:4], two)]
    there, back = across(trees), across(trees[::-1])
    assert [j.decision.p_adjusted for j in there.judgements] == [j.decision.p_adjusted for j in back.judgements]
    assert [j.name for j in there.judgements] == [claim["name"] for claim in two]
    assert across(trees).judgements[0].sentence == there.judgements[0].sentence
    assert "among 2 hypotheses" in there.judgements[0].sentence


def test_absence_is_of_every_task_and_says_on_which_it_hangs() -> None:
    claim = [hypothesis(direction="same", margin=0.1)]
    small = [0.01, -0.01, 0.02, -0.02, 0.005, -0.005]
    near = [d + 0.083 for d in small]
    (held,) = across([results("digits", small, claim), results("adding", near, claim)]).judgements
    assert held.verdict == "supported"
    assert "on every task by itself, least clearly on adding" in held.sentence
    assert "margin 10.0 percentage points" in held.sentence
    few = across([results("digits", small, claim), results("adding", small[:4], claim)]).judgements[0]
    assert "takes 6 seeds in each: adding has fewer" in few.sentence


def test_a_task_without_pairs_leaves_nothing_to_say() -> None:
    empty = results("adding", [float("nan")] * 3)
    (judgement,) = across([results(), empty]).judgements
    assert judgement.verdict == "underpowered"
    assert "no seed of adding has the validation error of both zoneout and the LSTM" in judgement.sentence


def test_equal_arms_are_the_same_on_average() -> None:
    (judgement,) = across([results("digits", [0.0] * 6), results("adding", [0.0] * 6)]).judgements
    assert "the validation error of zoneout and of the LSTM is the same on average" in judgement.sentence
    assert judgement.verdict == "inconclusive"


def test_aggregates_describe_the_paired_runs() -> None:
    trees = [results("digits"), results("adding", [-1.0, 2.0, 0.5], factor=7.0)]
    found = across(trees).judgements[0].aggregates
    values = [judge(tree)[0].comparison for tree in trees]
    ours = [stats.normalised(c.arm_values, c.against_values, "lower") for c in values]
    assert found.iqm == pytest.approx(stats.interquartile_mean(ours))
    assert found.improvement == pytest.approx(
        np.mean([np.mean([[(a < b) + 0.5 * (a == b) for b in c.against_values] for a in c.arm_values]) for c in values])
    )
    assert found.profile[-1] <= found.profile[0]
    assert found.profile_against == pytest.approx(
        stats.performance_profile(
            [stats.normalised(c.against_values, c.against_values, "lower") for c in values], found.thresholds
        )
    )


def test_one_task_in_two_settings_is_told_apart() -> None:
    short, long = ({"setting": {"options": {"length": n}, "training": {"epochs": n}}} for n in (20, 50))
    over = across([results("adding", **short), results("adding", **long), results("digits")])
    assert over.tasks == ("adding (length 20, epochs 20)", "adding (length 50, epochs 50)", "digits")


def test_older_studies_are_corrected_as_declared() -> None:
    old = [results("digits"), results("adding")]
    for tree in old:
        study = copy.deepcopy(schema.study_of(tree))
        assert study is not None
        del study["family"]
        tree["provenance"].attrs["study"] = json.dumps(study)
    assert across(old).correction == "holm"


ARMS = make_spec()["arms"]
REFUSED: dict[str, tuple[list[dict[str, Any]], str]] = {
    "one": ([{}], "needs the results on two at least"),
    "the same twice": ([{}, {}], "digits is given twice"),
    "another arm": (
        [{}, {"task": "adding", "arms": [ARMS[0], ARMS[1] | {"regularizer": {"kind": "x"}}, ARMS[2]]}],
        "the arms of",
    ),
    "another change of an arm": (
        [{}, {"task": "adding", "arms": [ARMS[0], ARMS[1] | {"change": {"training.lr": 0.1}}, ARMS[2]]}],
        "the arms of",
    ),
    "another baseline": ([{}, {"task": "adding", "baseline": "zoneout"}], "the baseline of"),
    "another α": ([{}, {"task": "adding", "alpha": 0.1}], "the α of"),
    "another family": ([{}, {"task": "adding", "family": "holm"}], "the family of"),
    "another claim": ([{}, {"task": "adding", "claims": [hypothesis(direction="higher")]}], "the hypotheses of"),
    "another margin": ([{}, {"task": "adding", "claims": [hypothesis(margin=0.1)]}], "the hypotheses of"),
    "no hypothesis": ([{}, {"task": "adding", "hypotheses": []}], "study without hypotheses"),
    "looks": ([{}, {"task": "adding", "looks": [3, 6]}], "looks"),
    "a margin in two units": (
        [
            {"claims": [hypothesis(margin=0.1)]},
            {"task": "chars", "claims": [hypothesis(margin=0.1, metric="valid_bpc")], "metric": "valid_bpc"},
        ],
        "margin is in units that are not the same on digits and chars",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_pooled_is_refused(case: str) -> None:
    changes, message = REFUSED[case]
    with pytest.raises(InputRefusedError, match=message):
        across([results(**change) for change in changes])


def test_results_without_a_study_are_refused() -> None:
    tree = results("adding")
    del tree["provenance"].attrs["study"]
    with pytest.raises(InputRefusedError, match="Results 2 record no study"):
        across([results(), tree])


def test_every_word_of_a_sentence() -> None:
    over = across([results("digits", BETTER[:3]), results("adding", BETTER[3:])])
    assert (over.name, over.title, over.question) == ("tiny", "A tiny study", "Does it work?")
    assert over.judgements[0].sentence == (
        "Over 2 tasks with 6 pairs of runs, the validation error of zoneout is lower on average than that of the LSTM (lower on 2 of 2 tasks and in 6 of 6 pairs; "
        "standardised difference −0.899; p = 0.0312): supported."
    )
    assert over.judgements[0].short == (
        "validation error of zoneout is lower on average than that of the LSTM (lower on 2 of 2 tasks and in 6 of 6 pairs; standardised difference −0.899; "
        "p = 0.0312)"
    )


def test_sampled_flips_and_doubtful_symmetry_are_said() -> None:
    skewed = [-0.001, -0.002, 0.001, -0.003, 0.002, -0.001, 0.001, -0.9, 0.002, -0.001, 0.003]
    (judgement,) = across([results("digits", skewed), results("adding", BETTER * 2)]).judgements
    assert "by sign-flip, 99,999 random flips within tasks" in judgement.sentence
    assert "symmetry is doubtful on digits" in judgement.sentence
    pairs = sum(d < 0 for d in [*skewed, *BETTER * 2])
    assert judgement.p_sign == pytest.approx(binomtest(pairs, 23).pvalue)


def test_few_pairs_are_underpowered_and_say_what_is_needed() -> None:
    (judgement,) = across([results("digits", BETTER[:2]), results("adding", BETTER[:2])]).judgements
    assert "with so few pairs p can reach 0.125 at best, and 0.05 is needed from at least 6 pairs" in judgement.sentence
    assert judgement.sentence.endswith(": underpowered.")


def test_the_profile_shows_every_run_but_what_would_dwarf_the_rest() -> None:
    near = across([results("digits"), results("adding")]).judgements[0].aggregates
    assert near.profile[0] == near.profile_against[0] == 1.0
    assert near.profile[-1] == near.profile_against[-1] == 0.0
    far = across([results("digits", [9.0] * 6), results("adding")]).judgements[0].aggregates
    assert far.thresholds[0] == -8.25
    assert near.thresholds[-1] < 8.25
    # in between all are shown, with a quarter of a standard deviation beside them
    every = [
        value
        for task in (BETTER, BETTER)
        for arm in (task, [0.0] * 6)
        for value in stats.normalised(
            [0.3 + 0.01 * (s * 3 % 5) + d for s, d in enumerate(arm)],
            [0.3 + 0.01 * (s * 3 % 5) for s in range(6)],
            "lower",
        )
    ]
    assert (near.thresholds[0], near.thresholds[-1]) == pytest.approx((min(every) - 0.25, max(every) + 0.25))
    farther = across([results("digits", [-9.0] * 6), results("adding")]).judgements[0].aggregates
    assert farther.thresholds[-1] == 8.25


def test_an_arms_change_of_a_tasks_own_option_is_no_other_question() -> None:
    arms = [ARMS[0], ARMS[1] | {"change": {"options.length": 9}}, ARMS[2]]
    assert across([results("digits"), results("adding", arms=arms)]).tasks == ("digits", "adding")


SMALL = [0.01, -0.01, 0.02, -0.02, 0.005, -0.005]


@pytest.mark.parametrize(
    ("claim", "tasks", "said", "verdict"),
    [
        ({}, [BETTER[:1], [float("nan")]], "with 1 pair of runs, nothing can be said of all of them: no seed of t2 has", "underpowered"),
        ({}, [BETTER[:1], BETTER[1:2]], "Over 2 tasks with 2 pairs of runs, the validation error of zoneout is lower", "underpowered"),
        ({}, [[float("nan")]] * 3, "no seed of t1, t2 and t3 has", "underpowered"),
        ({"direction": "higher"}, [[0.1, 0.2, 0.3]] * 2, "is higher on average than that of the LSTM (higher on 2 of 2 tasks and in 6 of 6 pairs;", "supported"),
        ({"margin": 0.005}, [BETTER, BETTER], "; margin 0.500 percentage points; p = ", "supported"),
        ({"direction": "same", "margin": 0.1}, [SMALL[:4], SMALL, SMALL[:5]], "takes 6 seeds in each: t1 and t3 have fewer", "inconclusive"),
        ({"direction": "same", "margin": 0.1}, [SMALL, SMALL], "; on every task by itself)", "supported"),
        ({"margin": 0.2, "direction": "higher"}, [SMALL, SMALL], "; on every task by itself)", "equivalent"),
    ],
)  # fmt: skip
def test_what_a_sentence_says_of_tasks(
    claim: dict[str, Any], tasks: list[list[float]], said: str, verdict: str
) -> None:
    trees = [results(f"t{k}", differences, [hypothesis(**claim)]) for k, differences in enumerate(tasks, 1)]
    (judgement,) = across(trees).judgements
    assert said in judgement.sentence
    assert judgement.sentence.endswith(f": {verdict}.")
    assert judgement.verdict == verdict


def test_what_is_claimed_of_every_task_and_contradicted_hangs_on_none() -> None:
    claim = [hypothesis(direction="not higher", margin=0.01)]
    far = [0.1, 0.2, 0.15, 0.12, 0.3, 0.22]
    (judgement,) = across([results("t1", far, claim), results("t2", far[:5], claim)]).judgements
    assert judgement.verdict == "contradicted"
    assert "fewer" not in judgement.sentence
    assert "by itself" not in judgement.sentence


def test_the_line_of_tasks_without_a_pair_names_them() -> None:
    none = [float("nan")] * 3
    trees = [results("t1"), results("t2", none), results("t3", none)]
    assert across(trees).judgements[0].short == "validation error: no pair on t2 and t3"


@pytest.mark.parametrize(("family", "named"), [("holm", "Holm-adjusted p"), ("joint", "adjusted p")])
def test_the_p_of_several_hypotheses_is_called_what_it_is(family: str, named: str) -> None:
    claims = [hypothesis(), hypothesis("lstm", "zoneout")]
    trees = [results(task, BETTER, claims, family=family) for task in ("t1", "t2")]
    first, second = across(trees).judgements
    assert f"; p = 0.000488; {named} = " in first.sentence
    assert (first.verdict, second.verdict) == ("supported", "contradicted")
    # in joint flips every difference counts once; after Holm twice
    assert first.decision.p_adjusted == pytest.approx((2 if family == "holm" else 1) * 2 / 2**12)


def test_ratios_share_an_axis_whatever_their_units_and_their_margin_has_none() -> None:
    claim = [hypothesis(metric="valid_score", scale="log", margin=1.05)]
    near = [results("t1", BETTER, claim), results("t2", BETTER, claim, metric="valid_error", factor=0.5)]
    (judgement,) = across(near).judgements
    assert judgement.common
    assert "; margin × 1.05; p = " in judgement.sentence


def test_standardised_differences_lie_between_minus_one_and_one() -> None:
    (judgement,) = across([results("t1", BETTER), results("t2", [0.1, -0.2, 0.4])]).judgements
    root = [np.sqrt(np.mean(np.square(d))) for d in (BETTER, [0.1, -0.2, 0.4])]
    expected = np.mean([np.mean(BETTER) / root[0], 0.1 / root[1]])
    assert judgement.standardised == pytest.approx(expected)
    assert "lower on 1 of 2 tasks and in 7 of 9 pairs" in judgement.sentence


@pytest.mark.parametrize(
    ("settings", "labels"),
    [
        # an option of the task comes before a size of the model
        ([{"model": {"hidden": n}, "options": {"length": n}} for n in (1, 2)], ["adding (length 1, hidden 1)", "adding (length 2, hidden 2)"]),
        # two at most
        ([{"options": {"a": n, "b": n, "c": n}} for n in (1, 2)], ["adding (a 1, b 1)", "adding (a 2, b 2)"]),
        # what differs from any of them
        ([{"options": {"a": 1, "b": 5}}, {"options": {"a": 2, "b": 5}}, {"options": {"a": 3, "b": 6}}], ["adding (a 1, b 5)", "adding (a 2, b 5)", "adding (a 3, b 6)"]),
    ],
)  # fmt: skip
def test_tasks_of_one_name_are_called_by_what_differs(settings: list[dict[str, Any]], labels: list[str]) -> None:
    assert across([results("adding", setting=setting) for setting in settings]).tasks == tuple(labels)


def test_one_direction_that_is_better_here_and_worse_there_is_refused() -> None:
    claim = [hypothesis(metric="valid_score")]
    trees = [results("t1", BETTER, claim), results("t2", BETTER, claim)]
    for tree, better in zip(trees, ("lower", "higher"), strict=True):
        tree["provenance"].attrs["score"] = json.dumps([Score("error", "rate", better=better).to_json()])  # type: ignore[arg-type]
    with pytest.raises(InputRefusedError, match="a lower valid_error is better on t1, and on t2 a higher one is"):
        across(trees)


def test_units_need_not_be_the_same_without_a_margin_or_for_a_ratio() -> None:
    for claim in (hypothesis(), hypothesis(scale="log", margin=1.01)):
        trees = [
            results("t1", BETTER, [claim]),
            results("t2", BETTER, [claim | {"metric": "valid_bpc"}], metric="valid_bpc"),
        ]
        assert across(trees).judgements[0].verdict == "supported"


@pytest.mark.parametrize("split", ["test", "valid"])
def test_scores_of_several_units_are_called_by_their_split(split: str) -> None:
    claims = [[hypothesis(metric=f"{split}_{name}")] for name in ("error", "bpc")]
    trees = [results("t1", BETTER, claims[0]), results("t2", BETTER, claims[1], metric="valid_bpc")]
    if split == "test":
        trees[1]["metrics"] = xr.DataTree(trees[1]["metrics"].to_dataset().rename(test_error="test_bpc"))
    word = "validation" if split == "valid" else "test"
    assert across(trees).judgements[0].noun == f"{word} score"


def test_a_study_over_tasks_is_called_what_the_first_is() -> None:
    def called(first: dict[str, Any], second: dict[str, Any]) -> tuple[str, str, str]:
        over = across([results("t1", **first), results("t2", **second)])
        return over.name, over.title, over.question

    bare = {"title": None, "question": None}
    assert called({}, {"name": "b", "title": "B", "question": "B?"}) == ("tiny", "A tiny study", "Does it work?")
    assert called(bare | {"name": "a"}, {"name": "b"}) == ("a", "a", "")
    assert called(bare | {"name": None}, {"name": "b"}) == ("", "Untitled study", "")


def test_the_label_of_an_arm_is_the_first_study_s_and_its_name_where_it_has_none() -> None:
    arms = [{key: value for key, value in arm.items() if key != "label"} for arm in ARMS]
    named = across([results("t1"), results("t2", arms=arms)]).judgements[0]
    assert "of zoneout is lower on average than that of the LSTM" in named.sentence
    bare = across([results("t1", arms=arms), results("t2")]).judgements[0]
    assert "of zoneout is lower on average than that of lstm" in bare.sentence


def test_refusals_name_the_results_by_their_place() -> None:
    with pytest.raises(InputRefusedError, match="the baseline of results 1 and of results 3 are not the same"):
        across([results("t1"), results("t2"), results("t3", baseline="zoneout")])
    with pytest.raises(InputRefusedError, match=r"^Results 2 are of a study without hypotheses"):
        across([results("t1"), results("t2", hypotheses=[])])
    with pytest.raises(InputRefusedError, match="got 1"):
        across([results("t1")])


def test_what_varies_between_seeds_belongs_to_the_question() -> None:
    with pytest.raises(InputRefusedError, match="the kinds of randomness that vary of"):
        across([results("t1"), results("t2", vary=["masks"])])
    arms = [ARMS[0], ARMS[1] | {"vary": ["masks"]}, ARMS[2]]
    with pytest.raises(InputRefusedError, match="the arms of"):
        across([results("t1"), results("t2", arms=arms)])
