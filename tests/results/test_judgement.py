"""The declared family judged jointly: against compare one at a time, by hand, and by its error rate over whole studies."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats as scipy_stats
from tiny_studies import hypothesis, make_spec, make_study

from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError, IntegrityError, UsageError
from zoneout_lab.results import compare, judge

#: eight seeds; zoneout is better at every one (p = 2/2⁸), dropout at all but the smallest difference (p = 4/2⁸)
BASE = dict.fromkeys(range(8), 0.50)
VALUES = {
    "lstm": BASE,
    "zoneout": {s: 0.50 - 0.01 * (s + 1) for s in BASE},
    "dropout": {s: 0.50 - 0.001 * 2**s * (-1 if s == 0 else 1) for s in BASE},
}


def test_one_hypothesis_is_a_comparison():
    spec = make_spec([hypothesis(margin=0.001, direction="higher")])
    tree = make_study(VALUES, spec)
    (judgement,) = judge(tree)
    assert (judgement.name, judgement.statement) == ("zoneout-lstm", "zoneout against lstm")
    assert (judgement.claims, judgement.reason) == ((16,), "any gain counts")
    alone = compare(tree, "zoneout", "lstm", metric="valid_error", direction="higher", margin=0.001)
    # what was declared can be contradicted; what was not claims nothing
    assert judgement.comparison.short == alone.short.replace(" lower (", " lower, against the claim (", 1)
    exploratory = dataclasses.replace(
        judgement.comparison, declared=False, declared_as="zoneout-lstm", sentence=alone.sentence, short=alone.short
    )
    # declared before families could be joint: absence is read off the same interval as all else
    assert (exploratory.correction, exploratory.inner_alpha) == ("holm", 0.05)
    same = {"correction": "joint", "inner": alone.inner, "inner_alpha": 0.1}
    assert dataclasses.replace(exploratory, **same) == alone
    assert alone.verdict == "contradicted"


def test_the_family_is_corrected_by_holm_by_hand():
    family = [
        hypothesis("dropout"),
        hypothesis("zoneout"),
        hypothesis("zoneout", "dropout", direction="same", margin=0.01),
        hypothesis("dropout", "zoneout", metric="test_error"),
    ]
    tree = make_study(VALUES, make_spec(family))
    dropout, zoneout, same, other = (j.comparison for j in judge(tree))
    assert (zoneout.p, dropout.p) == (2 / 256, 4 / 256)
    # zoneout's .0078 ≤ .05/4 is rejected first; dropout's .0156 ≤ .05/3 second; the rest are tested at .05/2
    assert (zoneout.alpha, dropout.alpha, same.alpha, other.alpha) == pytest.approx((0.05 / 4, 0.05 / 3, 0.025, 0.025))
    assert (zoneout.p_adjusted, dropout.p_adjusted) == pytest.approx((4 * 2 / 256, 3 * 4 / 256))
    verdicts = [c.verdict for c in (dropout, zoneout, same, other)]
    assert verdicts == ["supported", "supported", "inconclusive", "inconclusive"]
    assert {c.family for c in (dropout, zoneout, same, other)} == {4}
    assert "98.33% interval" in dropout.sentence
    assert "p = 0.0156; Holm-adjusted p = 0.0469 among 4 hypotheses" in dropout.sentence
    # alone, each would be judged at the whole level
    assert compare(tree, "dropout", "lstm", metric="valid_error").alpha == 0.05


def test_what_the_family_takes_away():
    # alone .0156 is enough, among four equal hypotheses it is not: without the correction this would be "supported"
    tree = make_study(VALUES, make_spec([hypothesis("dropout") | {"name": f"h{k}"} for k in range(4)]))
    assert compare(tree, "dropout", "lstm", metric="valid_error").verdict == "supported"
    assert {j.comparison.verdict for j in judge(tree)} == {"inconclusive"}


@pytest.mark.slow
def test_family_wise_error_of_whole_studies():
    # four hypotheses that are all false and share a baseline; without the correction 4 × .047 for independent ones
    rng = np.random.default_rng(21)
    family = [
        hypothesis("zoneout"),
        hypothesis("dropout"),
        hypothesis("zoneout", "dropout"),
        hypothesis("zoneout", metric="test_error"),
    ]
    tree = make_study(VALUES, make_spec(family))
    metrics = tree["metrics"].to_dataset()
    studies, errors = 150, 0
    for _ in range(studies):
        drawn = metrics.assign(
            valid_error=(metrics["valid_error"].dims, rng.standard_normal(metrics["valid_error"].shape)),
            test_error=(metrics["test_error"].dims, rng.standard_normal(metrics["test_error"].shape)),
        )
        tree["metrics"] = type(tree)(drawn)
        errors += any(j.comparison.verdict != "inconclusive" for j in judge(tree))
    assert scipy_stats.binomtest(errors, studies, 0.05, "greater").pvalue > 0.001
    assert errors > 0


def test_underpowered_families_say_how_many_seeds_would_do():
    values = {arm: {s: v for s, v in by_seed.items() if s < 6} for arm, by_seed in VALUES.items()}
    tree = make_study(values, make_spec([hypothesis("zoneout"), hypothesis("dropout")], seeds=6))
    for judgement in judge(tree):
        assert judgement.comparison.verdict == "underpowered"
        assert "7 paired seeds would be enough" in judgement.comparison.sentence


def test_no_hypotheses_no_judgements():
    assert judge(make_study(VALUES, make_spec())) == ()


def test_studies_that_cannot_be_judged():
    with pytest.raises(InputRefusedError, match="do not record their study"):
        judge(make_study(VALUES))
    damaged = hypothesis()
    del damaged["metric"]
    with pytest.raises(IntegrityError, match="damaged"):
        judge(make_study(VALUES, make_spec([damaged])))
    for arms in ("lstm", ["lstm"], None):
        assert judge(make_study(VALUES, make_spec([hypothesis()]) | {"arms": arms}))[0].comparison.arm == "zoneout"
    with pytest.raises(UsageError, match="no arm"):
        judge(make_study(VALUES, make_spec([hypothesis("gru")])))


def test_judgements_survive_a_file(tmp_path):
    tree = make_study(VALUES, make_spec([hypothesis(), hypothesis("dropout")]))
    schema.write_tree(tree, tmp_path / "study.nc")
    again = judge(schema.read_tree(tmp_path / "study.nc"))
    assert [dataclasses.asdict(j) for j in again] == [dataclasses.asdict(j) for j in judge(tree)]
