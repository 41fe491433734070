"""What is claimed of other people's runs, in a file or as values, and what their arms are called."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_elsewhere import judged, table

import zoneout_lab as zl
from zoneout_lab import schema
from zoneout_lab.errors import InputRefusedError, LabError, UsageError
from zoneout_lab.results.elsewhere import read_claims


def test_what_was_not_declared_is_exploratory_and_what_was_says_when():
    assert judged(table()).sentence.endswith("(exploratory: not declared before the runs).")
    claim = {
        "arm": "none",
        "against": "full",
        "metric": "acc",
        "direction": "higher",
        "margin": 0.5,
        "reason": "why not",
    }
    results = zl.results_from(table(), metrics=["acc"], hypotheses=[claim])
    (judgement,) = zl.judge(results)
    assert judgement.comparison.verdict == "supported"
    assert judgement.comparison.sentence.endswith(
        "(declared for this judgement, and not shown to have been before the runs)."
    )
    assert judgement.statement == "none has higher acc than full."
    # a comparison by hand is not the declared one
    assert "not as declared" in zl.compare(results, "none", "full", metric="acc").sentence
    hypothesis = zl.Hypothesis(
        name="h", statement="It helps.", arm="none", against="full", metric="acc", direction="higher"
    )
    assert zl.judge(zl.results_from(table(), metrics=["acc"], hypotheses=[hypothesis]))[0].statement == "It helps."


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ({"arm": "none"}, "lacks 'against'"),
        ({"arm": "none", "against": "none", "metric": "acc"}, "with itself"),
        ({"arm": "none", "against": "full", "metric": "acc", "direction": "same"}, "needs a margin above zero"),
        ({"arm": "none", "against": "full", "metric": "acc", "direction": "better"}, "choose lower, higher"),
        ({"arm": "none", "against": "full", "metric": "acc", "margin": -1}, "at least 0"),
        ({"arm": "none", "against": "full", "metric": "acc", "way": "up"}, "no field of one"),
        ({"arm": "nobody", "against": "full", "metric": "acc"}, "no arm 'nobody'"),
        ({"arm": "none", "against": "full", "metric": "f1"}, "no metric 'f1'"),
    ],
)
def test_claims_that_cannot_be_tested_are_refused(claim, said):
    with pytest.raises(LabError, match=said):
        zl.results_from(table(), metrics=["acc"], hypotheses=[claim])


@pytest.mark.parametrize(("better", "claimed"), [("higher", "higher"), ("lower", "lower"), (None, "lower")])
def test_without_a_direction_the_arm_is_claimed_to_be_better(better, claimed):
    claim = {"arm": "none", "against": "full", "metric": "acc"}
    words = {"name": "h", "statement": "It helps."}
    about = {"acc": zl.Metric("accuracy", "%", better=better)}
    for given in (claim, zl.Hypothesis(**claim, **words)):
        results = zl.results_from(table(), metrics=about, hypotheses=[given])
        assert [each.comparison.direction for each in zl.judge(results)] == [claimed]
    assert zl.compare(results, "none", "full", metric="acc").direction == claimed
    assert zl.compare(results, "none", "full", metric="acc", direction="higher").direction == "higher"
    family = zl.compare_family(
        results, [zl.Question("none", "full", "acc"), zl.Question("none", "full", "acc", "same", 1)]
    )
    assert [each.direction for each in family] == [claimed, "same"]
    apart = zl.results_from(table(), metrics=about, paired=False)
    assert zl.compare(apart, "none", "full", metric="acc").direction == claimed


def test_more_comparisons_than_are_judged_together_are_counted_as_such():
    frame = table([*"abcdefghijklmnopqrstu"], seeds=2).assign(**{f"m{k}": 1.0 * k for k in range(12)})
    many = {f"m{k}": "higher" for k in range(11)}
    with pytest.raises(
        InputRefusedError,
        match=r"20 arms compared with a on 11 metrics make 220 comparisons, and up to 200 are .* fewer metrics \(--metric",
    ):
        zl.results_from(frame, metrics=many | {"m11": zl.Metric("m", unit="")}, baseline="a")
    results = zl.results_from(frame, metrics=dict(list(many.items())[:10]), baseline="a")
    assert len((schema.study_of(results) or {})["hypotheses"]) == 200


def test_a_file_of_claims_says_what_a_hypothesis_does(tmp_path: Path):
    path = tmp_path / "claims.toml"
    path.write_text(
        'alpha = 0.01\nbaseline = "full"\n[metrics.acc]\nunit = "%"\nbetter = "higher"\n[labels]\nnone = "no dropout"\n'
        '[[hypotheses]]\narm = "none"\nagainst = "full"\nmetric = "acc"\ndirection = "higher"\n'
    )
    claims = read_claims(path)
    assert (claims.alpha, claims.baseline, claims.metrics["acc"].unit) == (0.01, "full", "%")
    assert claims.hypotheses[0]["arm"] == "none"
    assert claims.labels == {"none": "no dropout"}
    for text, said in (
        ("a = [", "is not TOML"),
        ("x = 1", "has 'x'"),
        ("alpha = 'a'", "alpha is 'a'; give a number between 0 and 1"),
        ("alpha = 1", "alpha is 1; give a number between 0 and 1, such as 0.05"),
        ("baseline = 3", "baseline is 3; give the name of an arm, in quotes"),
        ("hypotheses = 3", "begins with"),
        ("labels = 3", r"labels is 3; give lines such as full = \"full model\" below \[labels\]"),
    ):
        path.write_text(text)
        with pytest.raises(InputRefusedError, match=said):
            read_claims(path)


LABELS = {"none": "no dropout"}


def test_sentences_tables_and_the_report_call_arms_by_their_labels(tmp_path: Path):
    results = zl.results_from(table(), metrics={"acc": "higher"}, baseline="full", labels=LABELS)
    assert results["metrics"].arm.values.tolist() == ["full", "none"]
    assert results["metrics"].arm_label.values.tolist() == ["full", "no dropout"]
    judgement = zl.judge(results)[0]
    assert judgement.statement == "no dropout has higher acc than full."
    assert "the acc of no dropout is" in judgement.comparison.sentence
    table_of_it = judgement.to_markdown()
    assert "| no dropout |" in table_of_it
    assert "none" not in table_of_it.partition("\n\n")[0]  # as in the name that nobody gave to this comparison
    assert "Hypothesis" not in table_of_it
    assert judgement.to_frame()["arm"].tolist() == ["none"]  # by which it is looked up
    zl.write_report(results, tmp_path / "report.html")
    assert "no dropout" in (tmp_path / "report.html").read_text()


def test_arms_that_are_numbers_have_labels_too():
    frame = table((64, 128))
    results = zl.results_from(frame, metrics=["acc"], labels={64: "narrow", "128": "wide\n"})
    assert results["metrics"].arm_label.values.tolist() == ["narrow", "wide"]


def test_no_labels_are_the_arms_own_and_may_differ_in_case_alone():
    assert zl.results_from(table(("a", "A")), metrics=["acc"])["metrics"].arm_label.values.tolist() == ["a", "A"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"non": "x"}, r"no arm 'non'\. Did you mean 'none'"),
        ({"none": " "}, "'none' is to be called ' '; give a text"),
        ({"none": 3}, "'none' is to be called 3; give a text"),
        ({"none": "Full"}, "'full' and 'none' would both be called 'Full'"),
        (["x"], r"labels is \['x'\]; give a mapping"),
        ({None: "x"}, "^labels: None is no arm; give an arm's text or number, as it stands in the table"),
        ({float("inf"): "x"}, "^labels: inf is no arm"),
        ({"none": "x", " none": "y"}, "labels names one arm twice, 'none' and ' none': both are the arm 'none'"),
        ({"full": "x", "full ": "x"}, "labels names one arm twice"),
    ],
)
def test_labels_that_are_none_are_refused(given, said):
    with pytest.raises(LabError, match=said) as caught:
        zl.results_from(table(), metrics=["acc"], labels=given)
    assert isinstance(caught.value, InputRefusedError | UsageError)


def test_a_baseline_that_is_no_arm_is_refused_in_a_sentence():
    for given in (float("nan"), ["full"], ""):
        with pytest.raises(InputRefusedError, match=r"^baseline: .* is no arm; give an arm's text or number"):
            zl.results_from(table(), metrics={"acc": "higher"}, baseline=given)
