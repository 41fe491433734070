"""Verdicts over several tasks as tables: a row for each task, as it was judged there, and one for all of them."""

from __future__ import annotations

import io
import math
import re

import pandas as pd
import pytest
from test_across import BETTER, results
from tiny_studies import hypothesis

from zoneout_lab.results import Across, across, judge
from zoneout_lab.results.rows import NUMBERS, OVER_TASKS
from zoneout_lab.results.tabular import Table

CLAIMS = [hypothesis(), hypothesis("lstm", "zoneout", direction="higher")]


def two() -> Across:
    return across([results("digits", BETTER, CLAIMS), results("adding", BETTER[:4], CLAIMS)])


def test_the_frame_has_each_task_and_all_of_them():
    over = two()
    frame = over.to_frame()
    assert tuple(frame.columns) == (*NUMBERS, *OVER_TASKS)
    assert frame["task"].tolist() == ["digits", "adding", "all tasks"] * 2
    assert frame["hypothesis"].tolist() == [name for each in over.judgements for name in [each.name] * 3]
    for place, judgement in enumerate(over.judgements):
        rows = frame.iloc[3 * place : 3 * place + 3]
        for (_, row), c in zip(rows.iterrows(), judgement.comparisons, strict=False):
            assert (row["verdict"], row["difference"], row["p"]) == (c.verdict, c.mean_difference, c.p)
            assert math.isnan(row["standardised"])
        last = rows.iloc[2]
        found = (last["verdict"], last["p"], last["p_adjusted"], last["standardised"], last["seeds"])
        decision = judgement.decision
        assert found == (decision.verdict, decision.p, decision.p_adjusted, judgement.standardised, 10)
        assert last["sentence"] == judgement.sentence
        assert math.isnan(last["difference"])
        assert last["family"] == 2


def test_csv_is_the_frame():
    over = two()
    again = pd.read_csv(io.StringIO(over.to_csv()), keep_default_na=False, na_values=[""])
    assert again["task"].tolist() == over.to_frame()["task"].tolist()
    assert len(again.columns) == len(NUMBERS) + 2


def test_markdown_says_what_the_row_of_all_tasks_is():
    text = two().judgements[0].to_markdown()
    rows = [[cell.strip() for cell in line.split(" | ")] for line in text.splitlines() if line.startswith("|")]
    assert rows[0][1] == "Task"
    assert [row[1] for row in rows[2:]] == ["digits (%)", "adding (%)", "all tasks"]
    assert rows[-1][3:5] == ["–", "–"]
    assert rows[-1][6].endswith("§")
    assert "§ Over all tasks, the mean of each task" in text
    assert "Validation error, against the LSTM, claimed lower." in text
    assert "§" not in judge(results())[0].to_markdown()


def test_units_of_tasks_stand_beside_them():
    text = across([results(), results("chars", metric="valid_bpc", factor=100.0)]).to_markdown()
    assert "| digits (%) |" in text
    assert "| chars (bit/character) |" in text
    assert "between the arms, of percentages in percentage points, paired by seed" in text


def test_latex_has_a_title_above_the_rows_of_each_hypothesis():
    text = two().to_latex("Over tasks.", "tab:tasks")
    titles = re.findall(r"\\emph\{(.*?)\}", text)
    assert titles == ["zoneout-lstm: validation error", "lstm-zoneout: validation error"]
    assert r"\S{}" in text
    assert "§" not in text
    (columns,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", text)
    lines = [line for line in text.splitlines() if line.startswith("all tasks")]
    assert [len(re.split(r"(?<!\\)&", line)) for line in lines] == [len(columns)] * 2


@pytest.mark.parametrize("of", ["study", "hypothesis", "hypotheses"])
def test_a_notebook_shows_a_table(of: str):
    over = two()
    shown = {"study": over, "hypothesis": over.judgements[0], "hypotheses": over.judgements[:1]}[of]
    assert isinstance(over.judgements, Table)
    assert shown._repr_html_().count("<tr>") == (7 if of == "study" else 4)  # type: ignore[attr-defined]
    assert str(over.judgements[0]) == f"{over.judgements[0].statement} {over.judgements[0].sentence}"


def test_a_task_without_pairs_has_no_number_over_all():
    few = across([results("digits", BETTER), results("adding", [math.nan] * 3)])
    last = few.to_frame().iloc[-1]
    assert (last["seeds"], last["verdict"]) == (6, "underpowered")
    assert math.isnan(last["standardised"])
    assert "§" not in few.to_markdown()
