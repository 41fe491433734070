"""Comparisons and verdicts as tables: the numbers are the comparisons' own, and any label survives Markdown, LaTeX and HTML."""

from __future__ import annotations

import dataclasses
import html.parser
import io
import math
import re
from pathlib import Path

import pandas as pd
import pytest

import zoneout_lab as zl
from zoneout_lab.errors import InputRefusedError
from zoneout_lab.results import Question, compare_family
from zoneout_lab.results.latex import latex
from zoneout_lab.results.rows import NUMBERS, Entry, numbers
from zoneout_lab.results.tabular import Table

QUICKSTART = Path(__file__).parents[2] / "reports" / "quickstart" / "study.nc"
HOSTILE = r"a|b & 50% \of $c_t^2$ {x} #1 ~ <b>*bold*</b>"


@pytest.fixture(scope="module")
def tree():
    return zl.open_results(QUICKSTART)


@pytest.fixture(scope="module")
def judged(tree):
    return zl.judge(tree)


@pytest.fixture(scope="module")
def against_lstm(tree):
    return compare_family(tree, [Question(arm, "lstm", "valid_error") for arm in ("zoneout", "static")])


def cells(markdown: str) -> list[list[str]]:
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_the_frame_has_the_numbers(judged):
    frame = judged.to_frame()
    assert tuple(frame.columns) == NUMBERS == tuple(numbers(Entry(judged[0].comparison)))
    for row, judgement in zip(frame.itertuples(), judged, strict=True):
        c = judgement.comparison
        assert (row.hypothesis, row.statement, row.verdict) == (judgement.name, judgement.statement, c.verdict)
        assert (row.p, row.p_adjusted, row.seeds) == (c.p, c.p_adjusted, len(c.seeds))
        assert row.arm_mean == pytest.approx(sum(c.arm_values) / len(c.arm_values))
        assert row.arm_low < row.arm_mean < row.arm_high
        assert (row.difference, row.low, row.high) == pytest.approx((c.mean_difference, *c.interval))


def test_on_a_ratios_scale_the_frame_has_ratios(tree):
    (row,) = zl.compare(tree, "zoneout", "lstm", metric="early_third_mass_cell").to_frame().itertuples()
    assert row.scale == "log"
    assert row.difference == pytest.approx(row.arm_mean / row.against_mean)
    assert row.low < row.difference < row.high
    assert 0 < row.arm_low < row.arm_mean < row.arm_high < 1


def test_csv_read_again_is_the_frame(judged, tmp_path):
    frame = judged.to_frame()
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(judged.to_csv()), dtype={"units": str}), frame, rtol=1e-13)
    assert judged.to_csv(tmp_path / "deep" / "table.csv") is None
    assert (tmp_path / "deep" / "table.csv").read_text() == judged.to_csv()
    (tmp_path / "file").touch()
    with pytest.raises(InputRefusedError, match="Cannot write"):
        judged.to_csv(tmp_path / "file" / "table.csv")


def test_what_all_rows_share_is_said_once(against_lstm):
    heads, _, *rows = cells(against_lstm.to_markdown())
    assert heads == ["Arm", "Mean", "LSTM", "Difference", "p", "Verdict"]
    assert [row[0] for row in rows] == ["zoneout", "static identity"]
    assert "Validation error (%), against LSTM, over 10 paired seeds, claimed lower." in against_lstm.to_markdown()


def test_what_rows_differ_in_has_a_column(tree):
    questions = [
        Question("zoneout", "lstm", "valid_error", "same", margin=0.02, scale="linear"),
        Question("static", "zoneout", "early_third_mass_cell", "higher"),
    ]
    heads, _, first, second = cells(compare_family(tree, questions).to_markdown())
    assert heads == ["Metric", "Arm", "Mean", "Against", "Mean", "Difference", "Claim", "p", "Verdict"]
    assert first[6] == "same, margin ± 2.00"
    assert "×" in second[5]
    assert re.fullmatch(r"[\d.]+ \\\[[\d.]+, [\d.]+\\\]", second[2]), second[2]


def test_marks_are_explained_where_they_stand_and_nowhere_else(tree, judged, against_lstm):
    assert "inconclusive\\*" in against_lstm.to_markdown()
    assert "Exploratory: not declared" in against_lstm.to_markdown()
    assert "xploratory" not in judged.to_markdown()
    few = zl.compare(tree.isel(seed=slice(0, 3)), "zoneout", "lstm", metric="valid_error").to_markdown()
    assert "‡ A t interval" in few
    assert "over 3 of 10 paired seeds" in few
    assert "‡" not in judged.to_markdown()
    assert "comparisons judged together by Holm's step-down" in judged.to_markdown()


