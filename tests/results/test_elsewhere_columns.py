"""Columns of other people's tables: which one is judged, what none may be called, and which row a message means."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import zoneout_lab as zl
from zoneout_lab import metrics, schema
from zoneout_lab.errors import InputRefusedError, UsageError
from zoneout_lab.results.elsewhere import names


def table(**columns: object) -> pd.DataFrame:
    luck = np.random.default_rng(0).normal(size=6)
    frame = pd.DataFrame({"arm": ["full"] * 6 + ["none"] * 6, "seed": [*range(6)] * 2})
    return frame.assign(**({"acc": [*luck, *(luck + 1 + 0.1 * luck[::-1])]} | columns))  # type: ignore[arg-type]


def notes(results: object) -> list[str]:
    return schema.provenance(results, "source")["notes"]  # type: ignore[arg-type,index,return-value]


@pytest.mark.parametrize("order", [("val acc", "val_acc"), ("val_acc", "val acc")])
def test_of_two_columns_with_one_stored_name_each_is_judged(order):
    up, down = table()["acc"], -table()["acc"]
    frame = table(**{"val acc": up, "val_acc": down})
    results = zl.results_from(frame, metrics=dict.fromkeys(order, "higher"), baseline="full")
    found = {each.comparison.metric: each.comparison.verdict for each in zl.judge(results)}
    assert found == {"val_acc": "contradicted", "val_acc_2": "supported"}
    claim = {"arm": "none", "against": "full", "direction": "higher"}
    for metric, verdict in (("val_acc", "contradicted"), ("val acc", "supported"), ("val_acc_2", "supported")):
        (judgement,) = zl.judge(zl.results_from(frame, metrics=order, hypotheses=[claim | {"metric": metric}]))
        assert judgement.comparison.verdict == verdict, metric


@pytest.mark.parametrize("name", sorted(metrics.RESERVED))
def test_a_name_that_results_use_is_no_metrics(name):
    assert name in names.RESERVED
    frame = table().rename(columns={"arm": "method", "seed": "run"}).assign(**{name: np.arange(12.0)})
    with pytest.raises(InputRefusedError, match=f"cannot be called '{name}'"):
        zl.results_from(frame, arm="method", seed="run", metrics=[name])
    results = zl.results_from(frame, arm="method", seed="run")
    assert notes(results) == [f"Not taken for a metric, by its name: {name}."]


def test_a_message_names_the_row_of_the_table_whatever_was_left_out():
    frame = table(state=["failed", "failed"] + ["finished"] * 10)
    for column, value, said in (
        ("acc", "0,5", r"acc in row 4 is '0,5'"),
        ("arm", "", "Row 4 has no arm"),
        ("seed", float("inf"), "The seed of row 4, inf, is not finite"),
        ("seed", 2, "rows 3 and 4"),
    ):
        bad = frame.astype(object)
        bad.loc[3, column] = value
        with pytest.raises(InputRefusedError, match=said):
            zl.results_from(bad, metrics=["acc"], state="state")


def test_a_message_names_the_row_of_a_long_table():
    tall = (
        table(loss=np.arange(12.0))
        .melt(["arm", "seed"], var_name="what", value_name="value")
        .sort_values("seed", kind="stable")
    )
    tall = tall.reset_index(drop=True).astype(object)
    assert list(tall["what"][:5]) == ["acc", "acc", "loss", "loss", "acc"]
    for column, value, said in (
        ("value", "much", "acc in row 5 is 'much'"),
        ("what", None, "Row 5 has no metric"),
        ("arm", None, "Row 5 has no arm"),
        ("what", "loss", "loss has 2 values for arm full, seed 1: rows 5 and 7"),
    ):
        bad = tall.copy()
        bad.loc[4, column] = value
        with pytest.raises(InputRefusedError, match=said):
            zl.results_from(bad, long=("what", "value"))


def test_infinite_values_of_a_long_table_are_counted():
    tall = table(loss=np.arange(12.0)).melt(["arm", "seed"], var_name="what", value_name="value")
    tall.loc[[0, 2], "value"] = np.inf
    results = zl.results_from(tall, long=("what", "value"), metrics={"acc": "higher"}, baseline="full")
    assert notes(results) == ["2 values of acc are infinite and count as missing."]
    assert zl.judge(results)[0].comparison.lost == (0, 2)


def test_a_long_table_is_averaged_each_metric_over_its_own_rows():
    folds = pd.concat([table(loss=np.arange(12.0)).assign(fold=k) for k in range(3)])
    folds["acc"] += 0.5 * folds["fold"] ** 2
    tall = folds.melt(["arm", "seed", "fold"], var_name="what", value_name="value")
    tall = tall[(tall["what"] == "acc") | (tall["fold"] < 2)].drop(columns="fold").reset_index(drop=True)
    tall["seed"] = [str(seed) if k % 7 > 3 else seed for k, seed in enumerate(tall["seed"])]
    tall["arm"] = [f" {arm}" if k % 3 else arm for k, arm in enumerate(tall["arm"])]
    about = {"acc": "higher", "loss": "lower"}
    results = zl.results_from(tall, long=("what", "value"), metrics=about, average=True, baseline="full")
    found = results["metrics"].to_dataset()
    np.testing.assert_allclose(found["acc"].values.ravel(), table()["acc"] + 0.5 * 5 / 3)
    np.testing.assert_array_equal(found["loss"].values.ravel(), np.arange(12.0))
    assert notes(results)[1:] == [
        "Each value of acc is the mean of 3 rows.",
        "Each value of loss is the mean of 2 rows.",
    ]
    with pytest.raises(
        InputRefusedError, match=r"acc has 3 values for arm full, seed 0: rows 1 and 13\..* or average them"
    ):
        zl.results_from(tall, long=("what", "value"), metrics=about)


def test_a_long_table_of_runs_that_are_not_paired_needs_no_seed():
    wide = table(loss=np.arange(12.0)).drop(columns="seed")
    tall = wide.melt("arm", var_name="what", value_name="value").drop(index=3)
    one, other = (
        zl.judge(zl.results_from(frame, metrics={"acc": "higher"}, baseline="full", paired=False, **more))[0].comparison
        for frame, more in ((wide.drop(index=3), {}), (tall, {"long": ("what", "value")}))
    )
    assert (len(one.against_values), one.against_values, one.p) == (5, other.against_values, other.p)


def test_copies_do_not_count_as_runs():
    frame = table(fold=0)
    twice = pd.concat([frame, frame.iloc[[2, 4]]])
    apart = {"metrics": {"acc": "higher"}, "baseline": "full", "paired": False}
    with pytest.raises(
        InputRefusedError, match="Rows 3 and 13 are alike in every column, and there are 1 more such rows"
    ):
        zl.results_from(twice, **apart)
    with pytest.raises(InputRefusedError, match="Rows 3 and 13 are alike"):
        zl.results_from(twice.drop(columns="seed"), block=("fold",), **apart)
    # a column that is read for nothing else tells them apart
    assert notes(zl.results_from(twice.assign(run=range(14)), **apart)) == []
    with_none = zl.results_from(twice.drop(columns="seed"), **apart)
    assert notes(with_none) == ["2 rows are alike in every column with one before: what is a copy counts twice."]
    assert notes(zl.results_from(twice, **apart | {"paired": True}, average=True))[0].startswith("2 rows are alike")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["2", "02"], "2 and 02"),
        (["0.5", "+5e-1"], r"0\.5 and \+5e-1"),
        ([3.0, "3.00"], r"3 and 3\.00"),
        (["-0", "0"], "-0 and 0"),
    ],
)
@pytest.mark.parametrize("column", ["seed", "fold"])
def test_labels_that_are_one_number_are_refused(labels, said, column):
    frame = table(fold=0).astype({column: object})
    frame.loc[[0, 7], column] = labels
    with pytest.raises(InputRefusedError, match=f"Two labels of {column} are one number written in two ways: {said}"):
        zl.results_from(frame, metrics=["acc"], block=("fold", "seed"))


@pytest.mark.parametrize(
    "texts", [["1", "1a"], ["1e99999999999999999999", "1"], ["1.1", "1.11"], ["inf", "Infinity"], ["١", "1"]]
)
def test_labels_that_only_look_like_one_number_are_apart(texts):
    results = zl.results_from(
        table().assign(fold=[texts[0]] * 3 + [texts[1]] * 9), metrics=["acc"], block=("fold", "seed")
    )
    assert len(set(results["metrics"]["group"].values.tolist())) == 2


@pytest.mark.parametrize("versions", [["1.1", "1.10"], ["01", "1"], ["2", "2.0"]])
def test_arms_may_be_versions(versions):
    results = zl.results_from(table().assign(arm=[versions[0]] * 6 + [versions[1]] * 6), metrics=["acc"])
    assert results["metrics"]["arm"].values.tolist() == versions


def test_true_is_not_one():
    for texts in ([True, 1], [False, 0], [0.0, False]):
        frame = table().assign(arm=[texts[0]] * 6 + [texts[1]] * 6)
        assert zl.results_from(frame, metrics=["acc"])["metrics"].sizes["arm"] == 2
        seeds = table().astype({"seed": object})
        seeds["seed"] = [*texts, 2, 3, 4, 5] * 2
        assert zl.results_from(seeds, metrics=["acc"])["metrics"].sizes["seed"] == 6


def test_decimals_are_numbers():
    luck = [Decimal(f"{value:.3f}") for value in table()["acc"]]
    frame = table().assign(acc=luck, seed=[Decimal(f"{seed}.50") for seed in [*range(6)] * 2])
    results = zl.results_from(frame, metrics=["acc"])
    assert results["metrics"]["acc"].values.ravel().tolist() == [float(value) for value in luck]
    assert results["metrics"]["block"].values.tolist()[:2] == ["0.5", "1.5"]


@pytest.mark.parametrize("paired", [True, False])
def test_large_counts_are_exact_and_values_that_rounding_has_taken_are_noted(paired):
    steps = np.array([4.0, 1.0, 3.0, 0.0, 2.0, 6.0])
    counts = table(acc=np.r_[1e15 + steps, 1e15 + steps + 3])
    given = {"metrics": {"acc": "higher"}, "baseline": "full", "paired": paired}
    results = zl.results_from(counts, **given)
    c = zl.judge(results)[0].comparison
    assert c.mean_difference == pytest.approx(3)
    assert notes(results) == []
    expected = zl.judge(zl.results_from(table(acc=np.r_[steps, steps + 3]), **given))[0].comparison
    assert (c.verdict, c.p, c.interval, c.constant) == (
        expected.verdict,
        expected.p,
        expected.interval,
        expected.constant,
    )
    results = zl.results_from(table(acc=np.r_[1e15 + steps / 8, 1e15 + steps / 8 + 1]), **given)
    assert "the same on average" in zl.judge(results)[0].comparison.sentence
    assert notes(results) == ["The values of acc agree to 12 digits: what differs by less than 3.6 counts as rounding."]


@pytest.mark.parametrize(("paired", "size"), [(True, 1e308), (False, 1e308), (False, 1e200)])
def test_values_too_large_to_subtract_stop_no_other_metric(paired, size):
    frame = table(loss=size * np.linspace(-1, 1, 12))
    about = {"loss": "lower", "acc": "higher"}
    judged = zl.judge(zl.results_from(frame, metrics=about, baseline="full", paired=paired))
    assert f"(values as large as {size:g} cannot be subtracted)" in judged[0].comparison.sentence
    assert judged[1].comparison.mean_difference > 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"alpha": "0.05"}, "A level α is a number between 0 and 1, got '0.05'"),
        ({"alpha": None}, "A level α is a number between 0 and 1, got None"),
        ({"arm": 3}, "arm is 3; give the name of a column"),
        ({"seed": 3}, "seed is 3; give the name of a column"),
        ({"block": 3}, "block is 3; give the name of a column, or a list of names"),
        ({"block": ["arm", 3]}, "block is .*; give the name of a column, or a list of names"),
        ({"metrics": 5}, "metrics is 5; give names of columns"),
        ({"state": 3}, "state is 3; give the name of a column"),
        ({"long": "acc"}, "long is 'acc'; give two names of columns"),
        ({"long": ("what",)}, "give two names of columns"),
        ({"hypotheses": 3}, "hypotheses is 3; give a list of them"),
        ({"hypotheses": {"arm": "none"}}, "give a list of them"),
        ({"title": 3}, "title is 3; give a text"),
    ],
)
def test_an_argument_of_another_kind_is_refused_in_a_sentence(given, said):
    with pytest.raises(InputRefusedError, match=said):
        zl.results_from(table(), **({"metrics": {"acc": "higher"}, "baseline": "full"} | given))


@pytest.mark.parametrize(
    ("unit", "size", "said"),
    [
        ("%", 1, r"acc is said to be in %, and all its values lie between 0 and 1: 0\.5 is shown as 0\.5%\. If they are fractions, their unit is 1\."),
        ("%", 1.9, ""),  # one is above
        ("%", 0, ""),  # an error that nobody makes
        ("1", 4, r"acc is said to be a fraction, unit 1, and all its values are above 1: 2 is shown as 200%\. If they are percentages"),
        ("1", 1.9, ""),
        ("", 4, ""),
    ],
)  # fmt: skip
def test_values_that_are_hardly_in_their_unit_are_noted(unit: str, size: float, said: str):
    frame = pd.DataFrame(
        [(arm, seed, size * (0.5 + seed / 20)) for arm in "ab" for seed in range(7)], columns=["arm", "seed", "acc"]
    )
    found = notes(zl.results_from(frame, metrics={"acc": zl.Metric("accuracy", unit=unit)}))
    assert len(found) == bool(said)
    assert not said or re.match(said, found[0])


@pytest.mark.parametrize("average", [True, False])
def test_where_the_column_of_pairs_is_missing_a_way_out_is_named(average):
    with pytest.raises(UsageError, match=r"no column 'seed'.* seed= \(--seed NAME\).* paired=False \(--unpaired\)\.$"):
        zl.results_from(table().rename(columns={"seed": "rep"}), metrics=["acc"], average=average)
    with pytest.raises(UsageError, match="no column 'method'") as caught:
        zl.results_from(table().rename(columns={"seed": "rep"}), arm="method", metrics=["acc"])
    assert "paired" not in str(caught.value)


@pytest.mark.parametrize(("seed", "said"), [("run", True), ("seed", False), ("fold", False), (None, False)])
def test_a_seed_beside_a_block_is_said_not_to_be_looked_at(seed, said):
    frame = table().rename(columns={"seed": "fold"}).assign(run=0, seed=1)
    found = notes(zl.results_from(frame, seed=seed, block=["fold"], metrics=["acc"], average=True))
    assert [each.startswith("run, given as the seed, is not looked at") for each in found] == ([True] if said else [])


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(10**309, id="309 zeros"),
        pytest.param(-(10**4000), id="4,000 zeros"),
        pytest.param(7**9000, id="more digits than Python writes"),
    ],
)
def test_a_number_that_is_too_large_is_refused_with_its_row(value, tmp_path):
    frame = table(acc=pd.Series([*range(11), value], dtype=object))
    tables = [frame]
    if value.bit_length() < 14_000:
        tables.append(tmp_path / "t.jsonl")
        tables[1].write_text("\n".join(json.dumps(row) for row in frame.to_dict("records")))
    for each in tables:
        with pytest.raises(InputRefusedError, match=r"acc in row 12 is .*, which is no number"):
            zl.results_from(each, metrics=["acc"], baseline="full")


def test_a_label_of_thousands_of_digits_is_refused_with_its_row():
    frame = table(seed=pd.Series([*range(11), 7**9000], dtype=object))
    with pytest.raises(InputRefusedError, match=r"The seed of row 12, .*, has more than 180 digits"):
        zl.results_from(frame, metrics=["acc"], baseline="full")
