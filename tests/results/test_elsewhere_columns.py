"""Columns of other people's tables: which one is judged, what none may be called, and which row a message means."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import zoneout_lab as zl
from zoneout_lab import metrics, schema
from zoneout_lab.errors import InputRefusedError
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
        ("arm", "full ", "rows 5 and 7"),  # one arm, written in two ways
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