def test_a_label_of_any_letters_stays_one_cell(tree):
    c = dataclasses.replace(zl.compare(tree, "zoneout", "lstm", metric="valid_error"), arm_label=HOSTILE)
    heads, _, row = cells(c.to_markdown())
    assert len(row) == len(heads)
    assert re.sub(r"\\(.)", r"\1", row[0]) == HOSTILE

    found: list[str] = []

    class Cells(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            assert tag in {"table", "thead", "tbody", "tr", "th", "td", "p", "small"}

        def handle_data(self, data):
            found.append(data)

    Cells().feed(c._repr_html_())
    assert HOSTILE in found


def test_latex_is_a_table_with_booktabs(judged):
    text = judged.to_latex(r"Verdicts \emph{at last}.", "tab:verdicts")
    lines = text.splitlines()
    assert lines[0] == r"% \usepackage{booktabs}"
    assert lines[3].startswith(r"\caption{Verdicts \emph{at last}. Over 10 paired seeds.")
    assert r"\label{tab:verdicts}" in lines
    (columns,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", text)
    between = text.partition("\\toprule\n")[2].partition("\\bottomrule")[0].replace("\\midrule\n", "").splitlines()
    groups = [line for line in between if line.startswith(r"\multicolumn")]
    assert groups == [
        rf"\multicolumn{{8}}{{l}}{{\emph{{{metric} (\%)}}}} \\"
        for metric in ("validation error", "early-third gradient share (cell, candidate)")
    ]
    between = [line for line in between if line not in groups and line != r"\addlinespace"]
    assert {len(re.split(r"(?<!\\)&", line)) for line in between} == {len(columns)} == {8}
    assert all(line.endswith(r" \\") for line in between)
    assert len(between) == 1 + len(judged)
    for letter in "−×±†‡[" + "⁻⁰":
        assert letter not in "".join(between).replace(" [", "")
    assert between[1].startswith("zoneout & 23.8 $\\pm$ 2.2 & LSTM")


@pytest.mark.parametrize("text", [HOSTILE, "z = ½ → 0.5 … “so”", "c₀ and 10⁻¹²", "−∞", "ζ-zoneout", "\\"])
def test_escaped_text_holds_nothing_that_latex_obeys(text):
    bare = re.sub(r"\\[A-Za-z]+(\{\})?|\\[&%$#_{}|]|\$[_^]\{[-\d]+\}\$|\$-\$|\$(?:\\\w+)\$", "", latex(text))
    assert not re.search(r"[\\{}$&#^_%]", bare), bare


def test_no_comparison_is_an_empty_table():
    empty: Table[zl.Comparison] = Table(())
    assert len(empty.to_frame()) == 0
    assert tuple(empty.to_frame().columns) == NUMBERS
    for text in (empty.to_markdown(), empty.to_latex(), empty._repr_html_()):
        assert "No comparison: no hypothesis is declared." in text


def test_no_pair_has_no_numbers(tree):
    lost = tree.copy(deep=True)
    lost["metrics"]["status"] = lost["metrics"]["status"].where(lost["metrics"].arm != "zoneout", "diverged")
    c = zl.compare(lost, "zoneout", "lstm", metric="valid_error")
    (row,) = c.to_frame().itertuples()
    assert (row.seeds, row.lost) == (0, 10)
    assert math.isnan(row.arm_mean)
    assert math.isnan(row.difference)
    assert cells(c.to_markdown())[2][1:4] == ["–", "–", "–"]
    assert "over 0 of 10 paired seeds" in c.to_markdown()


def test_a_slice_is_a_table_and_an_item_what_it_was(judged, against_lstm):
    assert isinstance(judged, tuple)
    assert type(judged[1:3]) is Table
    some = judged[1:3]
    assert len(some.to_frame()) == 2  # type: ignore[attr-defined]
    assert judged[0].to_frame()["hypothesis"].tolist() == ["zoneout_helps"]
    assert str(some) == some.to_markdown() != judged.to_markdown()  # type: ignore[attr-defined]
    assert str(against_lstm[0]) == against_lstm[0].sentence
    assert str(judged[0]).startswith(judged[0].statement)
